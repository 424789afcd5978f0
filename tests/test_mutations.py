"""The verification of real conversions: wrong ones are caught, right ones pass.

A right net is converted, and its Keras model compared with a variant that has its weights and makes
one mistake.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import torch2keras as t2k
from bugs import BUGS, EDGE_BUGS, HUGE_BUGS
from equal_nets import CORRECT
from torch2keras.verification.probes import DEFAULT_PROBES
from torch2keras.verification.verify import verify_conversion
from variants import Variant

pytestmark = pytest.mark.usefixtures("one_thread")

LENGTH = ({0: torch.export.Dim.AUTO, 2: torch.export.Dim.DYNAMIC},)

CAUGHT = {bug.name: (bug, DEFAULT_PROBES) for bug in BUGS}
CAUGHT |= {bug.name: (bug, ("edges",)) for bug in EDGE_BUGS}
CAUGHT |= {bug.name: (bug, ("huge",)) for bug in HUGE_BUGS}
PASSED = {variant.name: variant for variant in CORRECT}


def convert(variant: Variant, net: nn.Module) -> t2k.Converted:
    """The conversion, not verified yet."""
    x = torch.randn(variant.shape, generator=torch.Generator().manual_seed(0))
    return t2k.convert(net, (x,), dynamic_shapes=LENGTH if variant.dynamic else None, verify=False)


@pytest.mark.parametrize("name", CAUGHT)
def test_an_injected_bug_is_caught_and_the_right_net_is_not(name: str) -> None:
    bug, probes = CAUGHT[name]
    net, wrong = bug.pair()
    converted = convert(bug, net)
    assert converted.verify(probes).ok
    conversion = replace(converted.conversion, module=wrong)
    with pytest.raises(t2k.VerificationError, match="does not give PyTorch's numbers"):
        verify_conversion(conversion, converted.run, probes)


@pytest.mark.parametrize("name", PASSED)
def test_a_right_net_passes(name: str) -> None:
    net, _ = PASSED[name].pair()
    assert convert(PASSED[name], net).verify().ok


@pytest.mark.parametrize("name", CAUGHT)
def test_a_bug_changes_numbers_not_shapes(name: str) -> None:
    """What has another shape or type would be caught by any comparison."""
    bug, _ = CAUGHT[name]
    x = torch.randn(bug.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        right, wrong = (net(x) for net in bug.pair())
    assert (right.shape, right.dtype) == (wrong.shape, wrong.dtype)


def test_there_are_enough_of_both() -> None:
    assert len(CAUGHT) == len(BUGS) + len(EDGE_BUGS) + len(HUGE_BUGS)
    assert len(CAUGHT) >= 60
    assert len(PASSED) >= 20
