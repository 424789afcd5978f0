"""Where a dimension of size one lies at inputs and outputs: the place that a wider one would have.

The law: a network whose channels are one somewhere has the calls and the ports of the same network
with seven.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from op_case import Function
from stages import axes_of, graph_of, lowered
from torch2keras.conversion.ports import build_port
from torch2keras.errors import InputError
from torch2keras.graph.ir import Graph, Value
from torch2keras.layout import assign
from torch2keras.layout.unit_places import place_input_units


def with_modules(forward: Callable[..., Any], *modules: nn.Module) -> nn.Module:
    """A function whose first argument is a list of modules."""
    function = Function(lambda *inputs: forward(function.parts, *inputs))
    function.parts = nn.ModuleList(modules)
    return function


def ports_of(graph: Graph, layout: Any = "keras") -> tuple[list[str], list[str], list[str]]:
    """The orders of the inputs, those of the outputs, and the targets of all calls."""
    made, space = lowered(graph, layout), axes_of(graph)
    inputs, outputs = [], []
    for value, storage in zip(graph.inputs, made.input_storages, strict=True):
        inputs.append(build_port(space, value, storage, "x").order)
    for value, storage in zip(graph.outputs, made.output_storages, strict=True):
        if isinstance(value, Value) and storage is not None:
            outputs.append(build_port(space, value, storage, "y").order)
    targets = [c.layer.cls if c.layer is not None else c.target for c in made.graph.calls]
    return inputs, outputs, targets


# module, shapes of its inputs -> orders of inputs and outputs, the calls
CASES = {
    "mono audio": (
        lambda: nn.Conv1d(1, 7, 5),
        [(2, 1, 101)],
        (["n l c"], ["n l c"], ["Conv1D"]),
    ),
    "a grey image": (
        lambda: nn.Conv2d(1, 7, 5),
        [(2, 1, 23, 29)],
        (["n h w c"], ["n h w c"], ["Conv2D"]),
    ),
    "a grey volume": (
        lambda: nn.Conv3d(1, 3, 3),
        [(2, 1, 5, 7, 11)],
        (["n d h w c"], ["n d h w c"], ["Conv3D"]),
    ),
    "an image of one": (
        lambda: nn.Conv2d(1, 7, 5),
        [(1, 1, 23, 29)],
        (["n h w c"], ["n h w c"], ["Conv2D"]),
    ),
    "one channel at the output": (
        lambda: nn.ConvTranspose1d(7, 1, 5),
        [(2, 7, 101)],
        (["n l c"], ["n l c"], ["Conv1DTranspose"]),
    ),
    "pooling alone": (
        lambda: nn.MaxPool1d(2),
        [(2, 1, 101)],
        (["n l c"], ["n l c"], ["MaxPooling1D"]),
    ),
    "a norm before": (
        lambda: nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 7, 3)),
        [(2, 1, 23, 29)],
        (["n h w c"], ["n h w c"], ["BatchNormalization", "Conv2D"]),
    ),
    "arithmetic before": (
        lambda: with_modules(lambda m, x: m[0](x * 2 + 1), nn.Conv1d(1, 7, 5)),
        [(2, 1, 101)],
        (["n l c"], ["n l c"], ["ops.multiply", "ops.add", "Conv1D"]),
    ),
    "around a skip": (
        lambda: with_modules(lambda m, x: x + m[0](x), nn.Conv1d(1, 1, 5, padding=2)),
        [(2, 1, 101)],
        (["n l c"], ["n l c"], ["Conv1D", "ops.add"]),
    ),
    "joined": (
        lambda: with_modules(lambda m, x, y: m[0](torch.cat([x, y], 1)), nn.Conv1d(2, 7, 5)),
        [(2, 1, 101), (2, 1, 101)],
        (["n l c"] * 2, ["n l c"], ["ops.concatenate", "Conv1D"]),
    ),
    "repeated to three": (
        lambda: with_modules(lambda m, x: m[0](x.repeat(1, 3, 1, 1)), nn.Conv2d(3, 7, 5)),
        [(2, 1, 23, 29)],
        (["n h w c"], ["n h w c"], ["ops.tile", "Conv2D"]),
    ),
    "a view that changes nothing": (
        lambda: with_modules(lambda m, x: m[0](x.view(-1, 1, 23, 29)), nn.Conv2d(1, 7, 5)),
        [(2, 1, 23, 29)],
        (["n h w c"], ["n h w c"], ["Conv2D"]),
    ),
    "the channel made in forward": (
        lambda: with_modules(lambda m, x: m[0](x.unsqueeze(1)), nn.Conv1d(1, 7, 5)),
        [(2, 101)],
        (["n c"], ["n l c"], ["Reshape", "Conv1D"]),
    ),
    "transposed in forward": (
        lambda: with_modules(lambda m, x: m[0](x.transpose(1, 2)), nn.Conv1d(1, 7, 5)),
        [(2, 101, 1)],
        (["n c l"], ["n l c"], ["Conv1D"]),
    ),
    "positions of one": (
        lambda: nn.Conv2d(5, 3, 1),
        [(2, 5, 1, 1)],
        (["n h w c"], ["n h w c"], ["Conv2D"]),
    ),
    "nothing names it": (lambda: nn.ReLU(), [(2, 1, 101)], (["n c l"], ["n c l"], ["ReLU"])),
}


@pytest.mark.parametrize("name", CASES)
def test_places(name: str) -> None:
    make, shapes, expected = CASES[name]
    assert ports_of(graph_of(make(), *shapes)) == expected


@pytest.mark.parametrize(
    ("layout", "inputs", "outputs"),
    [
        ("torch", ["n c l"], ["n c l"]),
        ({"input": "n c l"}, ["n c l"], ["n l c"]),
        ({"output": "n c l"}, ["n l c"], ["n c l"]),
        ({"input": "c l n", "output": "l c n"}, ["c l n"], ["l c n"]),
    ],
)
def test_it_can_be_named_in_a_layout(layout, inputs, outputs) -> None:
    graph = graph_of(nn.Conv1d(1, 1, 5), (2, 1, 101))
    assert ports_of(graph, layout)[:2] == (inputs, outputs)


def test_a_layout_that_leaves_it_out_is_refused() -> None:
    with pytest.raises(InputError, match="does not order its dimensions"):
        ports_of(graph_of(nn.Conv1d(1, 7, 5), (2, 1, 101)), {"input": "n l"})


class Net(nn.Module):
    """A random network of convolutions and what stands between them; `one` is a width of it."""

    def __init__(self, seed: int, one: int) -> None:
        super().__init__()
        rng = Random(seed)
        self.rank = rng.choice([1, 2])
        kind = f"{self.rank}d"
        widths = [rng.choice([one, 3, 5]) for _ in range(rng.randint(1, 3))]
        widths[rng.randrange(len(widths))] = one
        widths.append(rng.choice([one, 3]))
        self.width = widths[0]
        self.steps = nn.ModuleList()
        for width, following in itertools.pairwise(widths):
            for _ in range(rng.randint(0, 2)):
                between = rng.choice(
                    [
                        getattr(nn, f"BatchNorm{kind}")(width),
                        getattr(nn, f"InstanceNorm{kind}")(width, affine=True),
                        nn.GroupNorm(1, width),
                        getattr(nn, f"AvgPool{kind}")(3, 1, 1),
                        getattr(nn, f"ConstantPad{kind}")(1, 0.5),
                        nn.GELU(),
                        Function(lambda x: x + x.mean((0, -1), keepdim=True)),
                        Function(lambda x: torch.cat([x, -x], -1)),
                    ]
                )
                self.steps.append(between)
            conv = rng.choice([f"Conv{kind}", f"ConvTranspose{kind}"])
            self.steps.append(getattr(nn, conv)(width, following, rng.choice([1, 3])))

    def forward(self, x):
        for step in self.steps:
            x = step(x)
        return x

    @property
    def shape(self) -> tuple[int, ...]:
        return 2, self.width, *(13, 11)[: self.rank]


def break_of_law(seed: int) -> str:
    """What of a network with one channel is other than with seven; "" where nothing is."""
    narrow, wide = Net(seed, 1), Net(seed, 7)
    ours, theirs = (ports_of(graph_of(net.eval(), net.shape)) for net in (narrow, wide))
    return "" if ours == theirs else f"{ours} instead of {theirs}"


@pytest.mark.parametrize("seed", range(40))
def test_one_channel_is_as_seven(seed: int) -> None:
    assert not break_of_law(seed)


def test_the_law_is_broken_where_units_have_no_place(monkeypatch) -> None:
    monkeypatch.setattr(assign, "place_input_units", lambda *_: {})
    assert any(break_of_law(seed) for seed in range(5))


@pytest.mark.parametrize("seed", range(4))
def test_ports_bring_arrays_to_and_fro(seed: int) -> None:
    net = Net(seed, 1).eval()
    x = torch.randn(net.shape)
    converted = t2k.convert(net, x)
    stored = converted.inputs[0].from_torch(x)
    assert stored.shape == (2, *net.shape[2:], net.width)
    result = converted.outputs[0].to_torch(converted.model(stored))
    assert np.allclose(result, net(x).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("module", "order"), [(nn.Conv1d(1, 7, 5), (0, 2, 1)), (nn.ReLU(), (0, 2))]
)
def test_an_order_has_the_units_that_a_kernel_names(module, order) -> None:
    graph = graph_of(module, (2, 1, 101))
    plan = assign.assign_layouts(graph, axes_of(graph), {})
    placed = place_input_units(graph, plan.space, plan.signatures, plan.inputs)
    assert placed == {graph.inputs[0]: order}


def test_a_reader_of_a_transposed_copy_has_no_say() -> None:
    """Of an input that is kept in PyTorch's order the convolution reads a copy."""
    graph = graph_of(nn.Conv2d(1, 7, 3), (2, 1, 23, 29))
    plan = assign.assign_layouts(graph, axes_of(graph), {})
    other = {graph.inputs[0]: (0, 3, 2)}
    assert place_input_units(graph, plan.space, plan.signatures, other) == {}
