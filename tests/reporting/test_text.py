"""The lines of a page: each fact as it is printed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from torch2keras.conversion.ports import Port
from torch2keras.reporting import text
from torch2keras.reporting.facts import (
    KerasCall,
    ModuleRow,
    Parameters,
    Tier,
    Transpose,
    Verified,
)

PORT = Port("x", "float32", (None, 3, 21), (None, 21, 3), "n l c", (0, 2, 1))
SAME = Port("mask", "int64", (2, None), (2, None), "n c", (0, 1))


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 ops"), (1, "1 op"), (2, "2 ops"), (12345, "12,345 ops")]
)
def test_a_count_has_its_plural(count, said):
    assert text.format_count(count, "op") == said


def test_a_label_stands_before_its_wrapped_text():
    first, second = text.label_lines("note", "word " * 20)
    assert first.startswith("  note        word word")
    assert second.startswith(" " * 14 + "word")
    assert max(len(first), len(second)) <= text.WIDTH
    assert text.label_lines("note", "one\ntwo") == ["  note        one", " " * 14 + "two"]
    assert text.label_lines("note", "") == ["  note        "]


def test_ports_say_their_shapes_on_both_sides():
    assert text.port_lines("inputs", [PORT, SAME]) == [
        "  inputs      x     float32  PyTorch (n, c=3, l=21), Keras (n, l=21, c=3)",
        "              mask  int64  (n=2, c) on both sides",
    ]
    assert text.port_lines("inputs", []) == []


def test_a_table_gives_keras_what_is_left():
    rows = [("module", "class", "Keras", "source"), ("stem", "B", "Conv1D + " * 9, "net.py:7")]
    head, *lines = text.table_lines(rows)
    assert head.split() == ["module", "class", "Keras", "source"]
    assert max(map(len, lines)) <= text.WIDTH
    assert len(lines) == 2
    column = head.index("Keras")
    assert all(line[column:].startswith(("Conv1D", "+")) for line in lines)


def test_kerass_column_is_never_squeezed():
    path = "encoder.layers.encoder_layer_0.self_attention"
    rows = [
        ("module", "class", "Keras", "source"),
        (path, "MultiheadAttention" * 2, "LayerNormalization + MultiHeadAttention", "n/" * 30),
    ]
    head, *lines = text.table_lines(rows)
    column = head.index("Keras")
    assert lines[0][column:].startswith("LayerNormalization + ")
    assert lines[1][column:].startswith("MultiHeadAttention")
    assert max(map(len, [head, *lines])) <= text.WIDTH
    assert lines[0].split()[0] == "encoder."  # broken behind a dot
    assert "".join(line[:column].split()[0] for line in lines if line[2:3].strip()) == path


def test_a_name_that_is_the_modules_own_is_left_out():
    row = ModuleRow("a.b.conv", "Conv1d", "", (KerasCall("Conv1D", "a_b_conv"),))
    assert text.keras_text(row) == "Conv1D"


def test_a_folded_table_says_so():
    row = ModuleRow("", "Linear", "net.py:7", (KerasCall("Dense", "x"),))
    rows = [replace(row, path=f"blocks.{number}") for number in range(30)]
    assert list(text.block_lines(rows)) == [
        "  module       class   Keras",
        "  blocks.0-29  Linear  Dense",
        "  (30 modules, folded; all of them: report.full_text(), --full)",
    ]
    assert list(text.block_lines(rows[:1])) == [
        "  module    class   Keras",
        "  blocks.0  Linear  Dense 'x'",
    ]


def test_paths_are_shortened():
    assert text.shorten_path("/far/away/nets/a.py:7") == "a.py:7"
    assert text.shorten_path("/far/away/nets/__init__.py:7") == "nets/__init__.py:7"
    assert text.shorten_path("a.py:7") == "a.py:7"
    assert text.shorten_path("") == ""


# the calls in place of the module "stem", what is said of them
KERAS = [
    ((), "- (only renames axes)"),
    ((KerasCall("ops.add"),), "ops.add"),
    (
        (KerasCall("ZeroPadding1D", "stem_pad"), KerasCall("Conv1D", "stem")),
        "ZeroPadding1D + Conv1D",
    ),
    ((KerasCall("ops.add"), KerasCall("ops.add"), KerasCall("ops.exp")), "2 ops.add + ops.exp"),
    ((KerasCall("Dense", "head"),), "Dense 'head'"),
]


@pytest.mark.parametrize(("calls", "said"), KERAS)
def test_what_stands_for_a_module(calls, said):
    assert text.keras_text(ModuleRow("stem", "Stem", "", calls)) == said


def test_the_outermost_module_names_no_layer():
    row = ModuleRow("", "Net", "", (KerasCall("Dense", "head"),))
    assert text.keras_text(row) == "Dense"
    assert "(itself)" in "\n".join(text.module_lines([row]))


def test_parameters_leave_out_what_there_is_none_of():
    plain = Parameters(1234, 0, 0, 1234, 0, {}, (), ())
    assert text.parameters_text(plain) == "PyTorch 1,234 trainable; Keras 1,234 trainable, 0 not"
    rich = Parameters(3, 5, 7, 3, 12, {}, (), ())
    assert text.parameters_text(rich) == (
        "PyTorch 3 trainable, 5 frozen, 7 in buffers; Keras 3 trainable, 12 not"
    )


def test_transposes_are_counted_and_named():
    assert text.transposes_text([]) == "none"
    left = Transpose("conv", "f32[2, 5]", "n c", "c n", ("a", "b"))
    assert text.transposes_text([left]) == (
        "1\nconv f32[2, 5] is stored as 'n c' and needed as 'c n' by a, b"
    )


def test_the_verification_says_how_close_and_on_what():
    tiers = (Tier("S", 0.25, "wide", "output", 1.5e-12), Tier("N", 0.0, "normal", "output", 0.0))
    verified = Verified(tiers, (("normal", ((2, 3), (5,))), ("wide", ((2, 3),))))
    assert text.verification_text(verified) == (
        "float64: worst error 1.5e-12, 25 % of what is allowed (wide, output)\n"
        "as saved: worst error 0.0e+00, 0 % of what is allowed (normal, output)\n"
        "inputs: normal (2, 3), (5,); wide (2, 3)"
    )
    assert "not verified" in text.verification_text(None)
