"""Adaptive pooling: whole, evenly and unevenly divided, to more elements than there are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

import torch2keras as t2k
from op_case import Case, check, function, module

DYNAMIC = {"dynamic_shapes": ({0: Dim.AUTO, 2: Dim.AUTO},)}
POOLS = {"average": "AdaptiveAvgPool", "max": "AdaptiveMaxPool"}


def pool(kind: str, size: Any, *shape: int, **options: Any) -> Case:
    rank = max(1, len(shape) - 2)
    return module(lambda: getattr(nn, f"{POOLS[kind]}{rank}d")(size), shape, **options)


def network(kind: str) -> nn.Module:
    pooled, whole = (getattr(nn, f"{POOLS[kind]}1d")(size) for size in (4, 1))
    return nn.Sequential(
        nn.Conv1d(3, 5, 3), pooled, nn.Conv1d(5, 7, 2), whole, nn.Flatten(), nn.Linear(7, 3)
    )


CASES = {
    f"{kind}, {name}": case
    for kind in POOLS
    for name, case in {
        **{
            f"{length} to {size}": pool(kind, size, 2, 3, length)
            for length in (17, 15, 40)
            for size in (1, 3, 5, 17, 23)
        },
        "unbatched": pool(kind, 5, 3, 17),
        "dynamic length": pool(kind, 1, 2, 3, 17, **DYNAMIC),
        "2-D to one": pool(kind, 1, 2, 3, 17, 11),
        "2-D, one dim": pool(kind, (3, None), 2, 3, 17, 11),
        "2-D, divided": pool(kind, (5, 7), 2, 3, 15, 14),
        "2-D, mixed": pool(kind, (1, 5), 2, 3, 17, 15),
        "2-D, as it is": pool(kind, (17, 11), 2, 3, 17, 11),
        "3-D to one": pool(kind, 1, 2, 3, 7, 11, 5),
        "3-D, mixed": pool(kind, (3, None, 2), 2, 3, 7, 11, 4),
        "3-D, divided": pool(kind, (2, 3, 5), 2, 3, 4, 9, 5),
        "network": module(lambda kind=kind: network(kind), (2, 3, 37)),
    }.items()
} | {
    "max, indices": function(
        lambda x: (
            F.adaptive_max_pool2d(x, (5, 7), return_indices=True),
            F.adaptive_max_pool2d(x, (15, 14), return_indices=True),
            F.adaptive_max_pool2d(x.round(), (5, 1), return_indices=True),
        ),
        (2, 3, 15, 14),
        transposes=6,
    ),
    "max, indices of volumes": function(
        lambda x: F.adaptive_max_pool3d(x, (2, 3, 5), return_indices=True),
        (2, 3, 4, 9, 5),
        transposes=3,
    ),
    "aten._adaptive_avg_pool2d": function(
        lambda x: torch.ops.aten._adaptive_avg_pool2d(x, [3, 5]), (2, 3, 17, 15)
    ),
    "aten._adaptive_avg_pool3d": function(
        lambda x: torch.ops.aten._adaptive_avg_pool3d(x, [3, 5, 2]), (2, 3, 7, 5, 4)
    ),
}


def test_indices_of_unequal_windows_are_refused() -> None:
    with pytest.raises(t2k.LoweringError, match="adaptive_max_pool"):
        check(function(lambda x: F.adaptive_max_pool1d(x, 5, return_indices=True), (2, 3, 17)))


@pytest.mark.parametrize("name", CASES)
def test_adaptive_pooling(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize(
    ("kind", "layer"), [("average", "GlobalAveragePooling1D"), ("max", "GlobalMaxPooling1D")]
)
def test_to_one_element_is_global_pooling(kind: str, layer: str) -> None:
    converted = t2k.convert(network(kind), (torch.randn(2, 3, 37),))
    assert layer in {type(each).__name__ for each in converted.model.layers}


def test_a_dynamic_length_to_several_elements_is_refused() -> None:
    with pytest.raises(
        t2k.errors.LoweringError, match="adaptive pooling of a dynamic dimension to the size 2"
    ):
        check(pool("average", 2, 2, 3, 17, **DYNAMIC))
