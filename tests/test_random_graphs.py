"""Random networks convert to what PyTorch computes, or are refused with an error that says why."""

from __future__ import annotations

import os

import pytest

import torch2keras as t2k
from random_graphs import Network, Program, drawn, shrunk

ASKED = os.environ.get("T2K_RANDOM_GRAPHS")
"""How many networks, from the seed T2K_RANDOM_START on; without it 50, always the same."""
EACH = 25
"""Networks a test: what is found is told as it goes."""
STARTS = [0, 1000]
if ASKED:
    first = int(os.environ["T2K_RANDOM_START"])
    STARTS = [first + number for number in range(0, int(ASKED), EACH)]


def failure(program: Program) -> str:
    """What is wrong with the conversion, in a word; "" where it is right or refused."""
    try:
        converted = t2k.convert(Network(program).eval(), program.inputs(), **program.options())
    except (t2k.CaptureError, t2k.LoweringError, t2k.UnsupportedOpError):
        return ""  # said, and not wrong
    except Exception as error:  # noqa: BLE001 - what is raised beside the error tree is looked for
        return type(error).__name__
    assert converted.verification is not None
    return "" if converted.verification.ok else "not verified"


@pytest.mark.parametrize("start", STARTS)
def test_random_networks(start: int) -> None:
    failed = {seed: kind for seed in range(start, start + EACH) if (kind := failure(drawn(seed)))}
    found = []
    for seed, kind in failed.items():
        smallest = shrunk(drawn(seed), lambda program, kind=kind: failure(program) == kind)
        found.append(f"drawn({seed}), {kind}: {smallest}")
    assert not found, "\n".join(found)
