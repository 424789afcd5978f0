"""What is chosen for whole nets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import torch2keras as t2k

MESH = {"model": 4}


def divide(module: nn.Module, *inputs: Any) -> dict[str, tuple[str | None, ...]]:
    converted = t2k.convert(module.eval(), inputs, verify=False)
    return t2k.layout_map(converted, MESH).axes


class Perceptron(nn.Module):
    def __init__(self, inner: int, outer: int = 16) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(outer, inner), nn.Linear(inner, outer)
        self.norm = nn.LayerNorm(outer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(torch.relu(self.up(self.norm(x))))


@pytest.mark.parametrize("inner", [16, 64])
@pytest.mark.parametrize("rows", [1, 500])
def test_the_first_map_is_divided_by_outputs_and_the_second_by_inputs(
    inner: int, rows: int
) -> None:
    assert divide(nn.Sequential(Perceptron(inner)), torch.randn(rows, 16)) == {
        "0_up/kernel": (None, "model"),
        "0_up/bias": ("model",),
        "0_down/kernel": ("model", None),
    }


def test_equal_blocks_are_divided_equally() -> None:
    blocks = nn.Sequential(*(Perceptron(32) for _ in range(12)))
    axes = divide(blocks, torch.randn(2, 5, 16))
    assert len(axes) == 36
    assert {axes[f"{number}_up/kernel"] for number in range(12)} == {(None, "model")}
    assert {axes[f"{number}_down/kernel"] for number in range(12)} == {("model", None)}


def test_an_inner_size_that_is_not_divisible_leaves_the_other_dimension() -> None:
    axes = divide(Perceptron(30), torch.randn(2, 16))
    assert axes["up/kernel"] == ("model", None)
    assert axes["down/kernel"] == (None, "model")


def test_a_convolution_is_divided_by_inputs_only_where_outputs_are_not_divisible() -> None:
    net = nn.Sequential(nn.Conv1d(8, 8, 3), nn.Conv1d(8, 8, 3), nn.Conv1d(8, 6, 3))
    axes = divide(net, torch.randn(2, 8, 20))
    assert axes["0/kernel"] == axes["1/kernel"] == (None, None, "model")
    assert axes["2/kernel"] == (None, "model", None)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(64, 16)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(torch.tanh(self.table(words)), self.table.weight)


def test_a_tied_table_is_divided_by_rows_so_that_logits_need_no_sum() -> None:
    assert divide(Tied(), torch.randint(0, 64, (2, 5))) == {"table/embeddings": ("model", None)}


def test_a_computed_weight_is_divided_as_a_variable() -> None:
    net = nn.utils.parametrizations.weight_norm(nn.Linear(8, 16))
    axes = divide(nn.Sequential(net), torch.randn(2, 8))
    assert axes == {"0/kernel": (None, "model"), "0/bias": ("model",)}
