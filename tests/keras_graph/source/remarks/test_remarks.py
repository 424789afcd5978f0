"""What the code may say of a model is said in texts that cannot become code."""

from __future__ import annotations

import pytest

from torch2keras.keras_graph.source.remarks.remarks import (
    UNKNOWN,
    Remarks,
    plain_text,
    shape_text,
)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((None, 56, 56, 64), "(n, 56, 56, 64)"),
        ((2, None, 64), "(2, None, 64)"),
        ((None,), "(n,)"),
        ((), "()"),
    ],
)
def test_a_shape_is_written_with_n_for_the_batch(shape, text) -> None:
    assert shape_text(shape) == text


def test_modules_are_described_by_their_classes_each_once() -> None:
    paths = {"a.0": "net.Block", "a.1": "net.Block", "b": "other.Block"}
    remarks = Remarks(class_paths=paths)
    assert remarks.describe(["a.0", "a.1", "b"]) == "net.Block, other.Block."
    assert remarks.describe(["c"]) == ""
    assert UNKNOWN.describe(["a.0"]) == ""


@pytest.mark.parametrize("text", ['"""', "a\nimport os", "a\\", "имя", "\r", "\u2028", "#"])
def test_a_text_of_the_user_stays_a_text(text) -> None:
    plain = plain_text(text)
    assert len(plain) == len(text)
    assert plain.isascii()
    assert not {*plain} & {*'"\\\n\r#'}


def test_limits_of_sizes_are_lines_of_comments() -> None:
    limits = ["x.shape[2] <= 512", "x.shape[2] % 4 == 0\nimport os", "é" * 60]
    lines = Remarks(limits=limits).limit_lines()
    assert lines[0].startswith("    # sizes, in PyTorch's order: x.shape[2] <= 512, x.shape[2] % 4")
    assert all(line.startswith("    # ") and line.isprintable() for line in lines)
    assert UNKNOWN.limit_lines() == []
