"""`@leaf` registers a module's converter, and refuses one whose parameters do not fit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import torch2keras as t2k
from torch2keras.custom_ops.leaf_modules import LEAVES
from torch2keras.declarations.registry import registry
from torch2keras.lower.recorder import ops


@pytest.fixture(autouse=True)
def no_leaves() -> Iterator[None]:
    before = dict(LEAVES)
    yield
    LEAVES.clear()
    LEAVES.update(before)


class Snake(nn.Module):
    """Along channels, with a number of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.rand(channels) + 0.5)
        self.eps = 1e-3

    def forward(self, x: Tensor) -> Tensor:
        alpha = self.alpha.reshape(1, -1, 1)
        return x + torch.sin(alpha * x) ** 2 / (alpha + self.eps)


def convert_snake(x, alpha, module):
    return x + ops.square(ops.sin(alpha * x)) / alpha


def test_a_leaf_has_an_op_of_its_own_with_the_declared_axes() -> None:
    assert t2k.leaf(Snake, axes="n c *s, c -> n c *s")(convert_snake) is convert_snake
    found = registry.lowerings[LEAVES[Snake].op]
    assert found.torch == "n c *s, c -> n c *s"
    assert LEAVES[Snake].inputs == ("x",)
    assert LEAVES[Snake].weights == ("alpha",)


def test_parameters_that_do_not_fit() -> None:
    with pytest.raises(TypeError, match=r"Snake\.forward"):
        t2k.leaf(Snake)(lambda alpha, module: alpha)
    with pytest.raises(TypeError, match=r"then 'module'"):
        t2k.leaf(Snake)(lambda x, alpha: x * alpha)
    with pytest.raises(ValueError, match="operand terms"):
        t2k.leaf(Snake, axes="n c *s, c, c -> n c *s")(lambda x, alpha, module: x * alpha)
