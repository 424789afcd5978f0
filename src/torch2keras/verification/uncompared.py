"""What a verification has not shown, in sentences for the report.

Places that rounding decides are left out (`random_rounding`), the bounds grow with PyTorch's own
error (`metric`), and NumPy rounds where PyTorch in float64 does not: each is right, and none of it
may be passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isinf

from torch2keras.errors import list_names
from torch2keras.verification.results import Check

TIGHT_ENOUGH = {"S": 1e-6, "N": 1e-2}
"""The share of an output's largest value that an error may be without a note, by tier."""


TIGHT_EPS = 128.0
"""As many units of its type's precision an error in tier N may be without a note."""


def list_uncompared(checks: Sequence[Check], eps: Mapping[str, float]) -> Iterator[str]:
    """Yield a sentence for each output and way in which it was not, or hardly, compared.

    `eps` is the precision of each output's type.
    """
    by_output: dict[str, list[Check]] = {}
    for check in checks:
        by_output.setdefault(check.output, []).append(check)
    for output, own in by_output.items():
        if not any(check.difference.compared for check in own):
            yield (
                f"{output} was not compared: "
                "under no probe does it hold a finite number that is more than rounding."
            )
            continue
        yield from _count_left_out(output, own)
        yield from _find_loose(output, own, eps[output])
        yield from _name_numpy(output, own)


def _count_left_out(output: str, checks: Iterable[Check]) -> Iterator[str]:
    """Yield the places of an output that rounding decides."""
    found = [check for check in checks if check.difference.left_out]
    if not found:
        return
    most = max(found, key=lambda check: check.difference.left_out).difference
    size = most.left_out + most.compared
    yield (
        f"{output}: {most.left_out:,} of {size:,} numbers were not compared for the inputs "
        f"{_list_probes(found)}: which they are hangs on how kernels round, in PyTorch too."
    )


def _find_loose(output: str, checks: Iterable[Check], eps: float) -> Iterator[str]:
    """Yield where an error of an output may be large beside its values."""
    found = []
    for check in checks:
        tight = TIGHT_ENOUGH[check.difference.tier]
        if check.difference.tier == "N":
            tight = max(tight, TIGHT_EPS * eps)
        if check.numpy_rtol is None and check.difference.allowed_share > tight:
            found.append(check)
    if not found:
        return
    share = max(check.difference.allowed_share for check in found)
    error = f"an error of {share:.2g} times its largest value"
    if isinf(share):
        error = "rounding in place of PyTorch's zeros"
    yield (
        f"{output}: {error} would have passed for the inputs {_list_probes(found)}: "
        "PyTorch's own rounding moves it about as far."
    )


def _name_numpy(output: str, checks: Iterable[Check]) -> Iterator[str]:
    """Yield that NumPy in forward rounds, where the tolerance had to be that of its type."""
    tolerance = max((check.numpy_rtol or 0.0 for check in checks), default=0.0)
    if tolerance:
        yield (
            f"{output}: forward uses NumPy, which rounds to a type of its own, so in float64 it "
            f"was compared to {tolerance:.1e} of its largest value only."
        )


def _list_probes(checks: Iterable[Check]) -> str:
    names = dict.fromkeys(repr(check.probe) for check in checks)
    return list_names(list(names))
