"""The table of ops says what is really called: every name of Keras in it exists."""

from __future__ import annotations

import functools
import re

import keras
import pytest
import torch

from torch2keras.declarations.registry import Lowering, registry
from torch2keras.errors import InputError
from torch2keras.reporting.op_table import SupportedOp, find_ops, format_op_details, format_op_list

KERAS_NAME = re.compile(r"\bkeras(?:\.\w+)+")


def exists(name: str) -> bool:
    try:
        functools.reduce(getattr, name.split(".")[1:], keras)
    except AttributeError:
        return False
    return True


def test_each_name_of_keras_exists_in_keras() -> None:
    texts = [
        *(lowering.summary for lowering in registry.lowerings.values()),
        format_op_list(find_ops()),
        format_op_details(find_ops()),
    ]
    named = {name for text in texts for name in KERAS_NAME.findall(text)}
    assert len(named) > 100
    assert not [name for name in named if not exists(name)]


def test_a_name_that_keras_lacks_would_be_seen() -> None:
    assert not exists("keras.ops.tanhh")
    assert exists("keras.ops.tanh")


def test_each_converter_of_the_package_says_what_it_becomes() -> None:
    silent = [
        str(lowering.op)
        for lowering in registry.lowerings.values()
        if lowering.convert.__module__.startswith("torch2keras.")
        and not lowering.summary
        and not lowering.tabled
    ]
    assert not silent
    assert not [row.op for row in find_ops() if row.op.startswith("aten.") and "<" in row.keras]


def test_a_users_converter_without_a_docstring_is_named_and_not_run(monkeypatch) -> None:
    def airy(x):
        raise AssertionError

    op = torch.ops.aten.special_airy_ai.default
    monkeypatch.setitem(registry.lowerings, op, Lowering(op, airy, "..."))
    (row,) = find_ops("special_airy")
    assert row.keras == "airy"


# op, what it says of Keras
SAID = [
    ("aten.exp.default", "keras.ops.exp"),
    ("aten.asin.default", "keras.ops.arcsin"),
    ("aten.tanh.default", "keras.layers.Activation(activation='tanh')"),
    ("aten.leaky_relu.default", "LeakyReLU; in float64 its formula, since TensorFlow rounds"),
    ("aten.view.default", "nothing"),
]


@pytest.mark.parametrize(("op", "said"), SAID)
def test_what_an_op_becomes(op: str, said: str) -> None:
    (row,) = find_ops(op)
    assert row.keras.startswith(said)


def test_rows_are_found_by_a_part_of_their_name_and_sorted() -> None:
    names = [row.op for row in find_ops("conv1d")]
    assert "aten.conv1d.default" in names
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("Conv1D", "aten.conv1d.default"),
        ("ATEN.Linear", "aten.linear.default"),
        ("Dense", "aten.linear.default"),
        ("keras.layers.Dense", "aten.linear.default"),
        ("ops.arctan2", "aten.atan2.default"),
    ],
)
def test_rows_are_found_in_any_case_and_by_the_name_that_keras_has(name: str, op: str) -> None:
    found = [row.op for row in find_ops(name)]
    assert op in found
    assert len(found) < 20


def test_a_name_of_no_op_is_an_error_that_shows_near_ones() -> None:
    with pytest.raises(InputError, match="no supported op is called 'tanhh'") as error:
        find_ops("tanhh")
    assert "tanh" in dict(error.value.rows)["close"]


def test_a_line_for_each_op_and_a_block_with_what_is_known() -> None:
    rows = [
        SupportedOp("a.b", "keras.ops.x", "...", "", ""),
        SupportedOp("a.longer", "Y", "n c -> n c", "n c", "of two"),
    ]
    assert format_op_list(rows) == "a.b       ...         keras.ops.x\na.longer  n c -> n c  Y"
    assert format_op_details(rows) == (
        "a.b\n  Keras   keras.ops.x\n  axes    ...\n\n"
        "a.longer\n  Keras   Y\n  axes    n c -> n c\n  kernel  n c\n  note    of two"
    )
