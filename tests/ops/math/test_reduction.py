"""Reductions: every overload, over one, several and all dimensions, of all types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

from op_case import Case, check, function, module

Reduction = Callable[..., Any]

# name: the reduction of (x, dim, keepdim)
OVER_DIMS: dict[str, Reduction] = {
    "sum": lambda x, dim, keep: x.sum(dim, keepdim=keep),
    "mean": lambda x, dim, keep: x.mean(dim, keepdim=keep),
    "amax": lambda x, dim, keep: x.amax(dim, keepdim=keep),
    "amin": lambda x, dim, keep: x.amin(dim, keepdim=keep),
    "aminmax": lambda x, dim, keep: (
        tuple(x.aminmax(dim=dim, keepdim=keep)) if isinstance(dim, int) else x.amax(dim, keep)
    ),
    "any": lambda x, dim, keep: (x > 1).any(dim, keepdim=keep),
    "all": lambda x, dim, keep: (x > -1).all(dim, keepdim=keep),
    "logsumexp": lambda x, dim, keep: x.logsumexp(dim, keepdim=keep),
    "var": lambda x, dim, keep: x.var(dim, keepdim=keep),
    "std, biased": lambda x, dim, keep: x.std(dim, unbiased=False, keepdim=keep),
    "std, corrected by 3": lambda x, dim, keep: x.std(dim, correction=3, keepdim=keep),
    "var_mean": lambda x, dim, keep: torch.var_mean(x + 1, dim, keepdim=keep),
    "std_mean": lambda x, dim, keep: torch.std_mean(x + 1, dim, correction=2, keepdim=keep),
    "norm": lambda x, dim, keep: x.norm(dim=dim if dim != DIMS[-1] else 1, keepdim=keep),
    "vector_norm 3": lambda x, dim, keep: torch.linalg.vector_norm(x, 3, dim, keepdim=keep),
    "vector_norm inf": lambda x, dim, keep: torch.linalg.vector_norm(
        x, float("inf"), dim, keepdim=keep
    ),
    "nansum": lambda x, dim, keep: x.nansum(dim, keepdim=keep),
    "nanmean": lambda x, dim, keep: x.nanmean(dim, keepdim=keep),
}
DIMS = (1, -1, (0, 2), (-1, 1), (0, 1, 2))
FULL: dict[str, Reduction] = {
    "sum": lambda x: torch.sum(x + 1),
    "mean": lambda x: torch.mean(x + 1),
    "prod": lambda x: (x * 0.1 + 1).prod(),
    "max": torch.max,
    "min": torch.min,
    "amax": torch.amax,
    "any": lambda x: (x > 3).any(),
    "all": lambda x: (x > -3).all(),
    "var": torch.var,
    "std": lambda x: torch.std(x, unbiased=False),
    "var_mean": lambda x: torch.var_mean(x + 1),
    "std_mean": lambda x: torch.std_mean(x + 1),
    "norm": torch.norm,
    "vector_norm": torch.linalg.vector_norm,
    "norm 1": lambda x: x.norm(1),
    "norm 0": lambda x: torch.relu(x).norm(0),
    "vector_norm -inf": lambda x: torch.linalg.vector_norm(x, -float("inf")),
    "count_nonzero": lambda x: torch.count_nonzero(torch.relu(x)),
    "logsumexp": lambda x: x.logsumexp((0, 1, 2)),
    "sum without dims": lambda x: x.sum(dim=None),
    "mean, kept": lambda x: x.mean(dim=None, keepdim=True),
}


aten = torch.ops.aten


def integers(*shape: int, dtype: torch.dtype = torch.int64) -> Callable[[], torch.Tensor]:
    return lambda: torch.randint(-3, 4, shape).to(dtype)


def bools(*shape: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.rand(shape) > 0.4


def every_way(reduce: Reduction) -> Callable[[torch.Tensor], Any]:
    """Over each of DIMS, dropped and kept."""
    return lambda x: [reduce(x, dim, keep) for dim in DIMS for keep in (False, True)]


CASES: dict[str, Case] = {
    **{name: function(every_way(reduce), (3, 5, 7)) for name, reduce in OVER_DIMS.items()},
    **{f"full {name}": function(reduce, (3, 5, 7)) for name, reduce in FULL.items()},
    "prod": function(
        lambda x: ((x * 0.1 + 1).prod(1), (x * 0.1 + 1).prod(-1, keepdim=True)), (3, 5, 7)
    ),
    "count_nonzero": function(
        lambda x: (torch.count_nonzero(x > 0, 1), torch.count_nonzero(x > 0, (0, 2))), (3, 5, 7)
    ),
    "of integers": function(
        lambda x: (
            x.sum(1),
            x.sum(),
            x.prod(2),
            x.amax(1),
            x.max(),
            x.any(1),
            x.all(),
            x.count_nonzero(1),
            x.sum(1, dtype=torch.float32),
            x.mean(1, dtype=torch.float32),
        ),
        integers(3, 5, 7),
    ),
    "of narrow integers": function(
        lambda x: (x.sum(1), x.sum(), x.prod(2), x.amin(1), x.sum(1, dtype=torch.int32)),
        integers(3, 5, 7, dtype=torch.int8),
    ),
    "of bools": function(
        lambda x: (
            x.sum(1),
            x.sum(),
            x.prod(2),
            x.amax(1),
            x.amin((0, 2)),
            x.any(1),
            x.all(-1, keepdim=True),
            x.any(),
            x.count_nonzero(2),
        ),
        bools(3, 5, 7),
    ),
    "overloads with a flag": function(
        lambda x: (
            aten.var.default(x + 1),
            aten.std.default(x, False),
            aten.var_mean.default(x + 1),
            aten.std_mean.default(x + 1),
            aten.std_mean.dim(x + 1, [1], True),
            aten.var_mean.dim(x + 1, [0, 2], False, True),
        ),
        (3, 5, 7),
    ),
    "of a scalar": function(
        lambda x: (
            x[0, 0].sum(0),
            x[0, 0].mean(-1),
            x[0, 0].amax(0),
            x[0, 0].sum(),
            x[0, 0].norm(),
        ),
        (3, 5),
    ),
    "of a dimension of one": function(
        lambda x: (
            x.sum(1),
            x.mean((1, 2)),
            x.var(1, unbiased=False, keepdim=True),
            x.amax(1, keepdim=True),
        ),
        (3, 1, 7),
    ),
    "in another dtype": function(
        lambda x: (x.sum(1, dtype=torch.float64), x.mean((0, 1), dtype=torch.float64)), (3, 5, 7)
    ),
    "of half floats": function(
        lambda x: (x.sum(1), x.mean((0, 2)), x.var(1), x.norm(dim=2)),
        lambda: torch.randn(3, 5, 7).half(),
    ),
    "of doubles": function(
        lambda x: (x.sum(1), x.mean((0, 2)), x.std(1), x.norm(dim=2), x.logsumexp(1)),
        lambda: torch.randn(3, 5, 7).double(),
    ),
    "far from zero": function(lambda x: (x + 1000).var(-1), (3, 5, 101)),
    "dynamic length": function(
        lambda x: (
            x.mean(2),
            x.var(2),
            x.std((0, 2), keepdim=True),
            x.sum(1),
            (x + 1).mean(),
            x.var(),
            x.norm(dim=2),
        ),
        (2, 5, 7),
        dynamic_shapes=({0: Dim.AUTO, 2: Dim.AUTO},),
    ),
    "squeeze and excite": module(
        lambda: nn.Sequential(nn.Conv1d(3, 5, 3), Excite(), nn.Conv1d(5, 7, 3)), (2, 3, 13)
    ),
    "between convolutions": function(
        lambda x, w: (
            F.conv1d(x, w).std(1, keepdim=True) * F.conv1d(x, w).amax((0, 2), keepdim=True)
        ),
        (2, 3, 13),
        (5, 3, 3),
    ),
    "of two halves of one dimension": function(lambda x: x.view(2, 3, 5, 7).mean(2), (2, 15, 7)),
    "softmax by hand": function(
        lambda x: (x - x.amax(1, True)).exp() / (x - x.amax(1, True)).exp().sum(1, True), (3, 5, 7)
    ),
}


class Excite(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x.mean(-1, keepdim=True))


@pytest.mark.parametrize("name", CASES)
def test_reduction(name: str) -> None:
    check(CASES[name])


@pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning")
def test_the_unbiased_variance_of_one_element_is_nan() -> None:
    check(function(lambda x: (x.var(1), x.std(1, correction=3)), (3, 1, 7)))


ROOTS = {
    "norm": lambda x: x.norm(dim=1),
    "norm of order 3": lambda x: torch.linalg.vector_norm(x, 3, dim=1),
    "std": lambda x: x.std(1),
    "normalize": lambda x: F.normalize(x, dim=1),
}


@pytest.mark.parametrize("name", ROOTS)
def test_silence_has_no_gradient(name: str) -> None:
    converted = check(function(ROOTS[name], (2, 5, 7)))
    silence = tf.zeros((2, 5, 7))
    with tf.GradientTape() as tape:
        tape.watch(silence)
        total = tf.reduce_sum(converted.model(silence))
    assert np.all(np.isfinite(tape.gradient(total, silence)))
