"""PyTorch's random operations as formulas of numbers that are drawn from plain distributions.

Each formula draws as PyTorch's CPU kernel does, in the same order: with one seed both give the same
numbers, to rounding. What a formula is not known of (Poisson, gamma, several draws with
replacement) stays what it is, and is refused as an op.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

Sizes = Sequence[Any]
"""Numbers, or symbols of torch.export."""


@dataclass(frozen=True)
class Distribution:
    """What numbers are drawn from."""

    name: str
    """As the report says it."""
    draw: Callable[[Sizes, torch.dtype], Tensor]
    """Gives a tensor of these sizes from PyTorch's generator."""


class Draw(Protocol):
    """Gives a tensor of numbers from a distribution."""

    def __call__(
        self, distribution: Distribution, sizes: Sizes, dtype: torch.dtype, /
    ) -> Tensor: ...


NORMAL = Distribution(
    "standard normal", lambda sizes, dtype: torch.randn(tuple(sizes), dtype=dtype)
)

UNIFORM = Distribution(
    "uniform in [0, 1)", lambda sizes, dtype: torch.rand(tuple(sizes), dtype=dtype)
)

EXPONENTIAL = Distribution(
    "exponential of rate 1",
    lambda sizes, dtype: torch.empty(tuple(sizes), dtype=dtype).exponential_(),
)

PERMUTATION = Distribution(
    "a permutation of 0, 1, 2 ...", lambda sizes, dtype: torch.randperm(sizes[0], dtype=dtype)
)


def make_mask_distribution(probability: float) -> Distribution:
    """Return that of ones with a probability, and zeros."""
    return Distribution(
        f"1 with probability {probability:g}, else 0",
        lambda sizes, dtype: torch.empty(tuple(sizes), dtype=dtype).bernoulli_(probability),
    )


def make_integer_distribution(low: int, high: int) -> Distribution:
    """Return that of the integers from `low` to below `high`."""
    return Distribution(
        f"integers in [{low}, {high})",
        lambda sizes, dtype: torch.randint(low, high, tuple(sizes), dtype=dtype),
    )


def _read_sizes(sizes: Sequence[Any], named: Mapping[str, Any]) -> Sizes:
    """Return sizes that are given one by one, as one sequence, or by name."""
    given = sizes or (named["size"],)
    if len(given) == 1 and isinstance(given[0], Sequence):
        return tuple(given[0])
    return tuple(given)


def _float_type(named: Mapping[str, Any]) -> torch.dtype:
    return named.get("dtype") or torch.get_default_dtype()


# ---- one function for each operation: the way to draw, then PyTorch's own arguments


def randn(draw: Draw, *sizes: Any, **named: Any) -> Tensor:
    """Return what `torch.randn` gives."""
    return draw(NORMAL, _read_sizes(sizes, named), _float_type(named))


def rand(draw: Draw, *sizes: Any, **named: Any) -> Tensor:
    """Return what `torch.rand` gives."""
    return draw(UNIFORM, _read_sizes(sizes, named), _float_type(named))


def randn_like(draw: Draw, tensor: Tensor, **named: Any) -> Tensor:
    """Return what `torch.randn_like` gives."""
    return draw(NORMAL, tensor.shape, named.get("dtype") or tensor.dtype)


def rand_like(draw: Draw, tensor: Tensor, **named: Any) -> Tensor:
    """Return what `torch.rand_like` gives."""
    return draw(UNIFORM, tensor.shape, named.get("dtype") or tensor.dtype)


def randint(draw: Draw, *bounds: Any, **named: Any) -> Tensor:
    """Return what `torch.randint` gives for (high, size) or (low, high, size)."""
    given = list(bounds)
    sizes = named["size"] if "size" in named else given.pop()
    high = named.get("high", given[-1] if given else None)
    low = named.get("low", given[0] if len(given) == 2 else 0)
    return draw(_find_integers(low, high), tuple(sizes), named.get("dtype") or torch.int64)


def randint_like(
    draw: Draw, tensor: Tensor, low: int, high: int | None = None, **named: Any
) -> Tensor:
    """Return what `torch.randint_like` gives."""
    bounds = (0, low) if high is None else (low, high)
    drawn = draw(_find_integers(*bounds), tensor.shape, torch.int64)
    return drawn.to(named.get("dtype") or tensor.dtype)


def _find_integers(low: Any, high: Any) -> Distribution:
    # A bound that is a dynamic size becomes a number: the size is fixed.
    return make_integer_distribution(int(low), int(high))


def randperm(draw: Draw, count: int, **named: Any) -> Tensor:
    """Return what `torch.randperm` gives."""
    return draw(PERMUTATION, (count,), named.get("dtype") or torch.int64)


def normal(draw: Draw, mean: Any, std: Any = 1.0, size: Any = None, **named: Any) -> Tensor:
    """Return what `torch.normal` gives of tensors or numbers."""
    like = next((given for given in (mean, std) if isinstance(given, Tensor)), None)
    if like is None:
        drawn = draw(NORMAL, tuple(size), _float_type(named))
    else:
        drawn = draw(NORMAL, like.shape, like.dtype)
    return torch.mul(drawn, std).add(mean)


def normal_(draw: Draw, tensor: Tensor, mean: float = 0.0, std: float = 1.0, **_: Any) -> Tensor:
    """Return what `Tensor.normal_` gives."""
    return tensor.copy_(draw(NORMAL, tensor.shape, tensor.dtype) * std + mean)


def uniform_(
    draw: Draw, tensor: Tensor, low: float = 0.0, high: float = 1.0, **named: Any
) -> Tensor:
    """Return what `Tensor.uniform_` gives, whose bounds are called `from` and `to`."""
    low, high = named.get("from", low), named.get("to", high)
    return tensor.copy_(draw(UNIFORM, tensor.shape, tensor.dtype) * (high - low) + low)


def exponential_(draw: Draw, tensor: Tensor, lambd: float = 1.0, **_: Any) -> Tensor:
    """Return what `Tensor.exponential_` gives."""
    return tensor.copy_(draw(EXPONENTIAL, tensor.shape, tensor.dtype) / lambd)


def bernoulli(draw: Draw, tensor: Tensor, p: float | None = None, **_: Any) -> Tensor:
    """Return what `torch.bernoulli` gives, by the tensor's own probabilities or by one number."""
    if p is not None:
        return draw(make_mask_distribution(p), tensor.shape, tensor.dtype)
    return (draw(UNIFORM, tensor.shape, tensor.dtype) < tensor).to(tensor.dtype)


def bernoulli_(draw: Draw, tensor: Tensor, p: Any = 0.5, **_: Any) -> Tensor | None:
    """Return what `Tensor.bernoulli_` gives of one number."""
    if isinstance(p, Tensor):
        return None
    return tensor.copy_(draw(make_mask_distribution(p), tensor.shape, tensor.dtype))


def multinomial(
    draw: Draw, weights: Tensor, num_samples: int, *replacement: Any, **named: Any
) -> Tensor | None:
    """Return what `torch.multinomial` gives: the largest weights over exponential numbers.

    None for several draws with replacement.
    """
    is_replaced = named.get("replacement", any(replacement[:1]))
    if is_replaced and num_samples != 1:
        return None
    keys = weights / draw(EXPONENTIAL, weights.shape, weights.dtype)
    if num_samples == 1:
        return keys.argmax(-1, keepdim=True)
    return keys.topk(num_samples, -1).indices


def dropout(draw: Draw, x: Tensor, p: float, train: Any) -> Tensor | None:
    """Return what `torch.dropout` gives where it drops something."""
    return _drop(draw, x, p, x.shape, active=train)


def feature_dropout(draw: Draw, x: Tensor, p: float, train: Any) -> Tensor | None:
    """Return what `torch.feature_dropout` gives, which drops whole channels."""
    return _drop(draw, x, p, (*x.shape[:2], *(1 for _ in x.shape[2:])), active=train)


def _drop(draw: Draw, x: Tensor, p: float, sizes: Sizes, *, active: bool) -> Tensor | None:
    if not active or p in (0.0, 1.0):
        return None
    kept = draw(make_mask_distribution(1.0 - p), sizes, x.dtype)
    return x * (kept / (1.0 - p))


FORMULAS: Mapping[str, Callable[..., Tensor | None]] = {
    formula.__name__: formula
    for formula in (
        randn, rand, randn_like, rand_like, randint, randint_like, randperm, normal, normal_,
        uniform_, exponential_, bernoulli, bernoulli_, multinomial, dropout, feature_dropout,
    )
}  # fmt: skip
"""The formula of each operation, by PyTorch's name. None is what it gives for what it cannot do."""
