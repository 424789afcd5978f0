"""Constants and expressions as Python give back what they stand for."""

from __future__ import annotations

import ast
import math
import random
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from source_graphs import require_safe
from torch2keras.keras_graph.source.expressions import (
    NAME,
    Array,
    Choice,
    Condition,
    Fixed,
    LayerKind,
    PowerOfTwo,
    Scaled,
    Text,
    Variable,
    condition_text,
    constant_text,
    expression_text,
    join_text,
    list_text,
    quote,
    tokens_of,
    tuple_text,
)

CONSTANTS = {
    "1": 1,
    "1.0": 1.0,
    "-0.0": -0.0,
    "True": True,
    "None": None,
    "...": ...,
    "1e-05": 1e-5,
    "3.4e38": 3.4e38,
    'float("nan")': math.nan,
    'float("-inf")': -math.inf,
    "(1,)": (1,),
    "()": (),
    "(1, (2, 3))": (1, (2, 3)),
    "[]": [],
    "[1, None]": [1, None],
    "slice(None, 2, None)": slice(None, 2),
    '"same"': "same",
}


@pytest.mark.parametrize("text", CONSTANTS)
def test_constants(text: str) -> None:
    value = CONSTANTS[text]
    assert constant_text(value) == text
    given = eval(text)  # noqa: S307 - the package's own text is what is tested
    assert repr(given) == repr(value)


ARRAYS = {
    'np.array([1.0, 2.0], "float32")': Array([1.0, 2.0], "float32"),
    'np.array([0.1], "float32")': Array([float(np.float32(0.1))], "float32"),
    'np.array([0.10000000149011612], "float64")': Array([float(np.float32(0.1))], "float64"),
    'np.array([0.0, -0.0], "float32")': Array([0.0, -0.0], "float32"),
    'np.full((2,), -0.0, "float32")': Array([-0.0, -0.0], "float32"),
    'np.full((2,), float("nan"), "float32")': Array([math.nan, math.nan], "float32"),
    'np.full((2, 1), True, "bool")': Array([[True], [True]], "bool"),
    'np.array([True, False], "bool")': Array([True, False], "bool"),
    'np.arange(3, dtype="int32")': Array([0, 1, 2], "int32"),
    'np.arange(2, 6, dtype="int64").reshape(2, 2)': Array([[2, 3], [4, 5]], "int64"),
    'np.array([0, 1, 3], "int32")': Array([0, 1, 3], "int32"),
    'np.zeros((0, 3), "float32")': Array([], "float32", (0, 3)),
    'np.array(5, "int32")': Array(5, "int32"),
}


@pytest.mark.parametrize("text", ARRAYS)
def test_arrays(text: str) -> None:
    array = ARRAYS[text]
    assert constant_text(array) == text
    given = eval(text)  # noqa: S307 - as above
    wanted = np.array(array.values, array.dtype).reshape(given.shape)
    assert (given.dtype, given.tobytes()) == (wanted.dtype, wanted.tobytes())


def test_ten_thousand_random_texts() -> None:
    """Each is one constant again, plain and within an f-string, and holds no quote."""
    draw = random.Random(0)
    signs = [*"ab\"'\\{}\n\r\t\0#Nx0", "é", "名", "\U0001f600", "\ud800", "\x7f", "\u2028"]
    for _ in range(10_000):
        text = "".join(draw.choices(signs, k=draw.randint(0, 8)))
        quoted = quote(text)
        assert ast.literal_eval(quoted) == text
        assert '"' not in quoted[1:-1]
        assert quoted.isascii()
        assert "\n" not in quoted
        code = expression_text(Text((NAME, text)))
        if text:
            require_safe(code)
        assert eval(code, {"name": "block"}) == f"block{text}"  # noqa: S307 - as above


EXPRESSIONS = {
    "filters": (Variable("filters"), 7),
    "4 * filters": (Scaled("filters", 4), 28),
    "filters // 2": (Scaled("filters", divisor=2), 3),
    "filters + 1": (Scaled("filters", offset=1), 8),
    "2 * filters - 3": (Scaled("filters", 2, -3), 11),
    "2**filters": (PowerOfTwo(Scaled("filters")), 128),
    "2 ** (filters + 1)": (PowerOfTwo(Scaled("filters", offset=1)), 256),
    'f"{name}_{filters}"': (Text((NAME, "_", Variable("filters"))), "block_7"),
    'f"{name}_{filters + 1}{{"': (Text((NAME, "_", Scaled("filters", offset=1), "{")), "block_8{"),
    "name": (Text((NAME,)), "block"),
    '"a{"': (Text(("a", "{")), "a{"),
    '"same" if filters > 1 else "valid"': (
        Choice(Condition("filters", ">", 1), Fixed("same"), Fixed("valid")),
        "same",
    ),
    "1 if not name else 2": (Choice(Condition("not name"), Fixed(1), Fixed(2)), 2),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions(text: str) -> None:
    expression, value = EXPRESSIONS[text]
    assert expression_text(expression) == text
    assert eval(text, {"filters": 7, "name": "block"}) == value  # noqa: S307 - as above


def test_conditions() -> None:
    assert condition_text(Condition("down")) == "down"
    assert condition_text(Condition("strides", "==", 1)) == "strides == 1"


def test_layer_kinds() -> None:
    assert constant_text(LayerKind("ReLU", ())) == "layers.ReLU"
    softmax = LayerKind("Softmax", (("axis", 1),))
    leaky = LayerKind("LeakyReLU", (("negative_slope", 0.2), ("dtype", "float64")))
    assert softmax.texts() == ["axis=1"]
    text = constant_text(leaky)
    assert text == 'partial(layers.LeakyReLU, negative_slope=0.2, dtype="float64")'
    layers = SimpleNamespace(LeakyReLU=lambda negative_slope, dtype: (negative_slope, dtype))
    scope = {"partial": partial, "layers": layers}
    assert eval(text, scope)() == (0.2, "float64")  # noqa: S307 - as above


def test_numbers_of_other_types_are_other_constants() -> None:
    kinds = [Fixed(1), Fixed(1.0), Fixed(value=True), Fixed("1"), Fixed(-0.0), Fixed(0.0)]
    assert len(set(kinds)) == len(kinds)
    assert Fixed(math.nan) == Fixed(math.nan)


def test_texts_in_brackets() -> None:
    assert [tuple_text([]), tuple_text("a"), tuple_text("ab")] == ["()", "(a,)", "(a, b)"]
    assert list_text("ab") == "[a, b]"


def test_parts_of_texts() -> None:
    assert join_text(("a", "b", NAME, "", "c")) == Text(("ab", NAME, "c"))
    assert tokens_of(Fixed("layer12_a")) == ["layer", "12", "_a"]
    assert tokens_of(Text((NAME, "_1"))) == [NAME, "_", "1"]
    assert tokens_of(Fixed(3)) == []
