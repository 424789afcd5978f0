from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torch2keras.graph.ir import Constant, Origin, TensorType
from torch2keras.keras_graph.graph import Call
from torch2keras.keras_graph.layer_names import make_unique, name_calls, sanitize
from torch2keras.keras_graph.weight import Weight

CLEAN = [
    ("features.0.conv", "features_0_conv"),
    ("a/b:c'd e", "a_b_c_d_e"),
    ("_private", "x_private"),
    ("höhe", "h_he"),
    ("", "x"),
    ("3", "3"),
]


@pytest.mark.parametrize(("name", "clean"), CLEAN)
def test_sanitize(name, clean) -> None:
    assert sanitize(name) == clean


@given(st.text(max_size=12))
def test_sanitized_names_stay(name) -> None:
    assert sanitize(sanitize(name)) == sanitize(name)


def test_unique() -> None:
    assert [make_unique("a", used) for used in (set(), {"a"}, {"a", "a_1"})] == ["a", "a_1", "a_2"]


def weight(name: str, *shape: int) -> Weight:
    return Weight.of(Constant(name, TensorType(shape, torch.float32), torch.zeros(shape), (name,)))


KERNEL, OTHER = weight("conv.weight", 3, 5, 7), weight("conv.weight", 3, 5, 7)
TABLE = weight("positions", 1, 5, 7)
ROWS, LINEAR = weight("places.weight", 5, 7), weight("head.weight", 35, 1)


def layer(kind: str, path: str, config=None, **weights) -> Call:
    return Call(f"layers.{kind}", (), {}, (0,), config or {}, weights, origin=Origin(path))


NAMED = [
    (
        [layer("Conv1D", "net.conv", kernel=KERNEL), layer("ZeroPadding1D", "net.conv")],
        ["net_conv", "net_conv_zero_padding1d"],
    ),
    ([layer("ReLU", "net.act"), layer("ReLU", "net.act")], ["net_act", "net_act_1"]),
    (  # one block more would be called as the layer behind the blocks
        [layer("Conv1D", "0.conv", kernel=KERNEL), layer("ReLU", "0"), layer("ReLU", "1")],
        ["0_conv", "0_re_lu", "1"],
    ),
    (
        [layer("Conv1D", "net.conv", kernel=KERNEL), layer("ReLU", "net")],
        ["net_conv", "net"],
    ),
    ([layer("Conv1D", "a", kernel=KERNEL), layer("Conv1D", "b", kernel=KERNEL)], ["a", "a"]),
    ([layer("Conv1D", "a", kernel=KERNEL), layer("Conv1D", "a", kernel=OTHER)], ["a", "a_1"]),
    (
        [
            layer("Conv1D", "a", {"strides": 1}, kernel=KERNEL),
            layer("Conv1D", "a", {"strides": 2}, kernel=KERNEL),
        ],
        ["a", "a_1"],
    ),
    ([layer("Conv1D", "x", kernel=KERNEL)], ["x_1"]),
    ([layer("ReLU", "")], ["re_lu"]),
    ([layer("Dense", "net", kernel=TABLE.reshape(1, 35))], ["positions"]),
    ([layer("Dense", "net", kernel=ROWS.reshape(1, 35))], ["places_weight"]),
    ([layer("Dense", "head", kernel=LINEAR.reshape(1, 35))], ["head"]),
]


@pytest.mark.parametrize(("calls", "names"), NAMED)
def test_calls_of_one_layer_share_a_name(calls, names) -> None:
    assert [call.name for call in name_calls(calls, {"x"})] == names


def test_ops_have_no_name() -> None:
    assert [c.name for c in name_calls([Call("ops.add", (), {}, (0,))], ())] == [""]
