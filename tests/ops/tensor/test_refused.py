"""Ops that are refused whatever their arguments: the error gives the reason of the table."""

from __future__ import annotations

import pytest
import torch

import torch2keras.ops  # noqa: F401 - fills the registry
from op_case import check, function
from torch2keras.declarations.registry import registry
from torch2keras.errors import UnsupportedOpError
from torch2keras.ops.tensor.refused import DATA, RANDOM, REASONS, STRIDES

POSITIVE = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
REFUSED = {
    "nonzero": (torch.nonzero, DATA),
    "unique": (torch.unique_consecutive, DATA),
    "view of another dtype": (lambda x: x.view(torch.int32), STRIDES),
    "rand": (lambda x: x + torch.rand(3), RANDOM),
    "normal": (torch.normal, RANDOM),
    "igamma": (lambda x: torch.igamma(x, x), "a series"),
    "factors": (lambda x: torch.geqrf(x)[0], "no such factorization"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_error_says_why(name: str) -> None:
    call, reason = REFUSED[name]
    with pytest.raises(UnsupportedOpError) as raised:
        check(function(call, lambda: POSITIVE, dynamic_shapes=(({},),)))
    assert reason in " ".join(str(raised.value).split())


def test_no_op_is_refused_that_has_a_lowering() -> None:
    for reason, ops in REASONS.items():
        for op in ops:
            assert registry.refused[op] == reason
            assert op not in registry
