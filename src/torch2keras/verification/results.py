"""What verification found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from torch2keras.errors import list_names
from torch2keras.verification.metric import Difference

MOST_NAMED = 4


class Verdict(StrEnum):
    """How two numbers of a parameter compare."""

    EQUAL = "equal"
    ROUNDING = "rounding"
    """Apart by no more than rounding moves it in PyTorch: its true gradient is zero."""
    DIFFERS = "differs"


@dataclass(frozen=True)
class LearningCheck:
    """How gradients compare, or weights behind some steps, by PyTorch's names."""

    what: str
    errors: Mapping[str, float]
    """The largest error of each parameter and input, as a share of its largest number."""
    verdicts: Mapping[str, Verdict]

    @property
    def differing(self) -> tuple[str, ...]:
        """The names of those that differ by more than is allowed, the worst first."""
        names = [name for name, verdict in self.verdicts.items() if verdict is Verdict.DIFFERS]
        return tuple(sorted(names, key=lambda name: -self.errors[name]))

    @property
    def worst(self) -> tuple[str, float]:
        """The name and the error of the worst of those that more than rounding moves."""
        live = [name for name, verdict in self.verdicts.items() if verdict != Verdict.ROUNDING]
        name = max(live, key=self.errors.__getitem__, default="")
        return name, self.errors.get(name, 0.0)

    def describe(self) -> str:
        """Return the worst of those that differ."""
        shown = [f"{name} by {self.errors[name]:.2g} of its size" for name in self.differing]
        return list_names(shown, MOST_NAMED)


class Learning(NamedTuple):
    """What was found of gradients and of training."""

    notes: tuple[str, ...] = ()
    checks: tuple[LearningCheck, ...] = ()


@dataclass(frozen=True)
class Check:
    """One output under one probe and tier."""

    probe: str
    shapes: tuple[tuple[int, ...], ...]
    output: str
    difference: Difference
    numpy_rtol: float | None = None
    """The tolerance that was needed in tier S, since NumPy in forward rounds; None elsewhere."""


@dataclass(frozen=True)
class Verification:
    """All checks of one conversion, and what could not be checked."""

    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    learning: tuple[LearningCheck, ...] = ()
    """Gradients and training, where these were compared."""

    @property
    def ok(self) -> bool:
        return all(c.difference.ok for c in self.checks)

    def worst(self, tier: str) -> float:
        """The largest error of a tier, as a share of what is allowed."""
        shares = [
            c.difference.max_abs / c.difference.bound_max
            for c in self.checks
            if c.difference.tier == tier and c.difference.bound_max
        ]
        return max(shares, default=0.0)
