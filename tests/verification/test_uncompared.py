"""What was not shown is said, and nothing of what was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from torch2keras.verification.metric import EPS, Difference
from torch2keras.verification.results import Check
from torch2keras.verification.uncompared import list_uncompared

FINE = Difference("N", 1e-8, 1e-8, 1e-6, 1e-6, 24, (0,), "", largest=1.0)
MEANING = replace(FINE, tier="S", bound_max=1e-9)


def notes(*checks: Check, eps: float = EPS["float32"]) -> list[str]:
    return list(list_uncompared(checks, {"y": eps, "z": eps}))


def check(difference: Difference, probe: str = "normal", output: str = "y") -> Check:
    return Check(probe, ((2, 3),), output, difference)


@pytest.mark.parametrize(
    "difference",
    [
        FINE,
        MEANING,
        replace(FINE, largest=0.0, max_abs=0.0),
        replace(FINE, bound_max=0.009),
        replace(MEANING, bound_max=9e-7),
    ],
)
def test_of_what_was_compared_nothing_is_said(difference: Difference) -> None:
    assert notes(check(difference)) == []


def test_an_output_without_any_number() -> None:
    (note,) = notes(check(replace(FINE, compared=0)), check(FINE, output="z"))
    assert note.startswith("y was not compared")


def test_places_are_counted_where_most_are_left_out() -> None:
    some, more = replace(FINE, left_out=3, compared=21), replace(MEANING, left_out=5, compared=19)
    (note,) = notes(check(some), check(more, "wide"), check(FINE, "another size"))
    assert note.startswith(
        "y: 5 of 24 numbers were not compared for the inputs 'normal', 'wide': which"
    )


@pytest.mark.parametrize(
    ("difference", "eps", "said"),
    [
        (replace(FINE, bound_max=0.03), EPS["float32"], True),
        (replace(FINE, bound_max=0.3, largest=100.0), EPS["float32"], False),
        (replace(MEANING, bound_max=2e-6), EPS["float32"], True),
        (replace(FINE, bound_max=0.3), EPS["bfloat16"], False),
        (replace(FINE, bound_max=3.0), EPS["bfloat16"], True),
        (replace(FINE, bound_max=0.1), EPS["float16"], False),
        (replace(FINE, largest=0.0), EPS["float32"], True),
    ],
)
def test_bounds_that_allow_much(difference: Difference, eps: float, said: bool) -> None:
    found = notes(check(difference), eps=eps)
    assert bool(found) is said
    assert all("would have passed" in note for note in found)


def test_numpy_is_said_in_its_own_way() -> None:
    loosened = replace(check(replace(MEANING, bound_max=7.6e-6)), numpy_rtol=7.6e-6)
    (note,) = notes(check(FINE), loosened)
    assert "forward uses NumPy" in note
    assert "7.6e-06" in note
