from __future__ import annotations

import torch
from torch import nn
from torch.export import Dim

from stages import graph_of, node_of
from torch2keras.graph.interpreter import (
    evaluate_node,
    measure_symbols,
    recompute_constant,
    run_nodes,
)
from torch2keras.graph.ir import Constant
from torch2keras.ir_passes.fold_constants import fold_constants

A = Dim.AUTO


def test_every_value_in_float64() -> None:
    module = nn.Sequential(nn.Conv1d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(45, 7))
    graph = graph_of(module, (2, 3, 11))
    x = torch.randn(4, 3, 11, dtype=torch.float64)
    values = [(value, tensor) for _, value, tensor in run_nodes(graph, [x])]
    assert all(tensor.dtype == torch.float64 for _, tensor in values)
    assert torch.allclose(values[-1][1], module.double()(x), rtol=1e-12)


def test_sizes_are_those_of_the_input() -> None:
    def tokens(x):
        return x.transpose(1, 2).reshape(-1, 3) * x.shape[2] + torch.ones(
            x.shape[0] * x.shape[2], 1
        )

    graph = graph_of(tokens, (2, 3, 11), dynamic=(({0: A, 2: A},),))
    x = torch.randn(5, 3, 7, dtype=torch.float64)
    *_, (_, _, result) = run_nodes(graph, [x])
    assert torch.allclose(result, tokens(x))
    assert sorted(measure_symbols(graph, [x]).values()) == [5, 7]


def test_the_default_dtype_is_put_back() -> None:
    graph = graph_of(lambda x: x + 0.5, (2, 3))
    node = node_of(graph, "add")
    before = torch.get_default_dtype()
    (result,) = evaluate_node(node, lambda _: torch.ones(2, 3))
    assert result.dtype == torch.float64
    assert torch.get_default_dtype() == before


def test_a_folded_constant_is_computed_again_with_other_parameters() -> None:
    module = nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 5, 3))
    graph = fold_constants(graph_of(module, (2, 3, 11)))
    kernel = node_of(graph, "conv1d").args["weight"]
    assert isinstance(kernel, Constant)
    other = {name: torch.rand_like(tensor) + 0.5 for name, tensor in module.state_dict().items()}
    module.load_state_dict(other)
    assert torch.allclose(recompute_constant(kernel, other).float(), module.weight, rtol=1e-5)
