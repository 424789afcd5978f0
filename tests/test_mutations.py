"""The verification of real conversions: wrong ones are caught, right ones pass.

A right net is converted, and its Keras model compared with a variant that has its weights and makes one mistake.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import torch2keras as t2k
from bugs import BUGS
from twins import CORRECT
from variants import Variant

LATER = {"LSTM", "GRU", "attention"}
"""Words in the names of nets that have no lowering yet."""


def converts(variant: Variant) -> bool:
    return not any(word in variant.name for word in LATER)


CAUGHT = {v.name: v for v in BUGS if converts(v)}
PASSED = {v.name: v for v in CORRECT if converts(v)}


def example(variant: Variant) -> tuple[torch.Tensor]:
    return (torch.randn(variant.shape, generator=torch.Generator().manual_seed(0)),)


@pytest.mark.parametrize("name", CAUGHT)
def test_an_injected_bug_is_caught(name: str) -> None:
    net, wrong = CAUGHT[name].pair()
    converted = t2k.convert(net, example(CAUGHT[name]), verify=False)
    converted.conversion = replace(converted.conversion, module=wrong)
    with pytest.raises(t2k.VerificationError):
        converted.verify()


@pytest.mark.parametrize("name", PASSED)
def test_a_right_net_passes(name: str) -> None:
    net, _ = PASSED[name].pair()
    converted = t2k.convert(net, example(PASSED[name]))
    assert converted.verification is not None
    assert converted.verification.ok


def test_there_are_enough_of_both() -> None:
    assert min(len(CAUGHT), len(PASSED)) >= 20
