"""`build` takes what may be another: a number of classes that nothing else depends on, a length."""

from __future__ import annotations

import re

import pytest

from source_graphs import Maker, Value, require_safe
from torch2keras.keras_graph.source.build.build_arguments import find_build_arguments
from torch2keras.keras_graph.source.program import write_program
from torch2keras.keras_graph.source.remarks.remarks import Remarks
from torch2keras.keras_graph.source.replay import require_same_calls


def write(maker: Maker, *outs: int, last: tuple[int | None, ...] = (None, 5)) -> str:
    """Return the code of a graph whose first output has the shape `last`, held to its calls."""
    graph = maker.graph(*outs)
    text = write_program(graph, {}, Remarks({outs[0]: last}))
    require_same_calls(text, graph)
    require_safe(text)
    return text


def arguments(text: str) -> str:
    found = re.search(r"def build\((.*)\):", text)
    assert found is not None
    return found[1]


def head(maker: Maker) -> int:
    return maker.layer("Dense", maker.layer("Dense", 0, "one", units=5), "two", units=5)


def test_the_last_layer_reads_classes() -> None:
    maker = Maker()
    text = write(maker, head(maker))
    assert arguments(text) == "classes=5"
    assert 'layers.Dense(classes, name="two")' in text
    assert 'layers.Dense(5, name="one")' in text
    assert "skip_mismatch=True" in text


def test_what_takes_any_number_may_follow() -> None:
    maker = Maker()
    x = maker.op("log_softmax", maker.layer("Softmax", head(maker), "softmax"))
    assert arguments(write(maker, x)) == "classes=5"
    maker = Maker(shape=(None, 9, 9, 3))
    x = maker.layer("Conv2D", 0, "conv", filters=5, kernel_size=(1, 1))
    x = maker.layer("Flatten", maker.layer("GlobalAveragePooling2D", x, "pool"), "flatten")
    assert arguments(write(maker, x)) == "classes=5"


def two_outputs(maker: Maker) -> tuple[int, ...]:
    x = head(maker)
    return x, maker.op("tanh", x)


def read_twice(maker: Maker) -> tuple[int, ...]:
    x = head(maker)
    y = maker.layer("Softmax", x, "softmax")
    maker.op("mean", x)
    return (y,)


def reshaped(maker: Maker) -> tuple[int, ...]:
    return (maker.op("reshape", head(maker), Value((-1, 5))),)


def shared(maker: Maker) -> tuple[int, ...]:
    x = maker.layer("Dense", 0, "one", units=5)
    return (maker.layer("Dense", x, "one", units=5),)


def one_score(maker: Maker) -> tuple[int, ...]:
    return (maker.layer("Dense", 0, "one", units=1),)


def an_op(maker: Maker) -> tuple[int, ...]:
    return (maker.op("tanh", 0),)


@pytest.mark.parametrize("make", [two_outputs, read_twice, reshaped, shared, one_score, an_op])
def test_no_classes_where_more_depends_on_them(make) -> None:
    maker = Maker()
    assert arguments(write(maker, *make(maker))) == ""


def test_no_classes_where_the_scores_are_not_the_result() -> None:
    """Nine times nine places of five channels are no five classes."""
    maker = Maker(shape=(None, 9, 9, 3))
    x = maker.layer("Conv2D", 0, "conv", filters=5, kernel_size=(1, 1))
    x = maker.layer("Flatten", x, "flatten")
    assert arguments(write(maker, x, last=(None, 405))) == ""
    assert find_build_arguments(maker.graph(x), {}).defaults == {}


def test_no_classes_where_the_last_layer_is_within_a_function() -> None:
    maker = Maker()
    x = 0
    for place, between in enumerate(("tanh", "exp")):
        for name in ("sin", "cos", "abs", "sqrt"):
            x = maker.layer("Dense", x, f"block{place}.{name}", units=5)
            if (place, name) != (1, "sqrt"):
                x = maker.op(name, x, path=f"block{place}")
        if not place:
            x = maker.op(between, x)
    graph = maker.graph(x)
    classes = {"block0": "Block", "block1": "Block"}
    text = write_program(graph, classes, Remarks({x: (None, 5)}))
    require_same_calls(text, graph)
    assert "def block(" in text
    assert arguments(text) == ""


def test_a_dynamic_length_is_an_argument() -> None:
    maker = Maker(shape=(None, None, 8))
    text = write(maker, maker.op("tanh", 0))
    assert arguments(text) == "input_shape=(None, 8)"
    assert 'keras.Input(input_shape, name="x")' in text
    maker = Maker(shape=(2, None, 8))
    assert arguments(write(maker, maker.op("tanh", 0))) == ""
    maker = Maker("a", "b", shape=(None, None, 8))
    assert arguments(write(maker, maker.op("add", 0, 1))) == ""


def test_no_value_takes_the_name_of_an_argument() -> None:
    maker = Maker(shape=(None, None, 8))
    left = maker.op("tanh", 0, path="classes")
    right = maker.op("exp", 0, path="input_shape")
    other = maker.op("abs", 0, path="classes")
    x = maker.op("concatenate", [left, right, other, 0], axis=-1)
    text = write(maker, maker.layer("Dense", x, "head", units=5), last=(None, None, 5))
    assert arguments(text) == "input_shape=(None, 8), classes=5"
    assert "classes = " not in text
    assert "input_shape = " not in text


def test_a_number_has_no_size_that_could_be_another() -> None:
    maker = Maker(shape=())
    assert arguments(write(maker, maker.op("tanh", 0), last=())) == ""
    maker = Maker()
    assert arguments(write(maker, maker.op("add", head(maker), 0))) == ""
