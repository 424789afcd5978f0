"""Inputs that tell a right model from a wrong one.

Normal numbers alone do not: relu6 passes for relu, and a softplus that overflows passes for one
that does not. Every value is exact in float32 and in the example's type, so that all runs see the
same number. Integers and bools may be indices or masks, whose legal range nobody knows: they stay
among the values of the example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from torch2keras.errors import InputError

DEFAULT_PROBES = ("normal", "wide")
"""What each conversion is verified with."""


WIDE_LIMIT = 120.0
"""exp(120) overflows float32, which is what the wide values are for.

Float16 networks overflow by them too.
"""


HUGE_LIMIT = 30000.0
"""What is left of 120 behind a layer with small weights overflows nothing any more.

What is left of this does.
"""


WIDE_SHARE = 0.02


@dataclass(frozen=True)
class Probe:
    """One set of inputs: tensors of the example's shapes and dtypes, contiguous, on the CPU."""

    name: str
    tensors: tuple[torch.Tensor, ...]


def probes(
    example: Sequence[np.ndarray | torch.Tensor], seed: int = 0, names: Sequence[str] | None = None
) -> Iterator[Probe]:
    """Yield input sets of the example's shapes and dtypes, by `names` (all of them when None).

    They are the same for the same seed.

    "normal"    N(0, 1); integers as in the example
    "wide"      the same, but 2 % of the values (at least two) are within [-120, 120], both limits
                among them
    "huge"      as "wide", within [-30000, 30000]
    "edges"     zeros of both signs, ones, halves and tiny numbers; the last quarter of the
                last dim is all zero
    "impulse"   zeros, with a single one in each entry of the first dim
    "extremes"  N(0, 1); integers and bools at the limits of the example; left out when
                there are none of these
    "example"   the example itself

    In "wide", "huge", "edges" and "impulse", integers and bools are drawn anew from the values in
    the example; a row of them that never rises there, as lengths of packed sequences, never does.
    Raises `InputError` for an unknown name, and for a tensor whose type has no probe
    (quantised). Of complex tensors both parts are filled so.
    """
    tensors = [_tensor(given, position) for position, given in enumerate(example)]
    for name in PROBES if names is None else names:
        if name not in PROBES:
            raise InputError(
                f"no probe is called {name!r}", [("next", f"use one of {', '.join(PROBES)}")]
            )
        if name == "extremes" and not any(_is_integral(tensor) for tensor in tensors):
            continue
        floating, integral = PROBES[name]
        # A generator for each probe and input, so that the values of one do not hang on which
        # others were asked for.
        made = tuple(
            _fill(tensor, floating, integral, _generator(seed, name, position))
            for position, tensor in enumerate(tensors)
        )
        yield Probe(name, made)


def resize_tensors(
    example: Sequence[np.ndarray | torch.Tensor], sizes: Sequence[Mapping[int, int]], seed: int = 0
) -> tuple[torch.Tensor, ...]:
    """Return tensors like the example's, in which dim d of input i has the size `sizes[i][d]`.

    d may be negative. The tensors keep within the example's values and, along other dims, its
    order: along a dim that grows, further entries lie between two of the example, or are one of
    them where the type is integer or bool, or one is not finite. What is sorted along a dim stays
    so, integers in a row also where they fall. Where there is but one, the values are drawn anew
    from all of it (N(0, 1) and 0 where the example is empty). Raises `InputError` when `sizes` does
    not fit the example.
    """
    tensors = [_tensor(given, position) for position, given in enumerate(example)]
    if len(sizes) != len(tensors):
        raise InputError(f"sizes for {len(sizes)} inputs, but the example has {len(tensors)}")
    made = []
    for position, (tensor, changes) in enumerate(zip(tensors, sizes, strict=True)):
        shape = list(tensor.shape)
        for dim, size in changes.items():
            if not -len(shape) <= dim < len(shape) or size < 0:
                asked = f"{tuple(tensor.shape)}, asked for dim {dim} = {size}"
                rows = [("where", f"input {position}"), ("shapes", asked)]
                raise InputError(f"input {position} cannot have {size} in dim {dim}", rows)
            shape[dim] = size
        made.append(_grow(tensor, _generator(seed, "resized", position), shape))
    return tuple(made)


def _tensor(given: np.ndarray | torch.Tensor, position: int) -> torch.Tensor:
    if isinstance(given, np.ndarray):
        given = torch.from_numpy(given.copy())
    if not isinstance(given, torch.Tensor):
        rows = [
            ("where", f"input {position}"),
            ("next", "give tensors or arrays; bind other arguments beforehand"),
        ]
        raise InputError(f"input {position} is a {type(given).__name__}, not a tensor", rows)
    if given.is_quantized:
        rows = [("where", f"input {position}"), ("shapes", f"{given.dtype} {tuple(given.shape)}")]
        raise InputError(f"input {position} is {given.dtype}, for which there is no probe", rows)
    return given.detach().cpu().contiguous()


def _is_integral(tensor: torch.Tensor) -> bool:
    return not tensor.is_floating_point() and not tensor.is_complex()


def _fill(
    tensor: torch.Tensor, floating: _Fill, integral: _Fill, rng: np.random.Generator
) -> torch.Tensor:
    if tensor.is_complex():
        return torch.view_as_complex(
            floating(torch.view_as_real(tensor.resolve_conj()).contiguous(), rng)
        )
    return (integral if _is_integral(tensor) else floating)(tensor, rng)


def _generator(seed: int, name: str, position: int) -> np.random.Generator:
    return np.random.default_rng([seed, *name.encode(), position])


def _cast(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """`values` rounded to float32, then to the type of `like`: exact in both."""
    rounded = torch.from_numpy(np.asarray(values, dtype=np.float32)).to(like.dtype)
    return rounded.reshape(like.shape)


def _normal(like: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    return _cast(rng.standard_normal(like.shape), like)


def _wide(like: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    return _outliers(like, rng, WIDE_LIMIT)


def _huge(like: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    return _outliers(like, rng, HUGE_LIMIT)


def _outliers(like: torch.Tensor, rng: np.random.Generator, limit: float) -> torch.Tensor:
    values = rng.standard_normal(like.numel())
    count = min(values.size, max(2, round(WIDE_SHARE * values.size)))
    places = rng.choice(values.size, count, replace=False)
    values[places] = rng.uniform(-limit, limit, count)
    values[places[:2]] = (limit, -limit)[: places[:2].size]
    return _cast(values, like)


def _edges(like: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    # 2^-60 squares to a normal float32: smaller numbers are flushed to zero by some machines and
    # not by others.
    tiny = 2.0**-14 if like.dtype == torch.float16 else 2.0**-60
    choices = np.array([0.0, -0.0, 0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, tiny, -tiny])
    values = rng.choice(choices, tuple(like.shape))
    if like.ndim and like.shape[-1] >= 4:
        values[..., -(like.shape[-1] // 4) :] = 0.0
    return _cast(values, like)


def _impulse(like: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    values = np.zeros(tuple(like.shape), dtype=np.float32)
    rows = (
        values.reshape(values.shape[0], -1)
        if values.ndim > 1 and values.size
        else values.reshape(1, -1)
    )
    if values.size:
        rows[np.arange(len(rows)), rng.integers(rows.shape[1], size=len(rows))] = 1.0
    return _cast(values, like)


def _same(like: torch.Tensor, _rng: np.random.Generator) -> torch.Tensor:
    return like.clone()


def _draw_member(like: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Values of `like`, drawn anew."""
    if not like.numel():
        return like
    drawn = like.flatten()[torch.from_numpy(rng.integers(like.numel(), size=tuple(like.shape)))]
    return drawn.sort(descending=True).values if _descends(like) else drawn


def _grow(like: torch.Tensor, rng: np.random.Generator, shape: Sequence[int]) -> torch.Tensor:
    """`like` in another shape of the same rank."""
    if like.numel() == 0:
        blank = torch.zeros(tuple(shape), dtype=like.dtype)
        return _normal(blank, rng) if like.is_floating_point() else blank
    if any(have == 1 < want for have, want in zip(like.shape, shape, strict=True)):
        return _between(like.flatten(), rng, tuple(shape))
    for dim, size in enumerate(shape):
        if size == like.shape[dim]:
            continue
        further = max(size - like.shape[dim], 0)
        more = _between(like.movedim(dim, 0), rng, (further,)).movedim(0, dim)
        grown = torch.cat([like.narrow(dim, 0, size - further), more], dim)
        if _ascends(like, dim):
            grown = grown.sort(dim).values
        elif _descends(like):
            grown = grown.sort(descending=True).values
        like = grown
    return like


def _descends(like: torch.Tensor) -> bool:
    """Whether these are integers in a row that never rises, as sorted lengths are."""
    return _is_integral(like) and like.ndim == 1 and _ascends(like.flip(0), 0)


def _ascends(like: torch.Tensor, dim: int) -> bool:
    """Whether the entries are sorted along a dim, as offsets and boundaries have to be."""
    if like.is_complex() or like.shape[dim] < 2:
        return False
    return bool(
        (like.narrow(dim, 1, like.shape[dim] - 1) >= like.narrow(dim, 0, like.shape[dim] - 1)).all()
    )


def _between(
    entries: torch.Tensor, rng: np.random.Generator, shape: tuple[int, ...]
) -> torch.Tensor:
    """Entries drawn anew, each somewhere between two of the given ones.

    Integers and bools are one of them.
    """
    places = rng.integers(len(entries), size=shape)
    first = entries[torch.from_numpy(places)]
    if not entries.is_floating_point() or len(entries) == 1:
        return first
    second = entries[
        torch.from_numpy((places + rng.integers(1, len(entries), size=shape)) % len(entries))
    ]
    share = torch.from_numpy(rng.uniform(size=shape)).reshape(*shape, *(1,) * (entries.ndim - 1))
    mixed = torch.lerp(first.double(), second.double(), share)
    return _cast(torch.where(mixed.isfinite(), mixed, first.double()).numpy(), first)


def _limits(like: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    if like.numel() == 0:
        return like.clone()
    values = like.flatten().tolist()
    return torch.tensor([min(values), max(values)], dtype=like.dtype)[
        torch.from_numpy(rng.integers(2, size=tuple(like.shape)))
    ].reshape(like.shape)


_Fill = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]


# name: how a floating input is filled, how an integer or bool one is
PROBES: dict[str, tuple[_Fill, _Fill]] = {
    "normal": (_normal, _same),
    "wide": (_wide, _draw_member),
    "huge": (_huge, _draw_member),
    "edges": (_edges, _draw_member),
    "impulse": (_impulse, _draw_member),
    "extremes": (_normal, _limits),
    "example": (_same, _same),
}
