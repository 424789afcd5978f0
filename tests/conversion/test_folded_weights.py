"""Parameters behind a folded weight: what is told apart again, and what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

import torch2keras as t2k
from torch2keras.conversion.folded_weights import split_stack, split_sum, split_weight

Fold = Callable[["Folded"], Tensor]


class Folded(nn.Module):
    """A linear layer whose bias is computed from other parameters by `fold`."""

    def __init__(self, fold: Fold, frozen: str = "") -> None:
        super().__init__()
        self.fold = fold
        self.weight = nn.Parameter(torch.randn(5, 3))
        self.one, self.two = nn.Parameter(torch.randn(5)), nn.Parameter(torch.randn(5))
        self.first, self.second = nn.Parameter(torch.tensor(0.3)), nn.Parameter(torch.tensor(0.7))
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name != frozen)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(x, self.weight, self.fold(self)), x.sum(1)


def split(module: nn.Module) -> dict[str, Tensor] | None:
    """Parts, by the parameters' names, of the one folded weight, trained to 0, 1, 2 ..."""
    graph = t2k.convert(module, torch.randn(2, 3)).conversion.lowered.graph
    (weight,) = [w for _, _, w in graph.weights() if w.constant.recipe is not None]
    values = torch.arange(weight.values().numel(), dtype=torch.float32).reshape(weight.shape)
    parts = split_weight(weight, values, graph)
    return None if parts is None else {source.paths[0]: part for source, part in parts}


def test_the_first_term_has_all_of_a_sum() -> None:
    parts = split(Folded(lambda m: m.one + m.two))
    assert parts is not None
    assert list(parts) == ["one", "two"]
    assert parts["one"].tolist() == [0, 1, 2, 3, 4]
    assert parts["two"].tolist() == [0] * 5


def test_what_was_stacked_comes_apart() -> None:
    scales = Folded(lambda m: torch.stack([m.first, m.second, m.first, m.second, m.second]))
    parts = split(scales)
    assert parts is not None
    assert {name: part.item() for name, part in parts.items()} == {"first": 2, "second": 4}


REFUSED: dict[str, tuple[Fold, str]] = {
    "a product": (lambda m: m.one * m.two, ""),
    "a multiple": (lambda m: torch.add(m.one, m.two, alpha=2), ""),
    "a number": (lambda m: m.one + 1.0, ""),
    "other shapes": (lambda m: m.one + m.first, ""),
    "another dimension": (lambda m: torch.stack([m.one, m.two], 1)[:, 0], ""),
    "frozen": (lambda m: m.one + m.two, "two"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_told_apart(name: str) -> None:
    assert split(Folded(*REFUSED[name])) is None


class Shared(Folded):
    """One of the terms is read by another layer too."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, _ = super().forward(x)
        return y, F.linear(x, self.weight, self.one)


def test_a_term_that_another_weight_holds() -> None:
    assert split(Shared(lambda m: m.one + m.two)) is None


def test_parts_give_the_result_again() -> None:
    total = torch.randn(3, 5)
    assert torch.equal(sum(split_sum(total), torch.zeros(())), total)
    assert torch.equal(torch.stack(list(split_stack(total))), total)
