"""Strange modules are converted or refused.

No exception that is not ours leaves a public function.
"""

from __future__ import annotations

import os

import pytest

import torch2keras as t2k
from strange_modules import (
    BASES,
    CLASS_HABITS,
    INSTANCE_HABITS,
    Strange,
    draw_strange,
    example_input,
)

ASKED = os.environ.get("T2K_STRANGE_MODULES")
"""How many modules, from the seed T2K_STRANGE_START on (`make strange`).

Without it 25, always the same.
"""
EACH = 25
FIRST = int(os.environ.get("T2K_STRANGE_START", "0"))
SINGLE = [Strange(BASES[0], (name,), ()) for name in CLASS_HABITS]
SINGLE += [Strange(BASES[0], (), (name,)) for name in INSTANCE_HABITS]


def foreign_exception(strange: Strange) -> str:
    """What leaves the public functions and is not ours; empty where nothing does."""
    try:
        module = strange.make()
    except Exception:  # noqa: BLE001 - habits that rule each other out
        return ""
    step = "convert"
    try:
        converted = t2k.convert(module, (example_input(),), verify=False)
        step = "state_dict"
        state = converted.state_dict()
        step = "load_state_dict"
        converted.load_state_dict(state)
        step = "report"
        str(converted.report)
    except t2k.Torch2KerasError:
        return ""
    except Exception as error:  # noqa: BLE001 - what this test looks for
        return f"{step}: {type(error).__name__}"
    return ""


@pytest.mark.parametrize("start", range(FIRST, FIRST + int(ASKED or EACH), EACH))
def test_drawn_modules(start: int) -> None:
    found = {seed: foreign_exception(draw_strange(seed)) for seed in range(start, start + EACH)}
    assert {seed: kind for seed, kind in found.items() if kind} == {}


ONE_OF_A_KIND = SINGLE[:: len(SINGLE) // 30]


@pytest.mark.parametrize("strange", ONE_OF_A_KIND, ids=str)
def test_single_habits(strange: Strange) -> None:
    assert foreign_exception(strange) == ""


@pytest.mark.slow
def test_every_single_habit() -> None:
    found = {str(strange): foreign_exception(strange) for strange in SINGLE}
    assert {name: kind for name, kind in found.items() if kind} == {}
