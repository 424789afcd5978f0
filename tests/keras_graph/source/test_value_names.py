"""Values are called after what they are."""

from __future__ import annotations

from itertools import count, islice

import pytest

from source_graphs import Maker
from torch2keras.keras_graph.source.lines import Append, Line, Read, make_lines
from torch2keras.keras_graph.source.value_names import (
    find_roles,
    is_bare_parameter,
    order_names,
    yield_fallback_names,
    yield_hints,
)


def lines_of(maker: Maker) -> list[Line]:
    return [line for group in make_lines(maker.calls, count(100)) for line in group]


def test_roles_by_the_op_that_reads() -> None:
    maker = Maker("a", "b", "c", "m")
    query = maker.op("transpose", maker.layer("Reshape", 0, "q", target_shape=(2, 4)))
    maker.op("dot_product_attention", query, 1, 2)
    maker.op("where", 3, query, 1)
    assert find_roles(lines_of(maker)) == {
        query: "query",
        query - 1: "query",
        0: "query",
        1: "key",
        2: "value",
        3: "mask",
    }


def test_what_is_joined_again_is_a_skip() -> None:
    maker = Maker()
    skip = maker.layer("Dense", 0, "down", units=8)
    low = maker.layer("ReLU", maker.layer("Dense", skip, "low", units=8), "act")
    maker.op("concatenate", [low, skip])
    lines = lines_of(maker)
    assert find_roles(lines) == {skip: "skip"}
    assert list(islice(yield_hints(lines[0], {skip: "skip"}), 3)) == ["skip", "skip_b", "skip_c"]


def test_what_a_function_takes_to_join_it_is_a_skip() -> None:
    maker = Maker("x", "low")
    up = maker.layer("Dense", 0, "up", units=8)
    maker.op("concatenate", [up, 1])
    assert find_roles(lines_of(maker)) == {1: "skip"}


# what is joined, of a value (2) and what is made of it and read elsewhere (3)
JOINS = [[2, 2], [3, 4], [2, 3, 4]]


@pytest.mark.parametrize("joined", JOINS)
def test_other_joins_have_no_skip(joined) -> None:
    maker = Maker("x", "y")
    first = maker.layer("Dense", 0, "a", units=8)
    second = maker.layer("Dense", first, "b", units=8)
    maker.layer("Dense", first, "c", units=8)
    maker.op("concatenate", [second if one == 3 else one for one in joined])
    assert "skip" not in find_roles(lines_of(maker)).values()


# path, hint
HINTS = [("attn.q_proj", "query"), ("attn.to_v", "value"), ("mlp.gate", "gate"), ("mlp.fc", "")]


@pytest.mark.parametrize(("path", "hint"), HINTS)
def test_hints_by_the_submodule(path: str, hint: str) -> None:
    maker = Maker()
    maker.layer("Dense", 0, path, units=8)
    (line,) = lines_of(maker)
    assert list(yield_hints(line, {})) == [hint]
    assert list(yield_hints(line, {line.makes[0]: "mask"})) == ["mask"]


def test_lists_are_features_and_layers_are_called_after_their_class() -> None:
    line = Line(Append(Read(0), Read(1)), [], [0, 1], [2], "")
    assert list(yield_hints(line, {})) == ["features"]
    maker = Maker()
    x = maker.layer("MaxPooling1D", 0, "a.pool", "pool", pool_size=(2,))
    maker.layer("MaxPooling1D", x, "a.pool", "pool", pool_size=(2,))
    assert list(yield_hints(lines_of(maker)[0], {})) == ["max_pooling_1d"]


# path of the module, name of the layer, whether it stands for a parameter
PARAMETERS = [
    ("", "dense", False),
    ("", "dense_1", False),
    ("", "cls_token", True),
    ("vit", "vit_cls_token", True),
    ("vit.0", "vit_0_gamma", True),
    ("layers.0.attn", "layers_0_attn_1", False),
    ("mlp.fc1", "mlp_fc1", False),
    ("encoder.3", "encoder_3", False),
]


@pytest.mark.parametrize(("path", "name", "is_parameter"), PARAMETERS)
def test_what_stands_for_a_parameter(path: str, name: str, is_parameter: bool) -> None:
    maker = Maker()
    maker.layer("Dense", 0, path, name, units=8)
    (line,) = lines_of(maker)
    assert is_bare_parameter(line) == is_parameter


# call, the first names
FALLBACKS = [
    (lambda maker: maker.op("tanh", 0, path="net.down1"), ["x", "y", "z", "down", "down_b"]),
    (lambda maker: maker.op("tanh", 0, path="net.3"), ["x", "y", "z", "tanh", "tanh_b"]),
    (lambda maker: maker.op("tanh", 0, path="net.class"), ["x", "y", "z", "class_value"]),
    (lambda maker: maker.layer("Dense", 0, "0", units=8), ["x", "y", "z", "dense"]),
    (lambda maker: maker.layer("ReLU", 0, "0"), ["x", "y", "z", "activation"]),
    (
        lambda maker: maker.layer("Dense", 0, "vit", "vit_class_token", units=8),
        ["vit_class_token", "x", "y", "z"],
    ),
]


@pytest.mark.parametrize(("call", "names"), FALLBACKS)
def test_names_beside_others(call, names) -> None:
    maker = Maker()
    call(maker)
    (line,) = lines_of(maker)
    assert list(islice(yield_fallback_names(line), len(names))) == names
    many = list(islice(yield_fallback_names(line), 2000))
    assert len(set(many[4:])) == len(many[4:])


def test_the_main_path_comes_first() -> None:
    assert order_names(["mask", "y", "x", "mask"]) == ["x", "y", "mask"]
