"""How far a converted model is from PyTorch, and how far it may be.

Two tiers. S, meaning: the converted model in float64 against the module in float64; a wrong model
has nowhere to hide in rounding. N, numerics: in the module's own type, where the error that PyTorch
itself makes against float64 sets the scale, because what is a good error differs by orders of
magnitude from net to net.

    S   max|k64 - y64| <= 1e-9 max|y64|
    N   rms(y_k - y64) <= 4 rms(y_t - y64) +  8 eps rms(y64)
        max|y_k - y64| <= 8 max|y_t - y64| + 16 eps max|y64|

- NaN, +inf and -inf must stand at the same places; the formulas are over the places where all
  arrays are finite.
- Integers and bools must be equal exactly. Where PyTorch's own answer differs from its answer in
  float64 (an argmax
  between two nearly equal values), either of the two is right in tier N.
- Shapes and kinds of dtype must be the same. The real and imaginary parts of complex numbers are
  compared.
- Each bound has a floor: the smallest normal number (float16: the smallest number of all).
  Machines that flush smaller
  numbers to zero and machines that keep them are both right. A signal of zeros is thereby compared
  exactly, but for these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from torch2keras.runtime.arrays import as_real

EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""The distance from 1 to the next number, by the name of the type in which the model runs."""


MEANING_RTOL = 1e-9
"""Tier S: the largest error that is allowed, relative to the largest value."""


_RMS_FACTOR, _RMS_EPS = 4.0, 8.0


_MAX_FACTOR, _MAX_EPS = 8.0, 16.0


_NOISE_FACTOR, _NOISE_RATIO = 8.0, 2.0**-29


_KINDS = {"b": "bool", "i": "int", "u": "unsigned int", "f": "float", "c": "complex"}


@dataclass(frozen=True)
class Difference:
    """The outcome of one comparison.

    `max_abs` and `rms` are over the finite places, in the unit of the values; `compared` counts
    these: with 0 of them
    nothing was shown. `worst` is the place of the largest error, or of the first wrong NaN,
    infinity, integer or bool.
    `reason` says in words what is wrong, "" when nothing is. Tier S has no bound for the rms but
    that for the maximum.
    """

    tier: Literal["S", "N"]
    max_abs: float
    rms: float
    bound_max: float
    bound_rms: float
    compared: int
    worst: tuple[int, ...] | None
    reason: str = ""
    largest: float = 0.0
    """The largest of PyTorch's finite numbers."""
    left_out: int = 0
    """Places that were not compared, since rounding decides them."""

    @property
    def allowed_share(self) -> float:
        """The error that is allowed, as a share of the largest number.

        Where all numbers are zero it is 0 if ours are too, else infinite.
        """
        if self.largest:
            return self.bound_max / self.largest
        return float("inf") if self.max_abs else 0.0

    @property
    def share_of_bound(self) -> float:
        """The error as a share of the bound; 0 for exact results, which have none."""
        if self.max_abs == 0.0:
            return 0.0
        return self.max_abs / self.bound_max if self.bound_max else float("inf")

    @property
    def ok(self) -> bool:
        """Whether the comparison found nothing wrong."""
        return not self.reason


def meaning(
    k64: np.ndarray, y64: np.ndarray, rtol: float = MEANING_RTOL, *, y_t: np.ndarray | None = None
) -> Difference:
    """Tier S: the converted model in float64, `k64`, against the module in float64, `y64`.

    Both have the same shape.
    `y_t`, the module in its own type, is needed only for outputs that are nothing but rounding
    noise (a constant less
    its mean): such noise is 2^-29 times smaller in float64 than in float32, and up to 8 times that
    is allowed.
    """
    k64, y64 = np.asarray(k64), np.asarray(y64)
    refused = _incomparable("S", k64, y64)
    k64, y64, y_t = as_real(k64), as_real(y64), None if y_t is None else as_real(np.asarray(y_t))
    refused = refused or _exact("S", k64, y64, y64) or _find_misplaced("S", k64, y64)
    if refused is not None:
        return refused
    mask = np.isfinite(y64)
    (k, y, t), exponent = _scale([k64, y64, y64 if y_t is None else np.asarray(y_t)], mask)
    with np.errstate(all="ignore"):
        noise = np.where(np.isfinite(t), t - y, 0.0)
        floor = float(np.ldexp(np.finfo(np.float64).tiny, -exponent))
        bound = rtol * _max(y) + _NOISE_FACTOR * _NOISE_RATIO * _max(noise) + floor
        return _judge("S", np.abs(k - y), mask, exponent, bound, bound, _max(y))


def numerics(
    y_k: np.ndarray, y_t: np.ndarray, y64: np.ndarray, eps: float = EPS["float32"]
) -> Difference:
    """Tier N: the model, `y_k`, and the module, `y_t`, in their own type, against float64, `y64`.

    `eps` is that of the module's type (see `EPS`); bfloat16 values are given as float32 arrays.
    Where float32 overflows and float64 does not, `y_k` must overflow as `y_t` does; into which of
    NaN, +inf and -inf hangs on the order of the operations where the number itself is beyond the
    type's range.
    """
    y_k, y_t, y64 = np.asarray(y_k), np.asarray(y_t), np.asarray(y64)
    refused = _incomparable("N", y_k, y_t) or _incomparable(
        "N", y64, y_t, "the float64 reference has "
    )
    y_k, y_t, y64 = as_real(y_k), as_real(y_t), as_real(y64)
    refused = (
        refused
        or _exact("N", y_k, y_t, y64)
        or _find_misplaced("N", _adopt_overflows(y_t, y_k, y64), y_t)
    )
    if refused is not None:
        return refused
    # At a pole that rounding has moved, float64 has no number to offer and PyTorch's own one is the
    # reference.
    reference = np.where(np.isfinite(y64), y64.astype(np.float64), y_t.astype(np.float64))
    mask = np.isfinite(y_t)
    (k, t, y), exponent = _scale([y_k, y_t, reference], mask)
    info = np.finfo(y_t.dtype)
    with np.errstate(all="ignore"):
        floor = float(
            np.ldexp(float(info.smallest_subnormal if info.bits == 16 else info.tiny), -exponent)
        )
        bound_rms = _RMS_FACTOR * _rms(t - y) + _RMS_EPS * eps * _rms(y) + floor
        bound_max = _MAX_FACTOR * _max(t - y) + _MAX_EPS * eps * _max(y) + floor
        return _judge("N", np.abs(k - y), mask, exponent, bound_max, bound_rms, _max(y))


def _incomparable(
    tier: Literal["S", "N"], ours: np.ndarray, theirs: np.ndarray, who: str = ""
) -> Difference | None:
    """What keeps the two from being compared at all: shape or kind of dtype."""
    reason = ""
    if ours.shape != theirs.shape:
        reason = f"{who}shape {ours.shape} instead of {theirs.shape}"
    elif ours.dtype.kind != theirs.dtype.kind:
        reason = f"{who}dtype {ours.dtype} instead of {theirs.dtype}"
    elif ours.dtype.kind not in "biufc":
        reason = f"{who}dtype {ours.dtype}, which has no comparison"
    return _refusal(tier, None, reason) if reason else None


def _exact(
    tier: Literal["S", "N"], ours: np.ndarray, theirs: np.ndarray, y64: np.ndarray
) -> Difference | None:
    """The outcome for integers and bools; None for floats."""
    if theirs.dtype.kind == "f":
        return None
    wrong = (ours != theirs) & (ours != y64)
    if not wrong.any():
        return Difference(tier, 0.0, 0.0, 0.0, 0.0, theirs.size, None)
    worst = _first(wrong)
    kind = _KINDS[theirs.dtype.kind]
    numbers = f"{ours[worst]} instead of {theirs[worst]} at {worst}"
    reason = f"{wrong.sum()} of {wrong.size} {kind}s differ, {numbers}"
    return _refusal(tier, worst, reason)


def _find_misplaced(
    tier: Literal["S", "N"], ours: np.ndarray, theirs: np.ndarray
) -> Difference | None:
    """A NaN or an infinity where PyTorch has none, or the reverse."""
    classes = (("NaN", np.isnan), ("+inf", np.isposinf), ("-inf", np.isneginf))
    for name, test in classes:
        extra, missing = test(ours) & ~test(theirs), test(theirs) & ~test(ours)
        if extra.any():
            worst = _first(extra)
            where = f"{name} at {extra.sum()} of {extra.size} places where PyTorch has none"
            return _refusal(tier, worst, f"{where}, first at {worst}: PyTorch has {theirs[worst]}")
        if missing.any():
            worst = _first(missing)
            where = f"no {name} at {missing.sum()} of {missing.size} places where PyTorch has one"
            return _refusal(tier, worst, f"{where}, first at {worst}: {ours[worst]}")
    return None


def _adopt_overflows(y_t: np.ndarray, y_k: np.ndarray, y64: np.ndarray) -> np.ndarray:
    """Return `y_k` with the overflows of `y_t` where both have one.

    That holds only where the number itself is too large for their type.
    """
    with np.errstate(invalid="ignore"):
        beyond = np.isfinite(y64) & (np.abs(y64) > np.finfo(y_t.dtype).max)
    return np.where(beyond & ~np.isfinite(y_k) & ~np.isfinite(y_t), y_t, y_k)


def _refusal(tier: Literal["S", "N"], worst: tuple[int, ...] | None, reason: str) -> Difference:
    return Difference(tier, float("inf"), float("inf"), 0.0, 0.0, 0, worst, reason)


def _first(places: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(places)), places.shape))


def _scale(arrays: list[np.ndarray], mask: np.ndarray) -> tuple[list[np.ndarray], int]:
    """Return the values at `mask` as float64, times 2^-exponent, and the exponent.

    The largest is about 1, so that no square overflows.
    """
    values = [array[mask].astype(np.float64) for array in arrays]
    largest = max(_max(value[np.isfinite(value)]) for value in values)
    exponent = int(np.frexp(largest)[1])
    with np.errstate(all="ignore"):
        return [np.ldexp(value, -exponent) for value in values], exponent


def _max(values: np.ndarray) -> float:
    return float(np.max(np.abs(values), initial=0.0))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _judge(
    tier: Literal["S", "N"],
    error: np.ndarray,
    mask: np.ndarray,
    exponent: int,
    bound_max: float,
    bound_rms: float,
    largest: float,
) -> Difference:
    """The outcome from the scaled absolute errors at the places of `mask`."""
    max_abs, rms = _max(error), _rms(error)
    worst = None
    if error.size:
        flat = int(np.flatnonzero(mask.ravel())[int(np.argmax(error))])
        worst = tuple(int(i) for i in np.unravel_index(flat, mask.shape))
    reason = ""
    if max_abs > bound_max:
        reason = f"{_excess('max error', max_abs, bound_max, exponent)} at {worst}"
    elif rms > bound_rms:
        reason = _excess("rms error", rms, bound_rms, exponent)
    unit = iter(np.ldexp([max_abs, rms, bound_max, bound_rms, largest], exponent).tolist())
    return Difference(
        tier,
        max_abs=next(unit),
        rms=next(unit),
        bound_max=next(unit),
        bound_rms=next(unit),
        compared=int(error.size),
        worst=worst,
        reason=reason,
        largest=next(unit),
    )


def _excess(what: str, value: float, bound: float, exponent: int) -> str:
    times = (
        f"is {value / bound:.3g} times the bound"
        if bound > value * 1e-300
        else "is above the bound"
    )
    return f"{what} {np.ldexp(value, exponent):.2g} {times} {np.ldexp(bound, exponent):.2g}"
