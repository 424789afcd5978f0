"""Random networks: a few ops, each drawn with arguments that are legal for the shapes at hand.

After NNSmith (Liu et al., ASPLOS 2023), forward only: where each shape is known, no solver is needed. Weighted towards
what moves axes: views, permutations, slices, joins, reductions, broadcasting. A program is plain data, so that
hypothesis can shrink it and its repr can be run again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from hypothesis import strategies as st
from torch import nn

MOST_NUMBERS = 3000
"""Values larger than this are not made: they only cost time."""

Draw = Callable[[st.SearchStrategy], Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One op on values of the pool; its result joins the pool."""

    op: str
    operands: tuple[int, ...]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Program:
    """The shape of the input, the steps, and which values come out."""

    shape: Shape
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]


class Network(nn.Module):
    """A program as a module; its weights are drawn from N(0, 1), the same for the same program."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.layers = nn.ModuleDict()
        generator = torch.Generator().manual_seed(0)
        for number, step in enumerate(program.steps):
            if step.op in LAYERS:
                layer = LAYERS[step.op](*step.arguments)
                with torch.no_grad():
                    for parameter in layer.parameters():
                        parameter.normal_(generator=generator)
                self.layers[str(number)] = layer

    def forward(self, x):
        pool = [x]
        for number, step in enumerate(self.program.steps):
            operands = [pool[i] for i in step.operands]
            if step.op in LAYERS:
                pool.append(self.layers[str(number)](*operands))
            else:
                pool.append(CALLS[step.op](*operands, *step.arguments))
        return tuple(pool[i] for i in self.program.outputs)


LAYERS: dict[str, Callable[..., nn.Module]] = {
    "conv1d": lambda i, o, k, s, p, d, g: nn.Conv1d(i, o, k, s, p, d, g),
    "conv2d": lambda i, o, k, s, p, d, g: nn.Conv2d(i, o, k, s, p, d, g),
    "conv_transpose1d": lambda i, o, k, s: nn.ConvTranspose1d(i, o, k, s),
    "linear": lambda i, o: nn.Linear(i, o),
    "batch_norm1d": lambda c: nn.BatchNorm1d(c),
    "batch_norm2d": lambda c: nn.BatchNorm2d(c),
    "layer_norm": lambda *shape: nn.LayerNorm(shape),
    "group_norm": lambda g, c: nn.GroupNorm(g, c),
}

CALLS: dict[str, Callable[..., torch.Tensor]] = {
    "permute": lambda x, order: x.permute(order),
    "reshape": lambda x, shape: x.reshape(x.shape[0], *shape) if shape[0] != "n" else x.reshape(-1, *shape[1:]),
    "unsqueeze": lambda x, dim: x.unsqueeze(dim),
    "squeeze": lambda x, dim: x.squeeze(dim),
    "slice": lambda x, dim, start, stop, step: x[(slice(None),) * dim + (slice(start, stop, step),)],
    "select": lambda x, dim, at: x.select(dim, at),
    "flip": lambda x, dim: x.flip(dim),
    "roll": lambda x, by, dim: x.roll(by, dim),
    "cat": lambda x, y, dim: torch.cat([x, y], dim),
    "stack": lambda x, y, dim: torch.stack([x, y], dim),
    "chunks": lambda x, count, dim: torch.cat(x.chunk(count, dim)[::-1], dim),
    "expand": lambda x, dim, size: x.unsqueeze(dim).expand(*x.shape[:dim], size, *x.shape[dim:]),
    "repeat": lambda x, times: x.repeat(times),
    "pad": lambda x, pad, mode: F.pad(x, pad, mode=mode),
    "sum": lambda x, dims, keep: x.sum(dims, keep),
    "mean": lambda x, dims, keep: x.mean(dims, keep),
    "amax": lambda x, dims, keep: x.amax(dims, keep),
    "centre": lambda x, dims: x - x.mean(dims, keepdim=True),
    "softmax": lambda x, dim: x.softmax(dim),
    "cumsum": lambda x, dim: x.cumsum(dim),
    "add": lambda x, y: x + y,
    "multiply": lambda x, y: x * y,
    "where": lambda x, y: torch.where(x > 0, x, y),
    "outer": lambda x: x @ x.mT,
    "einsum": lambda x: torch.einsum("nab,ncb->nca", x, x),
    "relu": torch.relu,
    "tanh": torch.tanh,
    "affine": lambda x: 2 * x - 1,
    "max_pool1d": lambda x, k, s: F.max_pool1d(x, k, s),
    "avg_pool1d": lambda x, k, s: F.avg_pool1d(x, k, s, k // 2),
    "max_pool2d": lambda x, k, s: F.max_pool2d(x, k, s),
    "upsample": lambda x, by: F.interpolate(x, scale_factor=by, mode="nearest"),
    "index_select": lambda x, dim, places: x.index_select(dim, torch.tensor(places)),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
}


def _dim(draw: Draw, shape: Shape, first: int = 0) -> int:
    return draw(st.integers(first, len(shape) - 1))


def _permute(draw: Draw, shape: Shape) -> tuple[Any, ...]:
    return (tuple(draw(st.permutations(range(len(shape))))),)


def _reshape(draw: Draw, shape: Shape) -> tuple[Any, ...] | None:
    """Two neighbours become one, or one is split; dim 0, which may be dynamic, stays or takes a neighbour in."""
    dims = list(shape[1:])
    kind = draw(st.sampled_from(("merge", "split", "first")))
    if kind == "merge" and len(dims) > 1:
        at = draw(st.integers(0, len(dims) - 2))
        return ((*dims[:at], dims[at] * dims[at + 1], *dims[at + 2 :]),)
    if kind == "split" and any(size > 3 for size in dims):
        at = draw(st.sampled_from([i for i, size in enumerate(dims) if size > 3]))
        factors = [k for k in range(2, dims[at]) if dims[at] % k == 0]
        if factors:
            k = draw(st.sampled_from(factors))
            return ((*dims[:at], k, dims[at] // k, *dims[at + 1 :]),)
    if kind == "first" and len(dims) > 1:
        return (("n", *dims[1:]),)
    return None


def _slice(draw: Draw, shape: Shape) -> tuple[Any, ...] | None:
    dim = _dim(draw, shape)
    start = draw(st.integers(0, min(2, shape[dim] - 1)))
    stop = draw(st.sampled_from((None, -1)))
    step = draw(st.integers(1, 2)) if dim else 1
    return (dim, start if dim else 0, stop if dim and shape[dim] - start > 2 else None, step)


def _dims(draw: Draw, shape: Shape) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=2, unique=True)))


def _conv(draw: Draw, shape: Shape, rank: int) -> tuple[Any, ...] | None:
    if len(shape) != rank + 2:
        return None
    groups = draw(st.sampled_from([g for g in range(1, shape[1] + 1) if shape[1] % g == 0]))
    kernel, stride, dilation = (draw(st.integers(1, most)) for most in (4, 2, 2))
    padding = draw(st.integers(0, kernel - 1))
    out = groups * draw(st.integers(1, 3))
    return (shape[1], out, kernel, stride, padding, dilation, groups)


def _pad(draw: Draw, shape: Shape) -> tuple[Any, ...] | None:
    mode = draw(st.sampled_from(("constant", "reflect", "replicate", "circular")))
    if mode != "constant" and len(shape) != 3:
        return None
    most = shape[-1] - 1 if mode == "reflect" else shape[-1]
    return (tuple(draw(st.integers(0, min(2, most))) for _ in range(2)), mode)


def _channels(draw: Draw, shape: Shape, rank: int) -> tuple[Any, ...] | None:
    return (shape[1],) if len(shape) == rank + 2 else None


def _groups(draw: Draw, shape: Shape) -> tuple[Any, ...] | None:
    if len(shape) < 3:
        return None
    return (draw(st.sampled_from([g for g in range(1, shape[1] + 1) if shape[1] % g == 0])), shape[1])


def _pool(draw: Draw, shape: Shape, rank: int) -> tuple[Any, ...] | None:
    return (draw(st.integers(2, 3)), draw(st.integers(1, 3))) if len(shape) == rank + 2 else None


def _places(draw: Draw, shape: Shape) -> tuple[Any, ...] | None:
    if len(shape) < 2:
        return None
    dim = _dim(draw, shape, 1)
    return (dim, draw(st.lists(st.integers(0, shape[dim] - 1), min_size=1, max_size=5)))


def _nothing(_draw: Draw, _shape: Shape) -> tuple[Any, ...]:
    return ()


# op -> its arguments for a value of a shape, None where it does not take that; how often it is drawn
UNARY: dict[str, tuple[Callable[[Draw, Shape], tuple[Any, ...] | None], int]] = {
    "permute": (_permute, 5),
    "reshape": (_reshape, 6),
    "unsqueeze": (lambda draw, s: (draw(st.integers(0, len(s))),) if len(s) < 4 else None, 1),
    "squeeze": (lambda _, s: (s.index(1),) if 1 in s[1:] and s[0] != 1 else None, 1),
    "slice": (_slice, 3),
    "select": (lambda draw, s: (d := _dim(draw, s, 1), draw(st.integers(0, s[d] - 1))) if len(s) > 2 else None, 1),
    "flip": (lambda draw, s: (_dim(draw, s),), 1),
    "roll": (lambda draw, s: (draw(st.integers(-2, 2)), _dim(draw, s)), 1),
    "chunks": (lambda draw, s: (draw(st.integers(2, 3)), _dim(draw, s, 1)) if len(s) > 1 else None, 2),
    "expand": (lambda draw, s: (draw(st.integers(1, len(s))), draw(st.integers(2, 3))) if len(s) < 4 else None, 1),
    "repeat": (lambda draw, s: (tuple(draw(st.integers(1, 2)) for _ in s),), 1),
    "pad": (_pad, 2),
    "sum": (lambda draw, s: (_dims(draw, s), draw(st.booleans())), 2),
    "mean": (lambda draw, s: (_dims(draw, s), draw(st.booleans())), 1),
    "amax": (lambda draw, s: (_dims(draw, s), draw(st.booleans())), 1),
    "centre": (lambda draw, s: (_dims(draw, s),), 3),
    "softmax": (lambda draw, s: (_dim(draw, s),), 2),
    "cumsum": (lambda draw, s: (_dim(draw, s),), 1),
    "outer": (lambda _, s: () if len(s) > 1 else None, 1),
    "einsum": (lambda _, s: () if len(s) == 3 else None, 1),
    "relu": (_nothing, 1),
    "tanh": (_nothing, 1),
    "affine": (_nothing, 1),
    "conv1d": (lambda draw, s: _conv(draw, s, 1), 4),
    "conv2d": (lambda draw, s: _conv(draw, s, 2), 3),
    "conv_transpose1d": (lambda draw, s: (s[1], 3, draw(st.integers(1, 4)), 2) if len(s) == 3 else None, 1),
    "linear": (lambda draw, s: (s[-1], draw(st.sampled_from((3, 4, 5)))) if len(s) > 1 else None, 3),
    "batch_norm1d": (lambda draw, s: _channels(draw, s, 1), 1),
    "batch_norm2d": (lambda draw, s: _channels(draw, s, 2), 1),
    "layer_norm": (lambda draw, s: s[draw(st.integers(1, len(s) - 1)) :] if len(s) > 1 else None, 2),
    "group_norm": (_groups, 1),
    "max_pool1d": (lambda draw, s: _pool(draw, s, 1), 1),
    "avg_pool1d": (lambda draw, s: _pool(draw, s, 1), 1),
    "max_pool2d": (lambda draw, s: _pool(draw, s, 2), 1),
    "upsample": (lambda _, s: (2,) if 2 < len(s) < 6 else None, 1),
    "index_select": (_places, 1),
    "pixel_shuffle": (lambda _, s: () if len(s) == 4 and s[1] % 4 == 0 else None, 1),
}
BINARY = ("cat", "stack", "add", "multiply", "where")
NAMES = [name for name, (_, weight) in UNARY.items() for _ in range(weight)] + [n for n in BINARY for _ in range(3)]


def _step(draw: Draw, pool: list[torch.Tensor]) -> Step | None:
    """A step that is legal for values of the pool, or None where the draw fits none."""
    name, first = draw(st.sampled_from(NAMES)), draw(st.integers(0, len(pool) - 1))
    shape = tuple(pool[first].shape)
    if name in UNARY:
        arguments = UNARY[name][0](draw, shape)
        return None if arguments is None else Step(name, (first,), tuple(arguments))
    second = draw(st.integers(0, len(pool) - 1))
    other = tuple(pool[second].shape)
    if name in ("cat", "stack"):
        dims = [d for d in range(len(shape)) if name == "stack" or d] if other == shape else []
        return Step(name, (first, second), (draw(st.sampled_from(dims)),)) if dims else None
    try:
        torch.broadcast_shapes(shape, other)
    except RuntimeError:
        return None
    return Step(name, (first, second), ())


@st.composite
def programs(draw: Draw, least: int = 3, most: int = 15) -> Program:
    """Programs of `least` to `most` steps that PyTorch runs; the first dim of the input is a batch of 2."""
    shape = (2, *draw(st.sampled_from(((3, 11), (6, 10), (12,), (3, 5, 7), (4, 6, 6), (8, 9)))))
    pool = [torch.zeros(shape)]
    steps: list[Step] = []
    wanted = draw(st.integers(least, most))
    for _ in range(4 * wanted):
        step = _step(draw, pool)
        made = None if step is None else _made(Program(shape, (*steps, step), (len(pool),)))
        if step is None or made is None:
            continue
        steps.append(step)
        pool.append(made)
        if len(steps) == wanted:
            break
    read = {i for step in steps for i in step.operands}
    ends = tuple(i for i in range(1, len(pool)) if i not in read)
    return Program(shape, tuple(steps), ends or (0,))


def _made(program: Program) -> torch.Tensor | None:
    """The last value of a program; None where PyTorch refuses it, or it is empty or large."""
    try:
        with torch.no_grad():
            (value,) = Network(program).eval()(torch.zeros(program.shape))
    except (RuntimeError, ValueError, IndexError):
        return None
    return value if 0 < math.prod(value.shape) <= MOST_NUMBERS and value.ndim <= 5 else None
