"""Parameters behind a folded weight: what is told apart again, and what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

import torch2keras as t2k
from torch2keras.conversion.folded_weights import (
    is_near,
    split_folded,
    split_stack,
    split_sum,
    write_parts,
)
from torch2keras.graph.element_moves import Narrow
from torch2keras.graph.ir import Constant, TensorType

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


def split(module: nn.Module, start: float = 0.0) -> dict[str, Tensor] | None:
    """The parameters, by name, of the one folded tensor, trained to start, start + 1 ..."""
    graph = t2k.convert(module, torch.randn(2, 3)).conversion.lowered.graph
    (weight,) = [w for _, _, w in graph.weights() if w.constant.recipe is not None]
    tensor = weight.constant.tensor
    target = torch.arange(tensor.numel(), dtype=torch.float32).reshape(tensor.shape) + start
    state = {name: p.detach() for name, p in module.named_parameters()}
    return split_folded(weight.constant, target, state, set(state))


def test_the_first_term_has_all_of_a_sum() -> None:
    parts = split(Folded(lambda m: m.one + m.two))
    assert parts is not None
    assert parts["one"].tolist() == [0, 1, 2, 3, 4]
    assert parts["two"].tolist() == [0] * 5


def test_what_was_stacked_comes_apart() -> None:
    shares = [nn.Parameter(torch.tensor(float(i))) for i in range(5)]
    scales = Folded(lambda m: torch.stack(list(m.shares)))
    scales.shares = nn.ParameterList(shares)
    parts = split(scales)
    assert parts is not None
    assert [parts[f"shares.{i}"].item() for i in range(5)] == [0, 1, 2, 3, 4]


def test_a_projection_leaves_what_is_within_its_range() -> None:
    clamped = Folded(lambda m: m.one.clamp(min=-1.0, max=4.0))
    parts = split(clamped)
    assert parts is not None
    assert parts["one"].tolist() == [0, 1, 2, 3, 4]
    assert split(clamped, start=1.0) is None


def test_a_norm_and_a_direction() -> None:
    normed = Folded(lambda m: m.first * m.one / m.one.norm())
    parts = split(normed)
    assert parts is not None
    assert parts["one"].tolist() == [0, 1, 2, 3, 4]
    assert parts["first"].item() == pytest.approx(30**0.5)


REFUSED: dict[str, tuple[Fold, str]] = {
    "a product": (lambda m: m.one * m.two, ""),
    "a multiple": (lambda m: torch.add(m.one, m.two, alpha=2), ""),
    "a number": (lambda m: m.one + 1.0, ""),
    "other shapes": (lambda m: m.one + m.first, ""),
    "another dimension": (lambda m: torch.stack([m.one, m.two], 1)[:, 0], ""),
    "frozen": (lambda m: m.one + m.two, "two"),
    "a frozen norm": (lambda m: m.first * m.one / m.one.norm(), "first"),
    "one value twice": (lambda m: torch.stack([m.first] * 3 + [m.second] * 2), ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_told_apart(name: str) -> None:
    assert split(Folded(*REFUSED[name])) is None


def test_only_free_parameters_are_given_other_values() -> None:
    module = Folded(lambda m: m.one + m.two)
    graph = t2k.convert(module, torch.randn(2, 3)).conversion.lowered.graph
    (weight,) = [w for _, _, w in graph.weights() if w.constant.recipe is not None]
    state = {name: p.detach() for name, p in module.named_parameters()}
    assert split_folded(weight.constant, torch.ones(5), state, {"one"}) is None


def test_parts_give_the_result_again() -> None:
    total = torch.randn(3, 5)
    assert torch.equal(sum(split_sum(total), torch.zeros(())), total)
    assert torch.equal(torch.stack(list(split_stack(total))), total)


def test_parts_of_one_tensor_must_agree() -> None:
    kind, base = TensorType((2,), torch.float32), torch.zeros(4)
    left = Constant("left", kind, base, ("w",), True, (Narrow(0, 0, 2),))
    right = Constant("right", kind, base, ("w",), True, (Narrow(0, 1, 3),))
    two, agreeing = torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0])
    written = write_parts([(left, two), (right, agreeing)], {"w": base})
    assert written is not None
    assert written["w"].tolist() == [1, 2, 3, 0]
    assert write_parts([(left, two), (right, two)], {"w": base}) is None
    assert base.tolist() == [0] * 4


@pytest.mark.parametrize(("dtype", "off"), [(torch.float32, 1e-7), (torch.bfloat16, 0.01)])
def test_rounding_is_that_of_the_coarsest_type(dtype: torch.dtype, off: float) -> None:
    constant = Constant("w", TensorType((1,), dtype), torch.ones(1, dtype=dtype), ("w",))
    assert is_near(torch.tensor([1.0 + off]), torch.ones(1), constant)
    assert not is_near(torch.tensor([1.0 + 5 * off]), torch.ones(1), constant)
