"""Each kind of change of the code is found by its replay."""

from __future__ import annotations

import re

import pytest
import torch

from source_graphs import Maker, Value, literal
from torch2keras.errors import InternalError
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.keras_graph.source.program import write_program
from torch2keras.keras_graph.source.replay import require_same_calls


def make_graph() -> KerasGraph:
    maker = Maker("a", "b")
    x = maker.layer("Dense", 0, "first", units=8)
    y = maker.layer("Dense", 1, "second", units=8, trainable=False)
    z = maker.op("subtract", x, y)
    z = maker.op("add", z, literal(torch.tensor([1.0, 2.0, 4.0])))
    z = maker.call("getitem", [z, Value((slice(None), slice(1, None)))])
    left, right = maker.op("split", z, Value(2), count=2, axis=1)
    shared = maker.layer("Dense", left, "shared", units=3, activation="relu")
    again = maker.layer("Dense", right, "shared", units=3, activation="relu")
    return maker.graph(shared, again)


GRAPH = make_graph()
TEXT = write_program(GRAPH, {})

# what stands in the text, and what instead of it
CHANGES = {
    "a number": (r"layers\.Dense\(8, name", "layers.Dense(9, name"),
    "a number of a layer that is shared": (r"Dense\(3", "Dense(4"),
    "the name of a layer": ('"second"', '"third"'),
    "swapped arguments": (r"ops\.subtract\((\w+), (\w+)\)", r"ops.subtract(\2, \1)"),
    "another argument": (r"ops\.subtract\((\w+), (\w+)\)", r"ops.subtract(\1, \1)"),
    "another op": (r"ops\.subtract", "ops.multiply"),
    "another layer": (r"layers\.Dense\(8, name=\"first\"", 'layers.EinsumDense(8, name="first"'),
    "an option left out": (", trainable=False", ""),
    "an option more": ('name="first"', 'use_bias=False, name="first"'),
    "an option given twice": (r'Dense\(8, name="first"', 'Dense(8, units=8, name="first"'),
    "another activation": ('"relu"', '"elu"'),
    "a number in an array": (r"4\.0\]", "5.0]"),
    "the dtype of an array": (r'4\.0\], "float32"', '4.0], "float64"'),
    "an index": (r"\[:, 1:\]", "[:, 2:]"),
    "an index less": (r"\[:, 1:\]", "[:]"),
    "a tuple for an index": (r"\[:, 1:\]", "[(slice(None, None), slice(1, 2))]"),
    "an axis": ("axis=1", "axis=-1"),
    "a number of another type": (r", 2, axis", ", 2.0, axis"),
    "a call more": (r"\n    return keras", "\n    ops.tanh(a)\n    return keras"),
    "a call less": (r"    \w+ = ops\.add\(.*\n", ""),
    "the order of outputs": (r"\[(\w+), (\w+)\], name", r"[\2, \1], name"),
    "the order of inputs": (r"\[a_input, b_input\]", "[b_input, a_input]"),
    "an input less": (r"\[a_input, b_input\]", "a_input"),
    "the name of an input": ('name="a"', 'name="c"'),
    "the shape of an input": (r"Input\(\(8,\), name=\"a\"", 'Input((9,), name="a"'),
    "the dtype of an input": ('name="a"', 'name="a", dtype="int32"'),
    "the name of the model": ('name="net"', 'name="other"'),
    "two layers for a shared one": (
        r"    (\w+) = layers\.Dense\(3, (.*?)\)\n((.|\n)*)= \1\((\w+)\)\n(.*)= \1\(",
        r"\3= layers.Dense(3, \2)(\5)\n\6= layers.Dense(3, \2)(",
    ),
    "no model": ("return keras.Model.*", "return a"),
}


def test_the_text_itself_is_right() -> None:
    require_same_calls(TEXT, GRAPH)


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_found(name: str) -> None:
    old, new = CHANGES[name]
    changed = re.sub(old, new, TEXT, count=1)
    assert changed != TEXT, TEXT
    with pytest.raises(InternalError):
        require_same_calls(changed, GRAPH)


def test_every_number_counts() -> None:
    """No number of the text may be another one."""
    body = TEXT[TEXT.index("def build") :]
    head = TEXT[: TEXT.index("def build")]
    places = [found.span() for found in re.finditer(r"(?<![\w\"])\d+", body)]
    assert len(places) > 8
    for start, end in places:
        changed = body[:start] + str(int(body[start:end]) + 1) + body[end:]
        with pytest.raises(InternalError):
            require_same_calls(head + changed, GRAPH)


def test_what_is_no_part_of_the_code_is_not_there() -> None:
    for text in ('def build():\n    open("x")\n', "def build():\n    __import__('os')\n"):
        with pytest.raises((NameError, ImportError)):
            require_same_calls(text, GRAPH)


def nested_graph() -> KerasGraph:
    maker = Maker()
    x = 0
    for place in range(810):
        x = maker.op("tanh", x, path=f"blocks.{place // 200}")
    return maker.graph(x)


NESTED_CHANGES = {
    "the name of a nested model": (r'\[x\], name="(\w+)"', r'[x], name="other"'),
    "another nesting": (r"nest\((\w+), \[x\], name=.*\)", r"\1(x)"),
}


@pytest.mark.parametrize("name", NESTED_CHANGES)
def test_changes_of_nested_models(name: str) -> None:
    graph = nested_graph()
    text = write_program(graph, {})
    require_same_calls(text, graph)
    changed = re.sub(*NESTED_CHANGES[name], text, count=1)
    assert changed != text, text
    with pytest.raises(InternalError):
        require_same_calls(changed, graph)
