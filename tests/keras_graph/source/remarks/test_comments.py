"""The comments of generated code: shapes where blocks end, and reasons."""

from __future__ import annotations

import re

import pytest

from source_graphs import Maker, require_safe
from torch2keras.keras_graph.source.program import write_program
from torch2keras.keras_graph.source.remarks.comments import PADDING, PARAMETER
from torch2keras.keras_graph.source.remarks.remarks import Remarks
from torch2keras.keras_graph.source.replay import require_same_calls


def write(maker: Maker, *outs: int, classes=None, shapes=None, class_paths=None) -> str:
    """Return the code of a graph with comments, held to its calls."""
    graph = maker.graph(*outs)
    text = write_program(graph, classes or {}, Remarks(shapes or {}, class_paths or {}))
    require_same_calls(text, graph)
    require_safe(text)
    return text


def comments(text: str) -> list[str]:
    return re.findall(r"  # (.*)", text)


CONV = {"filters": 8, "kernel_size": (3,)}


def pad(maker: Maker, padding, strides, path: str = "conv") -> int:
    maker.shape = (None, 32, 8)
    x = maker.layer("ZeroPadding1D", 0, path, name=f"{path}_pad", padding=padding)
    return maker.layer("Conv1D", x, "conv", strides=(strides,), **CONV)


@pytest.mark.parametrize(
    ("padding", "strides", "path", "is_explained"),
    [
        ((1, 1), 2, "conv", True),
        ((1, 1), 1, "conv", False),  # Another padding than of a half: "same" is not meant.
        ((0, 1), 2, "conv", False),  # Not what PyTorch's padding=1 does.
        ((1, 1), 2, "pad", False),  # The user's own layer.
    ],
)
def test_a_padding_before_strides_is_explained(padding, strides, path, is_explained) -> None:
    maker = Maker(shape=(None, 32, 8))
    text = write(maker, pad(maker, padding, strides, path))
    assert comments(text) == [PADDING] * is_explained


def test_a_reason_is_given_once() -> None:
    maker = Maker(shape=(None, 32, 8))
    x = 0
    for place in range(2):
        name = f"conv{place}"
        x = maker.layer("ZeroPadding1D", x, name, name=f"{name}_pad", padding=(1, 1))
        x = maker.layer("Conv1D", x, name, filters=8 + place, kernel_size=(3,), strides=(2,))
        x = maker.op("tanh", x, path=str(place))
    assert comments(write(maker, x)) == [PADDING]


def test_a_parameter_that_stands_as_a_layer_is_explained() -> None:
    maker = Maker()
    one = maker.op("ones_like", 0)
    token = maker.layer("Dense", one, "", name="cls_token", units=8, use_bias=False)
    assert comments(write(maker, maker.op("add", 0, token))) == [PARAMETER]
    maker = Maker()
    other = maker.layer("Dense", 0, "", name="cls_token", units=8, use_bias=False)
    assert comments(write(maker, other)) == []


def chain(maker: Maker, count: int = 4) -> tuple[int, dict[int, tuple[int | None, ...]]]:
    """BlockFinder of one class, a stem before and a head behind them, and their shapes."""
    shapes: dict[int, tuple[int | None, ...]] = {}
    x = maker.layer("Dense", 0, "stem", units=16)
    shapes[x] = (None, 16)
    for place in range(count):
        for name in ("first", "second"):
            y = maker.layer("Dense", x, f"blocks.{place}.{name}", units=16)
            shapes[y] = (None, 16)
        x = maker.op("add", x, y, path=f"blocks.{place}")
        shapes[x] = (None, 16)
    x = maker.layer("Dense", x, "head", units=3)
    shapes[x] = (None, 3)
    return x, shapes


CLASSES = {"blocks": "ModuleList", **{f"blocks.{place}": "Block" for place in range(4)}}


def test_shapes_stand_where_blocks_end_and_only_where_they_change() -> None:
    maker = Maker()
    x, shapes = chain(maker)
    text = write(maker, x, classes=CLASSES, shapes=shapes)
    assert comments(text) == ["(n, 16)", "Block", "(n, 3)"]
    assert "for i in range(4):  # Block\n" in text


def test_a_loop_that_changes_the_shape_says_to_which() -> None:
    maker = Maker(shape=(None, 64, 8))
    x, shapes = 0, {0: (None, 64, 8)}
    for place in range(4):
        x = maker.layer("MaxPooling1D", x, f"pool.{place}", pool_size=(2,), strides=(2,))
        shapes[x] = (None, 32 >> place, 8)
    assert comments(write(maker, x, shapes=shapes)) == ["to (n, 4, 8)"]


def test_a_function_says_which_class_it_is_of() -> None:
    maker = Maker()
    x = 0
    for place, between in enumerate(("tanh", "exp")):
        for name in ("sin", "cos", "abs", "sqrt"):
            x = maker.layer("Dense", x, f"block{place}.{name}", units=8)
            x = maker.op(name, x, path=f"block{place}")
        x = maker.op(between, x)
    hostile = 'net.Block"""\nimport os\n'
    paths = ("block0", "block1")
    text = write(
        maker,
        x,
        classes=dict.fromkeys(paths, "Block"),
        class_paths=dict.fromkeys(paths, hostile),
    )
    assert '    """net.Block____import os_."""\n' in text


def test_a_comment_that_does_not_fit_is_left_out() -> None:
    maker = Maker(shape=(None, 8))
    name = "a" * 62
    x = maker.layer("ReLU", 0, "one", name=name)
    text = write(maker, x, shapes={x: (None, 8)})
    assert max(map(len, text.splitlines())) <= 100
    assert comments(text) == []
