"""Operators of this package run, have fake kernels, and keep what PyTorch asks of an operator."""

from __future__ import annotations

import torch

from torch2keras.custom_ops.library import define_op

double = define_op(
    "test_double(Tensor x, int times) -> Tensor",
    lambda x, times: x * 2**times,
    lambda x, times: torch.empty_like(x),
)


def test_an_operator_runs_and_is_found_by_its_name() -> None:
    assert double is torch.ops.torch2keras.test_double.default
    assert double(torch.ones(3), 2).tolist() == [4] * 3


def test_an_operator_is_exported_as_one_node_at_any_size() -> None:
    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ops.torch2keras.test_double(x, 1)

    shapes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(Net(), (torch.ones(5, 3),), dynamic_shapes=shapes)
    assert double in {node.target for node in program.graph.nodes}


def test_an_operator_is_what_pytorch_takes_for_one() -> None:
    torch.library.opcheck(
        double, (torch.ones(3, 5), 2), test_utils=("test_schema", "test_faketensor")
    )
