"""Random networks convert to what PyTorch computes, or are refused with an error that says why."""

from __future__ import annotations

import os
import random

import pytest

import torch2keras as t2k
from random_graphs import Network, Program, drawn, shrunk

ASKED = os.environ.get("T2K_RANDOM_GRAPHS")
"""How many networks, other ones each time (`make random`); without it 50, always the same."""
SHARDS = 2


def failure(program: Program) -> str:
    """What is wrong with the conversion, in a word; "" where it is right or refused."""
    try:
        converted = t2k.convert(Network(program).eval(), program.inputs(), **program.options())
    except (t2k.CaptureError, t2k.LoweringError, t2k.UnsupportedOpError):
        return ""  # said, and not wrong
    except Exception as error:  # noqa: BLE001 - whatever it is, nobody foresaw it
        return type(error).__name__
    assert converted.verification is not None
    return "" if converted.verification.ok else "not verified"


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_networks(shard: int) -> None:
    start = random.SystemRandom().getrandbits(64) if ASKED else 1000 * shard
    count = int(ASKED or 50) // SHARDS
    failed = {seed: kind for seed in range(start, start + count) if (kind := failure(drawn(seed)))}
    found = [
        f"drawn({seed}), {kind}: {shrunk(drawn(seed), lambda program, kind=kind: failure(program) == kind)}"
        for seed, kind in failed.items()
    ]
    assert not found, "\n".join(found)
