"""Calls that compute the same from the same values are one, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.graph.ir import Constant, Origin, TensorType
from torch2keras.keras_graph.equal_calls import merge_equal_calls
from torch2keras.keras_graph.graph import GETITEM, Call, Literal, Ref
from torch2keras.keras_graph.weight import Weight


def literal(*values: float, path: str = "", dtype: torch.dtype = torch.float32) -> Literal:
    tensor = torch.tensor(values, dtype=dtype)
    paths = (path,) if path else ()
    return Literal(Weight.of(Constant("c", TensorType((len(values),), dtype), tensor, paths)))


def call(target: str, *args, path: str = "", **more) -> Call:
    return Call(target, args, {}, (0,), origin=Origin(path), **more)


X = Ref(0)
NAN = float("nan")

EQUAL = {
    "an op": [call("ops.tanh", X), call("ops.tanh", X)],
    "in a module within": [call("ops.tanh", X, path="a"), call("ops.tanh", X, path="a.b")],
    "an index": [call(GETITEM, X, (slice(1, None), 2)), call(GETITEM, X, (slice(1, None), 2))],
    "constants": [call("ops.add", X, literal(1, 2)), call("ops.add", X, literal(1, 2))],
    "one named tensor": [call("ops.add", X, literal(1, path="w"))] * 2,
    "a NaN": [call("ops.add", X, literal(NAN)), call("ops.add", X, literal(NAN))],
    "a layer": [
        call("layers.Reshape", X, config={"target_shape": (2, 3)}, name="one"),
        call("layers.Reshape", X, config={"target_shape": (2, 3)}, name="two"),
    ],
}

DIFFERENT = {
    "other ops": [call("ops.tanh", X), call("ops.exp", X)],
    "other values": [call("ops.tanh", X), call("ops.tanh", Ref(1))],
    "the other way round": [call("ops.subtract", X, Ref(1)), call("ops.subtract", Ref(1), X)],
    "another type of number": [call("ops.power", X, 2), call("ops.power", X, 2.0)],
    "signs of zero": [call("ops.divide", X, 0.0), call("ops.divide", X, -0.0)],
    "constants' signs of zero": [
        call("ops.divide", X, literal(0.0)),
        call("ops.divide", X, literal(-0.0)),
    ],
    "constants' dtypes": [
        call("ops.add", X, literal(1)),
        call("ops.add", X, literal(1, dtype=torch.float64)),
    ],
    "constants' shapes": [call("ops.add", X, literal(1)), call("ops.add", X, literal(1, 1))],
    "tensors of a state, equal by chance": [
        call("ops.add", X, literal(1, path="a")),
        call("ops.add", X, literal(1, path="b")),
    ],
    "modules beside each other": [
        call("ops.tanh", X, path="a"),
        call("ops.tanh", X, path="ab"),
    ],
    "the inner module first": [call("ops.tanh", X, path="a.b"), call("ops.tanh", X, path="a")],
    "layers' configurations": [
        call("layers.Reshape", X, config={"target_shape": (2, 3)}),
        call("layers.Reshape", X, config={"target_shape": (3, 2)}),
    ],
    "layers' dtypes": [
        call("layers.ReLU", X, dtype="float32"),
        call("layers.ReLU", X, dtype="float64"),
    ],
    "random numbers": [call("layers.Dropout", X, config={"rate": 0.5})] * 2,
    "weights": [call("layers.Dense", X, weights={"kernel": literal(1).weight})] * 2,
}


def count_left(pair: list[Call]) -> int:
    first, second = replace(pair[0], outputs=(2,)), replace(pair[1], outputs=(3,))
    both = Call("ops.add", (Ref(2), Ref(3)), {}, (4,))
    merged, kept = merge_equal_calls([first, second, both], [4])
    assert kept in ({}, {3: 2})
    return len(set(merged[-1].reads()))


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL.keys())
def test_equal_calls_are_one(pair) -> None:
    assert count_left(pair) == 1


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_others_are_not(pair) -> None:
    assert count_left(pair) == 2


def test_chains_are_merged_to_their_ends() -> None:
    calls = [
        Call("ops.tanh", (Ref(0),), {}, (1,)),
        Call("ops.split", (Ref(1), 2), {}, (2, 3)),
        Call("ops.tanh", (Ref(0),), {}, (4,)),
        Call("ops.split", (Ref(4), 2), {}, (5, 6)),
        Call("ops.stack", ([Ref(3), Ref(6)],), {}, (7,)),
    ]
    merged, kept = merge_equal_calls(calls, [7])
    assert kept == {4: 1, 5: 2, 6: 3}
    assert list(merged[-1].reads()) == [3, 3]


def test_each_output_is_a_value_of_its_own() -> None:
    calls = [Call("ops.tanh", (Ref(0),), {}, (1,)), Call("ops.tanh", (Ref(0),), {}, (2,))]
    assert merge_equal_calls(calls, [1, 2]) == (tuple(calls), {})


class Twice(nn.Module):
    """A mask that is made for each of two uses, and two parameters that are equal at first."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.where(torch.tanh(x) > 0.1, x * self.a, 0.0)
        return y + torch.where(torch.tanh(x) > 0.1, x * self.b, 1.0)


def test_a_module_that_computes_twice() -> None:
    module = Twice()
    converted = t2k.convert(module, (torch.randn(3, 5),))
    targets = [one.target for one in converted.conversion.lowered.graph.calls]
    assert targets.count("layers.Activation") == targets.count("ops.greater") == 1
    with torch.no_grad():
        module.b.mul_(2)
    assert t2k.convert(module, (torch.randn(3, 5),)).verification.ok
