"""Matrix products: layers by parameters, einsum in whatever order the operands are stored."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from op_case import Case, check, function, module


class ByParameter(nn.Module):
    """A function of an input and of one parameter."""

    def __init__(self, call: Any, *shape: int) -> None:
        super().__init__()
        self.call, self.w = call, nn.Parameter(torch.randn(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.call(x, self.w)


class Bilinear(nn.Bilinear):
    """Of one input with itself, so that both operands are stored alike."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x, torch.tanh(x))


class AfterConv(nn.Module):
    """A function of a convolution's result, which is stored channels last."""

    def __init__(self, call: Any, *, twice: bool = False) -> None:
        super().__init__()
        self.conv, self.call, self.twice = nn.Conv1d(3, 5, 3), call, twice

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return self.call(y, torch.tanh(y)) if self.twice else self.call(y)


def by_parameter(call: Any, weight: tuple[int, ...], shape: tuple[int, ...]) -> Case:
    return module(lambda: ByParameter(call, *weight), shape)


def integers(equation: str) -> Case:
    """Products that float32 does not hold."""
    return function(lambda x: torch.einsum(equation, x, x), lambda: torch.randint(2**14, (7, 7)))


def einsum(equation: str, *shapes: tuple[int, ...]) -> Case:
    return function(lambda *tensors: torch.einsum(equation, *tensors), *shapes)


CASES = {
    "linear": module(lambda: nn.Linear(5, 7), (2, 5)),
    "linear, no bias, 3-D": module(lambda: nn.Linear(5, 7, bias=False), (2, 3, 5)),
    "linear, unbatched": module(lambda: nn.Linear(5, 7), (5,)),
    "linear after a convolution": module(
        lambda: nn.Sequential(nn.Conv1d(3, 5, 3), nn.Linear(11, 7)), (2, 3, 13), transposes=1
    ),
    "linear, computed weight": function(lambda x, w: F.linear(x, torch.tanh(w)), (2, 3, 5), (7, 5)),
    "linear, computed weight and bias": function(F.linear, (2, 3, 5), (7, 5), (7,)),
    "linear, one row": by_parameter(F.linear, (5,), (2, 3, 5)),
    "bilinear": function(lambda x, y: F.bilinear(x, y, torch.ones(7, 5, 3)), (2, 5), (2, 3)),
    "bilinear, module": module(lambda: Bilinear(5, 5, 7), (2, 3, 5)),
    "bilinear, no bias": module(lambda: Bilinear(5, 5, 7, bias=False), (2, 5)),
    "matmul, matrices": function(torch.matmul, (2, 5), (5, 7)),
    "matmul, batches": function(torch.matmul, (2, 3, 5, 7), (2, 3, 7, 11)),
    "matmul, broadcast batches": function(torch.matmul, (2, 1, 5, 7), (3, 7, 11)),
    "matmul, two broadcast batches": function(torch.matmul, (2, 1, 5, 7), (1, 3, 7, 11)),
    "matmul, one matrix": function(torch.matmul, (2, 3, 5), (5, 7)),
    "matmul, vector right": function(torch.matmul, (2, 3, 5), (5,)),
    "matmul, vector left": function(torch.matmul, (5,), (2, 5, 3)),
    "matmul, vectors": function(torch.matmul, (5,), (5,)),
    "matmul, unit inner": function(torch.matmul, (2, 3, 1), (2, 1, 7)),
    "matmul, integers": function(
        torch.matmul, lambda: torch.randint(-9, 9, (2, 3, 5)), lambda: torch.randint(-9, 9, (5, 7))
    ),
    "matmul after a convolution": module(
        lambda: AfterConv(lambda y: y @ y.transpose(1, 2)), (2, 3, 13)
    ),
    "matmul after a convolution, channels out": module(
        lambda: AfterConv(lambda y, z: y.transpose(1, 2) @ z, twice=True), (2, 3, 13)
    ),
    "mm, bmm, mv, dot": function(
        lambda a, b, c, v: (torch.mm(a, b), torch.bmm(c, c.mT), torch.mv(a, v), torch.dot(v, v)),
        (2, 3),
        (3, 5),
        (2, 3, 7),
        (3,),
    ),
    "addmm": function(torch.addmm, (7,), (2, 5), (5, 7)),
    "addmm, scaled": function(
        lambda x, a, b: torch.addmm(x, a, b, beta=0.5, alpha=2), (2, 7), (2, 5), (5, 7)
    ),
    "addmm, parameter": by_parameter(lambda x, w: torch.addmm(torch.ones(7), x, w), (5, 7), (2, 5)),
    "baddbmm": function(
        lambda x, a, b: torch.baddbmm(x, a, b, beta=0.5, alpha=2), (2, 3, 7), (2, 3, 5), (2, 5, 7)
    ),
    "addbmm": function(
        lambda x, a, b: torch.addbmm(x, a, b, alpha=2), (3, 7), (2, 3, 5), (2, 5, 7)
    ),
    "addmv": function(lambda x, a, v: torch.addmv(x, a, v, alpha=3), (3,), (3, 5), (5,)),
    "addr": function(torch.addr, (3, 5), (3,), (5,)),
    "outer": function(torch.outer, (3,), (5,)),
    "inner": function(torch.inner, (2, 3), (5, 3)),
    "tensordot": function(
        lambda a, b: torch.tensordot(a, b, ([1, 2], [1, 0])), (2, 3, 5), (5, 3, 7)
    ),
    "kron": function(torch.kron, (2, 3), (5, 7)),
    "einsum, attention": einsum("bhtd,bhsd->bhts", (2, 3, 5, 7), (2, 3, 11, 7)),
    "einsum, implicit": einsum("b i j, j k", (2, 3, 5), (5, 7)),
    "einsum, ellipsis": einsum("...ij,...jk->...ik", (2, 3, 5, 7), (3, 7, 11)),
    "einsum, three operands": einsum("bi,ijk,bk->bj", (2, 3), (3, 5, 7), (2, 7)),
    "einsum, sum": einsum("bij->j", (2, 3, 5)),
    "einsum, permutation": einsum("bij->jbi", (2, 3, 5)),
    "einsum, diagonal": einsum("bii->bi", (2, 3, 3)),
    "einsum, broadcast unit": einsum("bij,jk->bik", (2, 3, 1), (5, 7)),
    "einsum, elementwise": einsum("bcl,bc->bcl", (2, 3, 5), (2, 3)),
    "einsum of large integers": integers("ab,cb->ca"),
    "einsum of large integers, diagonal": integers("aa,cb->ca"),
    "einsum of bools": function(lambda x: torch.einsum("ab,cd->bda", x > 0, x > 0), (3, 5)),
    "einsum after a convolution": module(
        lambda: AfterConv(lambda y: torch.einsum("ncl,nkl->nck", y, y)), (2, 3, 13)
    ),
    "parameter right": by_parameter(lambda x, w: x @ w, (5, 7), (2, 3, 5)),
    "parameter right, transposed": by_parameter(lambda x, w: x @ w.t(), (7, 5), (2, 3, 5)),
    "parameter left": by_parameter(lambda x, w: w @ x, (7, 3), (2, 3, 5)),
    "parameter, batched": by_parameter(lambda x, w: x @ w, (3, 5, 7), (2, 3, 11, 5)),
    "parameter, vector": by_parameter(lambda x, w: x @ w, (5,), (2, 3, 5)),
    "parameter in an einsum": by_parameter(
        lambda x, w: torch.einsum("bthd,hde->bthe", x, w), (3, 5, 7), (2, 11, 3, 5)
    ),
    "parameter along an axis": by_parameter(
        lambda x, w: torch.einsum("bct,c->bct", x, w), (3,), (2, 3, 5)
    ),
    "parameter without the batch": by_parameter(
        lambda x, w: torch.einsum("bc,kc->kb", x, w), (5, 3), (2, 3)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_linear(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize(
    "name", [name for name in CASES if name.startswith("parameter") and "vector" not in name]
)
def test_a_parameter_is_the_kernel_of_a_layer(name: str) -> None:
    converted = check(CASES[name])
    (weight,) = converted.model.trainable_weights
    assert weight.path.endswith("/kernel")
    assert converted.model.count_params() == CASES[name].make().w.numel()
