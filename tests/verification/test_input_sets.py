"""The sets of inputs that are compared: probes, the example in their place, another size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.errors import VerificationError
from torch2keras.verification.input_sets import (
    dynamic_sizes,
    example_sets,
    example_tensors,
    find_input_symbols,
    replace_tensors,
)
from torch2keras.verification.probes import WIDE_LIMIT

AUTO = torch.export.Dim.AUTO


class Picky(nn.Module):
    """Refuses values above a limit, and batches of an odd size."""

    def __init__(self, limit: float = 1e9) -> None:
        super().__init__()
        self.limit = limit
        self.layer = nn.Linear(7, 3)

    def forward(self, x):
        if not torch.compiler.is_compiling() and x.abs().max() > self.limit:
            raise ValueError("too large")
        return self.layer(x)


def convert(module: nn.Module, *inputs: torch.Tensor, **options) -> t2k.Converted:
    return t2k.convert(module.eval(), inputs, verify=False, **options)


def test_another_size_comes_last_and_has_an_odd_batch() -> None:
    conversion = convert(nn.Linear(7, 3), torch.randn(2, 7)).conversion
    notes: list[str] = []
    sets = list(example_sets(conversion, ["normal", "wide"], notes))
    assert [given.probe for given in sets] == ["normal", "another size, one row wide"]
    assert [tuple(given.tensors[0].shape) for given in sets] == [(2, 7), (3, 7)]
    assert [given.outputs[0].shape for given in sets] == [(2, 3), (3, 3)]
    largest = sets[1].tensors[0].abs().amax(1)
    assert largest[2] == WIDE_LIMIT
    assert largest[:2].max() < 10
    assert notes == []


def test_the_example_stands_in_for_a_probe_that_the_module_refuses() -> None:
    conversion = convert(Picky(), torch.randn(2, 7)).conversion
    conversion.module.limit = 20.0
    notes: list[str] = []
    sets = list(example_sets(conversion, ["normal", "wide"], notes))
    assert [given.probe for given in sets] == ["normal", "example", "another size"]
    (note,) = notes
    assert "'wide': ValueError: too large" in note


def test_a_module_that_refuses_its_own_example_cannot_be_compared() -> None:
    conversion = convert(Picky(), torch.randn(2, 7)).conversion
    conversion.module.limit = -1.0
    with pytest.raises(VerificationError, match="nothing can be compared"):
        list(example_sets(conversion, ["normal"], []))


def test_symbols_and_sizes_of_the_inputs() -> None:
    module = nn.Conv1d(3, 5, 2)
    shapes = ({0: AUTO, 2: AUTO},)
    graph = convert(module, torch.randn(2, 3, 11), dynamic_shapes=shapes).conversion.graph
    symbols = find_input_symbols(graph)
    assert len(symbols) == 2
    by_dim = {dim: graph.inputs[0].type.shape[dim] for dim in (0, 2)}
    values = {by_dim[0]: 13, by_dim[2]: 17}
    assert dynamic_sizes(graph, values) == [{0: 13, 2: 17}]


def test_a_static_module_has_no_symbols() -> None:
    conversion = convert(nn.Linear(7, 3), torch.randn(2, 7), capture="trace").conversion
    assert find_input_symbols(conversion.graph) == []
    sets = list(example_sets(conversion, ["normal"], []))
    assert [given.probe for given in sets] == ["normal"]


def test_tensors_are_replaced_in_the_structure_of_the_example() -> None:
    class Net(nn.Module):
        def forward(self, pair, *, scale, number=3):
            return pair["a"] * scale + number

    a, scale = torch.randn(2, 5), torch.randn(2, 5)
    conversion = t2k.convert(
        Net(), ({"a": a},), {"scale": scale, "number": 3}, verify=False
    ).conversion
    assert [id(tensor) for tensor in example_tensors(conversion)] == [id(a), id(scale)]
    args, kwargs = replace_tensors(conversion, [scale, a])
    assert args[0]["a"] is scale
    assert kwargs["scale"] is a
    assert kwargs["number"] == 3
