"""The results of a verification: whether all is well, and the worst of each tier."""

from __future__ import annotations

from torch2keras.verification.metric import Difference
from torch2keras.verification.results import Check, Verification


def check(tier: str, error: float, bound: float, reason: str = "") -> Check:
    difference = Difference(tier, error, error, bound, bound, 3, (0,), reason)
    return Check("normal", ((2, 3),), "output", difference)


def test_all_is_well_until_one_check_fails() -> None:
    good, bad = check("S", 1.0, 2.0), check("N", 5.0, 2.0, "max error")
    assert Verification((good,)).ok
    assert not Verification((good, bad, good)).ok
    assert Verification(()).ok


def test_the_worst_of_a_tier_is_a_share_of_what_is_allowed() -> None:
    found = Verification((check("S", 1.0, 4.0), check("S", 3.0, 6.0), check("N", 7.0, 8.0)))
    assert found.worst("S") == 0.5
    assert found.worst("N") == 7 / 8


def test_checks_without_a_bound_have_no_share() -> None:
    assert Verification((check("S", 0.0, 0.0),)).worst("S") == 0.0
    assert Verification(()).worst("N") == 0.0
