"""How well a result can be known.

The module runs in float64, its kernels rounding at random as those of a narrower type do.

Monte Carlo arithmetic (D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002, 1997). PyTorch's own
error is one draw of what rounding does, and may be nothing by luck: all terms of a sum cancel, or
the rows of a layer norm are constant. Other orders of the same operations round otherwise. How far
random rounding moves the result is what any right implementation of these operations may be off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch._C import DisableTorchFunction
from torch._decomp import get_decompositions
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from torch2keras.op_facts import draws_random_numbers
from torch2keras.verification import metric
from torch2keras.verification.float64_torch import Shadowing
from torch2keras.verification.metric import EPS, Difference
from torch2keras.verification.reference import run64

_aten = torch.ops.aten


def _matrix_exp(a: torch.Tensor) -> torch.Tensor:
    """Return exp(a) by scaling and squaring, where rounding grows with each square.

    Higham, Functions of Matrices, section 10.3.
    """
    size = torch.nan_to_num(a.abs().sum(-2, keepdim=True).amax(-1, keepdim=True), 0.0, 0.0)
    times = size.log2().ceil().clamp(min=0)
    small, unit = a / times.exp2(), torch.eye(a.shape[-1], dtype=a.dtype)
    y = unit
    for power in range(18, 0, -1):  # as in PyTorch, the Taylor polynomial of the degree 18
        y = unit + small @ y / power
    for step in range(int(times.max()) if times.numel() else 0):
        y = torch.where(step < times, y @ y, y)
    return y


_FUSED = {
    **get_decompositions(
        [_aten.native_layer_norm, _aten.native_group_norm, _aten.native_batch_norm]
    ),
    **get_decompositions([_aten.gelu]),  # 1 + erf(x), where erf(x) is almost -1
    **get_decompositions([_aten._log_softmax, _aten.logsumexp]),  # noqa: SLF001 - ATen's name
    _aten.linalg_matrix_exp.default: _matrix_exp,
}
"""Kernels with an intermediate result that may be far larger than what they give.

They round step by step.
"""


_NEVER_EXACT = (_aten.mean, _aten.var_mean, _aten.erf, _aten.tanh)
"""A mean of equal numbers is one of them, but a quotient all the same.

Erf and tanh are 1 only as a limit.
"""


TINY = {EPS["float64"]: 2.0**-1022, EPS["float16"]: 2.0**-14}
"""The smallest normal numbers of types of another range than float32.

Some machines flush smaller ones to zero.
"""


FLUSHES = (1, 4)
"""Multiples of the smallest normal number below which kernels may give zero.

oneDNN's exp does so below twice of it.
"""


ROUNDINGS = 4
"""Random roundings that are tried before a difference counts as an error.

The largest of them is the scale.
"""


CHOICES = 16
"""Random roundings that are tried for the place of an extreme.

Where two numbers round to one, each rounding picks the same of them with probability 1/2.
"""


BLOCKS = 4
"""Parts of a sum of products after which the sum so far is looked at."""


_PRODUCTS = {_aten.mm: 1, _aten.addmm: 2, _aten.bmm: 1, _aten.baddbmm: 2, _aten.convolution: 1}
"""Kernels that sum products, and where their second factor stands: theirs are the long sums."""


_LARGEST_MOVED = 2
"""Whole numbers up to this one count as moved, not computed."""


_MOVES_IN_PLACE = (_aten.copy_.default,)


A_FEW = 8
"""About how many numbers tell that a kernel computes: they are none of its operands' then."""


class Rounding(Shadowing):  # type: ignore[no-untyped-call]
    """Float64 arithmetic in which each kernel rounds to a relative precision of `eps`.

    It rounds another way for each seed. A pointwise kernel rounds its result. Others are sums of
    products, of which each term is rounded (Higham, Accuracy and Stability of Numerical Algorithms,
    section 3.1), and each sum so far, as in a kernel that adds one term after the other (section
    4.2). A kernel that only moves numbers rounds nothing. What is smaller than `flush` becomes
    zero.
    """

    def __init__(self, eps: float, seed: int, *, flush: float = 0.0) -> None:
        super().__init__()
        self.eps = eps
        self.flush = flush
        self.generator = torch.Generator().manual_seed(seed)

    def round(self, value: Any) -> Any:
        """A floating tensor with a relative error of at most `eps` in each number.

        Anything else as it is.
        """
        if not isinstance(value, torch.Tensor) or not (
            value.is_floating_point() or value.is_complex()
        ):
            return value
        with DisableTorchFunction(), _disable_current_modes():
            kept = value * (value.abs() >= self.flush)
            return kept * (1 + self.eps * self._noise(value))

    def _noise(self, like: torch.Tensor) -> torch.Tensor:
        return 2 * torch.rand(like.shape, generator=self.generator, dtype=torch.float64) - 1

    def _call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func in _FUSED:
            with self:
                return _FUSED[func](*args, **kwargs)
        result = super()._call(func, args, kwargs)
        if isinstance(func, torch._ops.HigherOrderOperator) or draws_random_numbers(func):
            return result
        pointwise = torch.Tag.pointwise in func.tags
        if func._schema.is_mutable:
            if pointwise and func not in _MOVES_IN_PLACE:
                self._round_in_place(result)
            return result
        if any(returned.alias_info for returned in func._schema.returns):
            return result
        if func.overloadpacket not in _NEVER_EXACT:
            moves = self._picks if pointwise else self._moves
            if moves((args, kwargs), result):
                return result
        if not pointwise:
            args, kwargs = tree_map(lambda value: self.round(self.widen(value)), (args, kwargs))
            result = super()._call(func, args, kwargs)
        if func.overloadpacket in _PRODUCTS:
            result = self._add_in_order(func, args, kwargs, result)
        return tree_map(self.round, result)

    def _add_in_order(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: torch.Tensor
    ) -> torch.Tensor:
        """Return sums of products with what one long sum after the other loses.

        A part of n terms rounds its sum n times, by sqrt(n) roundings in the mean.
        """
        place = _PRODUCTS[func.overloadpacket]
        factor = args[place]
        turns = _number_terms(func, args, factor)
        length = turns.numel()
        sums = []
        for part in range(1, BLOCKS):
            with _disable_current_modes():
                begun = torch.where(turns * BLOCKS < part * length, factor, 0.0)
            sums.append(super()._call(func, (*args[:place], begun, *args[place + 1 :]), kwargs))
        scale = self.eps * (length / BLOCKS) ** 0.5
        with _disable_current_modes():
            for so_far in (*sums, result):
                result = result + so_far * (scale * self._noise(so_far))
        return result

    def _round_in_place(self, result: Any) -> None:
        with _disable_current_modes():
            for leaf in tree_leaves(result):
                if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
                    leaf.mul_(1 + self.eps * self._noise(leaf))

    def _picks(self, operands: Any, result: Any) -> bool:
        """Whether each number of a pointwise result is an operand's at its place, or a small one.

        Small ones are whole: a ReLU brings in zeros.
        """
        with _disable_current_modes():
            known = [leaf for leaf in map(self.widen, tree_leaves(operands)) if _is_floating(leaf)]
            for leaf in tree_leaves(result):
                if not _is_floating(leaf):
                    continue
                picked = (leaf.abs() <= _LARGEST_MOVED) & (leaf == leaf.round())
                for operand in known:
                    picked |= leaf == operand
                if not bool(picked.all()):
                    return False
            return True

    def _moves(self, operands: Any, result: Any) -> bool:
        """Whether each number of the result is one of the operands', or a small whole number.

        A padding brings in zeros.
        """
        with _disable_current_modes():
            known = [
                leaf.flatten()
                for leaf in map(self.widen, tree_leaves(operands))
                if _is_floating(leaf)
            ]
            whole = torch.arange(-_LARGEST_MOVED, _LARGEST_MOVED + 1, dtype=torch.float64)
            known.append(whole)
            found = [leaf for leaf in tree_leaves(result) if _is_floating(leaf)]
            if not all(has_some_of(known, leaf) for leaf in found):
                return False
            return all(bool(torch.isin(leaf, torch.cat(known)).all()) for leaf in found)

    def at_once(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A recurrent layer rounds its inputs, weights and results."""
        args, kwargs = tree_map(self.round, (args, kwargs))
        return tree_map(self.round, super().at_once(func, args, kwargs))


def _number_terms(func: Any, args: tuple[Any, ...], factor: torch.Tensor) -> torch.Tensor:
    """Return when each number of a second factor has its turn in the sum, along its sizes."""
    if func.overloadpacket is _aten.convolution:
        transposed = args[6]
        summed = [int(size) for size in factor.shape]
        summed[1 if transposed else 0] = 1
    else:
        summed = [1] * factor.ndim
        summed[-2] = factor.shape[-2]
    with _disable_current_modes():
        return torch.arange(math.prod(summed)).view(summed)


def has_some_of(known: Sequence[torch.Tensor], leaf: torch.Tensor) -> bool:
    """Return whether a few numbers of a tensor are all known.

    Most kernels fail this, and need no sorting of all their numbers then.
    """
    values = leaf.flatten()
    values = values[:: max(1, values.numel() // A_FEW)]
    return all(_is_known(value, known) for value in values)


def _is_known(value: torch.Tensor, known: Sequence[torch.Tensor]) -> bool:
    return any(bool((one == value).any()) for one in known)


def _is_floating(leaf: object) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float64


@dataclass
class RandomRuns:
    """A module on one set of inputs, run with random rounding: what each run gives, all outputs."""

    module: nn.Module
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    _drawn: dict[float, list[list[np.ndarray]]] = field(default_factory=dict)
    _flushed: dict[float, list[np.ndarray]] = field(default_factory=dict)

    def draws(self, eps: float, times: int = ROUNDINGS) -> Iterator[list[np.ndarray]]:
        """Yield the outputs in float64 several times, with other random roundings by `eps`.

        The inputs and what the kernels compute are rounded.
        """
        drawn = self._drawn.setdefault(eps, [])
        for seed in range(times):
            if len(drawn) == seed:
                drawn.append(self._run(Rounding(eps, seed)))
            yield drawn[seed]

    def flush(self, smallest: float) -> list[np.ndarray]:
        """Return the outputs in float64 where numbers below `smallest` become zero."""
        if smallest not in self._flushed:
            self._flushed[smallest] = self._run(Rounding(0.0, 0, flush=smallest))
        return self._flushed[smallest]

    def _run(self, shadowing: Rounding) -> list[np.ndarray]:
        args, kwargs = tree_map(
            lambda x: shadowing.round(shadowing.widen(x)), (self.args, dict(self.kwargs))
        )
        return run64(self.module, args, kwargs, shadowing=shadowing)


@dataclass(frozen=True)
class Rounded:
    """One output of a module on one set of inputs, as random rounding moves it."""

    runs: RandomRuns
    number: int
    """Which output."""
    exact: np.ndarray
    """The output in float64."""

    def draws(self, eps: float, times: int = ROUNDINGS) -> Iterator[np.ndarray]:
        """Yield the output in float64 several times, with other random roundings by `eps`."""
        for outputs in self.runs.draws(eps, times):
            yield outputs[self.number]

    def meaning(self, found: Difference, k64: np.ndarray, eps: float) -> Difference:
        """Return `found` of tier S, or the difference that stays when PyTorch rounds at random.

        Places that rounding in float64 alone moves by more than the tolerance, or gives another
        integer, bool, NaN or infinity, have no number that could be compared.
        """
        draws = self.draws(eps)
        while _off(found) and (noisy := next(draws, None)) is not None:
            found = metric.meaning(k64, self.exact, y_t=noisy)
        if not found.ok and k64.shape == self.exact.shape:
            unknown = self._find_unknown(k64, EPS["float64"], metric.MEANING_RTOL)
            if unknown.any():
                known = metric.meaning(np.where(unknown, self.exact, k64), self.exact)
                found = _leave_out(known, unknown)
        return found

    def numerics(self, y_k: np.ndarray, y_t: np.ndarray, eps: float) -> Difference:
        """Return the difference of tier N by the scale of random rounding.

        Integers, bools, NaN and infinities are left out at the places that rounding moves.
        A place may also have what comes of numbers smaller than normal ones being flushed to zero.
        """
        found = self._near(y_k, y_t, eps)
        if found.ok or y_k.shape != self.exact.shape:
            return found
        unknown = self._find_unknown(y_k, eps, np.inf) | self._find_flushed(
            y_k, y_t, eps, found.bound_max
        )
        if not unknown.any():
            return found
        known = self._near(np.where(unknown, y_t, y_k), y_t, eps)
        return _leave_out(known, unknown)

    def _near(self, y_k: np.ndarray, y_t: np.ndarray, eps: float) -> Difference:
        """Tier N by PyTorch's own error, or that of a random rounding."""
        found = metric.numerics(y_k, y_t, self.exact, eps)
        draws = self.draws(eps)
        while _off(found) and (noisy := next(draws, None)) is not None:
            other = metric.numerics(y_k, noisy, self.exact, eps)
            found = max(found, other, key=lambda near: (near.ok, near.bound_max))
        return found

    def _find_flushed(
        self, y_k: np.ndarray, y_t: np.ndarray, eps: float, bound: float
    ) -> np.ndarray:
        """Find the places where `y_k` is the other number that a flushing machine gives."""
        places, finite = np.zeros(y_k.shape, bool), np.isfinite(y_t) & np.isfinite(self.exact)
        for times in FLUSHES:
            flushed = self.runs.flush(times * TINY.get(eps, 2.0**-126))[self.number]
            with np.errstate(invalid="ignore"):
                alike = (
                    y_k == flushed if y_k.dtype.kind in "biu" else np.abs(y_k - flushed) <= bound
                )
            places |= alike & finite & np.isfinite(flushed) & (flushed != self.exact)
        return places

    def _find_unknown(self, found: np.ndarray, eps: float, rtol: float) -> np.ndarray:
        """The places that hang on how kernels round.

        Of integers and bools, those where `found` is another one.
        """
        finite = np.isfinite(self.exact)
        numbers, other = self.exact.dtype.kind in "fc", ~_alike(found, self.exact)
        with np.errstate(invalid="ignore"):
            bound = rtol * np.max(np.abs(self.exact), where=finite, initial=0.0)
        moved = np.zeros(self.exact.shape, bool)
        for noisy in self.draws(eps, ROUNDINGS if numbers else CHOICES):
            here = ~_alike(noisy, self.exact)
            if numbers:
                with np.errstate(invalid="ignore"):
                    here &= ~(finite & np.isfinite(noisy)) | (np.abs(noisy - self.exact) > bound)
            moved |= here
            if not numbers and not (other & ~moved).any():
                break
        return moved


def _leave_out(known: Difference, unknown: np.ndarray) -> Difference:
    """Return a difference at the places that are known, with the number of the others."""
    count = int(unknown.sum())
    return replace(known, compared=max(known.compared - count, 0), left_out=count)


def _off(found: Difference) -> bool:
    """Whether numbers differ.

    0 are compared where a NaN or an infinity stands elsewhere, which is no rounding.
    """
    return not found.ok and found.compared > 0


def _alike(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where both are the same, NaN too."""
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))
