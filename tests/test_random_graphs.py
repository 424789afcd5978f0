"""Random networks convert to what PyTorch computes, or are refused with an error that says why."""

from __future__ import annotations

import os
import random

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings

import torch2keras as t2k
from random_graphs import Network, Program, programs

ASKED = os.environ.get("T2K_RANDOM_GRAPHS")
"""How many networks, other ones each time (`make random`); without it 50, always the same."""
SHARDS = 2


def converts(program: Program) -> None:
    network = Network(program).eval()
    x = torch.randn(program.shape, generator=torch.Generator().manual_seed(1))
    try:
        converted = t2k.convert(network, (x,))
    except (t2k.CaptureError, t2k.LoweringError, t2k.UnsupportedOpError):
        return  # said, and not wrong
    assert converted.verification is not None
    assert converted.verification.ok


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_networks(shard: int) -> None:
    chosen = settings(
        max_examples=int(ASKED or 50) // SHARDS,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    start = random.SystemRandom().getrandbits(64) if ASKED else shard
    seed(start)(chosen(given(programs())(converts)))()
