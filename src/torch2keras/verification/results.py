"""What verification found."""

from __future__ import annotations

from dataclasses import dataclass

from torch2keras.verification.metric import Difference


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
