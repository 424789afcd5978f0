"""Numbers that hang on no input are put into the graph; others stay."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import Dim

from torch2keras.fx_passes.fold_numbers import fold_numbers

X = torch.linspace(-2, 2, 14).reshape(2, 7)


class Reads(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.linspace(1, 2, 5))
        self.register_buffer("scales", torch.tensor([3.0, 5.0]))
        self.counts = torch.tensor([5, 3])

    def forward(self, x):
        return self.function(self, x)


def of_a_parameter(module, x):
    return x + x.new_full((7,), module.weight.detach()[2])


def of_a_buffer(module, x):
    return x + torch.full((7,), module.scales.sum() * 2)


def of_a_plain_tensor(module, x):
    return x + x.new_full((7,), module.counts[0])


def of_two(module, x):
    return x + x.new_full((7,), module.counts[0]) * x.new_full((7,), module.weight.detach()[0])


def as_a_size(module, x):
    return torch.cat([x, x.new_zeros(2, module.counts[0])], 1)


def of_an_input(module, x):
    return x + x.new_full((7,), x.sum())


def of_both(module, x):
    return x + x.new_full((7,), module.weight.detach().sum() + x.sum())


def of_a_size(module, x):
    return x + x.new_full((7,), torch.ones(x.shape[0]).sum())


def of_chance(module, x):
    return x + x.new_full((7,), torch.rand(5).sum())


FOLDED = [
    (of_a_parameter, 1),
    (of_a_buffer, 1),
    (of_a_plain_tensor, 1),
    (of_two, 2),
    (as_a_size, 1),
    (of_an_input, 0),
    (of_both, 0),
    (of_a_size, 0),
    (of_chance, 0),
]


@pytest.mark.parametrize(("function", "count"), FOLDED)
def test_numbers_that_hang_on_no_input_are_folded(function, count):
    module = Reads(function).eval()
    shapes = None if function is as_a_size else ({0: Dim.AUTO},)
    program = torch.export.export(module, (X,), dynamic_shapes=shapes)
    items = count_items(program.graph_module)
    assert items >= max(count, 1)
    assert fold_numbers(program.graph_module, program) == count
    assert count_items(program.graph_module) == items - count
    if count:
        torch.testing.assert_close(run(program), module(X), rtol=0, atol=0)


def test_a_size_that_was_unknown_is_a_number():
    program = torch.export.export(Reads(as_a_size).eval(), (X,))
    fold_numbers(program.graph_module, program)
    (output,) = program.graph.output_node().args[0]
    assert [int(size) for size in output.meta["val"].shape] == [2, 12]


def count_items(graph_module):
    return sum(node.target is torch.ops.aten.item.default for node in graph_module.graph.nodes)


def run(program):
    state = {**program.state_dict, **program.constants}
    specs = program.graph_signature.input_specs
    values = [X if spec.target is None else state[spec.target] for spec in specs]
    with torch.no_grad():
        return program.graph_module(*values)[0]
