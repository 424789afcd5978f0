"""The ops that random networks are made of, each with how its arguments are drawn.

An argument that PyTorch refuses costs one try and nothing else, so drawing is liberal: what matters
is that legal arguments are likely and that all of them are reachable. Sizes that differ per
dimension are left to the networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from random_layers import (
    Recurrent,
    Scale,
    SelfAttention,
    Shift,
    Token,
    attention,
    attention_in_orders,
    masked_attention,
    strided_add,
    written,
)

Shape = tuple[int, ...]


class IllegalError(Exception):
    """The op does not take a value of this shape."""


@dataclass(frozen=True)
class Op:
    """How often an op is drawn, what it computes, and its arguments for a shape."""

    weight: int
    call: Callable[..., Any]
    arguments: Callable[[Random, Shape], Sequence[Any]] = lambda _rng, _shape: ()
    operands: int = 1


def need(condition: object) -> None:
    """Raises `IllegalError` where the condition does not hold."""
    if not condition:
        raise IllegalError


def of_rank(*ranks: int) -> Callable[[Random, Shape], Sequence[Any]]:
    """No arguments, for values of these ranks."""

    def arguments(_rng: Random, shape: Shape) -> Sequence[Any]:
        need(len(shape) in ranks)
        return ()

    return arguments


def dim(rng: Random, shape: Shape, first: int = 0) -> int:
    """A dimension from `first` on."""
    need(len(shape) > first)
    return int(rng.randint(first, len(shape) - 1))


def dims(rng: Random, shape: Shape, first: int = 0, most: int = 2) -> tuple[int, ...]:
    """One or two dimensions, in any order."""
    need(len(shape) > first)
    return tuple(
        rng.sample(range(first, len(shape)), rng.randint(1, min(most, len(shape) - first)))
    )


def any_of(rng: Random, choices: Sequence[Any]) -> Any:
    """One of some values."""
    need(choices)
    return rng.choice(choices)


def factors(size: int, least: int = 1) -> list[int]:
    """The divisors from `least` on, the size itself among them."""
    return [k for k in range(least, size + 1) if size % k == 0]


def over(first: int = 0) -> Callable[[Random, Shape], Sequence[Any]]:
    """One dimension from `first` on."""
    return lambda rng, shape: (dim(rng, shape, first),)


def reduced(rng: Random, shape: Shape) -> Sequence[Any]:
    """Dimensions, and whether they stay with size 1."""
    return (dims(rng, shape), rng.choice((False, True)))


def permuted(rng: Random, shape: Shape) -> Sequence[Any]:
    """Any order of the dimensions."""
    return (tuple(rng.sample(range(len(shape)), len(shape))),)


def reshaped(rng: Random, shape: Shape) -> Sequence[Any]:
    """Two neighbours become one, or one is split.

    Dim 0, which may be dynamic, stays or takes a neighbour in.
    """
    sizes = list(shape[1:])
    kind = rng.choice(("merge", "split", "first", "all"))
    if kind == "merge":
        need(len(sizes) > 1)
        at = rng.randint(0, len(sizes) - 2)
        return ((*sizes[:at], sizes[at] * sizes[at + 1], *sizes[at + 2 :]),)
    if kind == "split":
        at = any_of(rng, [i for i, size in enumerate(sizes) if len(factors(size)) > 2])
        k = any_of(rng, factors(sizes[at], 2)[:-1])
        return ((*sizes[:at], k, sizes[at] // k, *sizes[at + 1 :]),)
    need(len(sizes) > 1)
    return (("n", *sizes[1:]),) if kind == "first" else ((-1,),)


def sliced(rng: Random, shape: Shape) -> Sequence[Any]:
    """A slice with a step, of the batch a plain one."""
    at = dim(rng, shape)
    start = rng.randint(0, min(2, shape[at] - 1))
    stop = any_of(rng, (None, -1))
    step = rng.randint(1, 2) if at else 1
    return (at, start if at else 0, stop if at and shape[at] - start > 2 else None, step)


def selected(rng: Random, shape: Shape) -> Sequence[Any]:
    """A dimension and a place in it."""
    at = dim(rng, shape, 1)
    return (at, rng.randint(-shape[at], shape[at] - 1))


def places(rng: Random, shape: Shape) -> Sequence[Any]:
    """A dimension and up to five places in it, some of them twice."""
    at = dim(rng, shape, 1)
    return (at, rng.choices(range(shape[at]), k=rng.randint(1, 5)))


def pieces(rng: Random, shape: Shape) -> Sequence[Any]:
    """A dimension, the sizes of two pieces of it, and which of them is meant."""
    at = dim(rng, shape, 1)
    need(shape[at] > 1)
    first = rng.randint(1, shape[at] - 1)
    return (at, (first, shape[at] - first), rng.randint(0, 1))


def windows(rng: Random, shape: Shape) -> Sequence[Any]:
    """A dimension, the length of its windows, and the distance between two."""
    at = dim(rng, shape, 1)
    return (at, rng.randint(1, min(4, shape[at])), rng.randint(1, 3))


def padded(rng: Random, shape: Shape) -> Sequence[Any]:
    """Paddings of the last dimension or the last two, negative ones crop."""
    mode = any_of(rng, ("constant", "reflect", "replicate", "circular"))
    count = rng.randint(1, 2)
    need(len(shape) > count if mode == "constant" else len(shape) == count + 2)
    least = -1 if mode == "constant" else 0
    return (tuple(rng.randint(least, 2) for _ in range(2 * count)), mode)


def conv(rank: int) -> Callable[[Random, Shape], Sequence[Any]]:
    """Channels in and out, kernel, stride, padding, dilation, groups, bias, how it is padded."""

    def arguments(rng: Random, shape: Shape) -> Sequence[Any]:
        need(len(shape) == rank + 2)
        groups = any_of(rng, factors(shape[1]))
        kernel, stride, dilation = (
            tuple(rng.randint(1, most) for _ in range(rank)) for most in (4, 2, 2)
        )
        padding: Any = tuple(rng.randint(0, k - 1) for k in kernel)
        if stride == (1,) * rank and rng.choice((False, True)):
            padding = "same"
        out = groups * rng.randint(1, 3)
        mode = any_of(rng, ("zeros", "zeros", "zeros", "circular", "reflect"))
        return (
            shape[1],
            out,
            kernel,
            stride,
            padding,
            dilation,
            groups,
            rng.choice((False, True)),
            mode,
        )

    return arguments


def conv_transpose(rank: int) -> Callable[[Random, Shape], Sequence[Any]]:
    """Channels in and out, kernel, stride, padding, output padding, groups."""

    def arguments(rng: Random, shape: Shape) -> Sequence[Any]:
        need(len(shape) == rank + 2)
        groups = any_of(rng, factors(shape[1]))
        kernel, stride = rng.randint(1, 4), rng.randint(1, 2)
        padding = rng.randint(0, (kernel - 1) // 2)
        return (shape[1], 2 * groups, kernel, stride, padding, rng.randint(0, stride - 1), groups)

    return arguments


def pool(rank: int) -> Callable[[Random, Shape], Sequence[Any]]:
    """Kernel, stride, padding, and whether a last window that hangs over counts."""

    def arguments(rng: Random, shape: Shape) -> Sequence[Any]:
        need(len(shape) == rank + 2)
        return (rng.randint(2, 3), rng.randint(1, 3), rng.randint(0, 1), rng.choice((False, True)))

    return arguments


def adaptive(rank: int) -> Callable[[Random, Shape], Sequence[Any]]:
    """The sizes that come out."""

    def arguments(rng: Random, shape: Shape) -> Sequence[Any]:
        need(len(shape) == rank + 2)
        return (tuple(rng.randint(1, size) for size in shape[2:]),)

    return arguments


def channels(*ranks: int) -> Callable[[Random, Shape], Sequence[Any]]:
    """The size of dim 1, of values of these ranks."""

    def arguments(_rng: Random, shape: Shape) -> Sequence[Any]:
        need(len(shape) in ranks)
        return (shape[1],)

    return arguments


def channel_groups(rng: Random, shape: Shape) -> Sequence[Any]:
    """A divisor of the channels, and the channels."""
    need(len(shape) > 2)
    return (any_of(rng, factors(shape[1])), shape[1])


def trailing(rng: Random, shape: Shape) -> Sequence[Any]:
    """The sizes of the last dimensions, never of all."""
    return (shape[dim(rng, shape, 1) :],)


def widths(rng: Random, shape: Shape) -> Sequence[Any]:
    """The size of the last dimension, another one, and whether there is a bias."""
    need(len(shape) > 1)
    return (shape[-1], rng.randint(3, 5), rng.choice((False, True)))


def heads(rng: Random, shape: Shape) -> Sequence[Any]:
    """The width of a (batch, time, width) value, and a divisor of it."""
    need(len(shape) == 3)
    return (shape[2], any_of(rng, factors(shape[2])))


def orders(rng: Random, shape: Shape) -> Sequence[Any]:
    """A divisor of the width of (batch, time, width), and orders of scores and result."""
    _, count = heads(rng, shape)
    return (count, *("".join(rng.sample(axes, 4)) for axes in ("nhts", "nthd")))


def equation(rng: Random, shape: Shape) -> Sequence[Any]:
    """An einsum of a value with itself, of any dimensions in any order."""
    need(1 < len(shape) < 6)
    left = "abcde"[: len(shape)]
    right = "".join(rng.choice((x, x.upper())) for x in left)
    kept = [
        x
        for x in dict.fromkeys(left + right)
        if rng.random() < (0.5 if x in left and x in right else 0.9)
    ]
    return (f"{left},{right}->{''.join(rng.sample(kept, len(kept)))}",)


def resized(rng: Random, shape: Shape) -> Sequence[Any]:
    """A factor and a way to interpolate."""
    need(2 < len(shape) < 6)
    smooth = {3: "linear", 4: "bilinear", 5: "trilinear"}[len(shape)]
    mode, factor = any_of(rng, ("nearest", "nearest-exact", smooth)), any_of(rng, (2, 0.5, 1.5))
    return (factor, mode, rng.choice((False, True)) if mode == smooth else None)


def parameter(rng: Random, shape: Shape) -> Sequence[Any]:
    """A shape that broadcasts against a value's."""
    kept = dims(rng, shape, 1)
    return tuple(size if d in kept else 1 for d, size in enumerate(shape))[
        min(kept) if rng.choice((False, True)) else 0 :
    ]


CALLS: dict[str, Op] = {
    # views
    "permute": Op(5, lambda x, order: x.permute(order), permuted),
    "transpose": Op(
        3, lambda x, a, b: x.transpose(a, b), lambda rng, s: (dim(rng, s), dim(rng, s))
    ),
    "reshape": Op(
        6,
        lambda x, to: x.reshape(*((-1, *to[1:]) if to[0] == "n" else (x.shape[0], *to))),
        reshaped,
    ),
    "unsqueeze": Op(1, lambda x, at: x.unsqueeze(at), lambda rng, s: (rng.randint(0, len(s)),)),
    "squeeze": Op(1, lambda x, at: x.squeeze(at), over()),
    "expand": Op(
        1,
        lambda x, at, size: x.unsqueeze(at).expand(*x.shape[:at], size, *x.shape[at:]),
        lambda rng, s: (rng.randint(1, max(1, len(s))), rng.randint(2, 3)),
    ),
    "unfold": Op(2, lambda x, at, size, step: x.unfold(at, size, step), windows),
    "diagonal": Op(
        1, lambda x, a, b: x.diagonal(0, a, b), lambda rng, s: (dim(rng, s, 1), dim(rng, s, 1))
    ),
    "slice": Op(3, lambda x, at, i, j, k: x[(slice(None),) * at + (slice(i, j, k),)], sliced),
    "select": Op(1, lambda x, at, place: x.select(at, place), selected),
    "split": Op(2, lambda x, at, sizes, which: x.split(sizes, at)[which], pieces),
    "chunks": Op(
        2,
        lambda x, count, at: torch.cat(x.chunk(count, at)[::-1], at),
        lambda rng, s: (2, dim(rng, s, 1)),
    ),
    # places
    "flip": Op(1, lambda x, at: x.flip(at), lambda rng, s: (dims(rng, s),)),
    "roll": Op(
        1, lambda x, by, at: x.roll(by, at), lambda rng, s: (rng.randint(-2, 2), dim(rng, s))
    ),
    "repeat": Op(
        1, lambda x, times: x.repeat(times), lambda rng, s: (tuple(rng.randint(1, 2) for _ in s),)
    ),
    "repeat_interleave": Op(1, lambda x, at: x.repeat_interleave(2, at), over(1)),
    "pad": Op(2, lambda x, pad, mode: F.pad(x, pad, mode=mode), padded),
    "index_select": Op(1, lambda x, at, where: x.index_select(at, torch.tensor(where)), places),
    "written": Op(1, written, selected),
    "strided_add": Op(1, strided_add, over(1)),
    "in_place": Op(1, lambda x: x.mul_(2)),
    "tril": Op(1, torch.tril),
    "pixel_shuffle": Op(3, lambda x: F.pixel_shuffle(x, 2), of_rank(4)),
    "pixel_unshuffle": Op(1, lambda x: F.pixel_unshuffle(x, 2), of_rank(4)),
    "im2col": Op(3, lambda x: F.unfold(x, (2, 3), padding=1), of_rank(4)),
    "channel_shuffle": Op(1, lambda x, g, _: F.channel_shuffle(x, g), channel_groups),
    # reductions
    "sum": Op(2, lambda x, over, keep: x.sum(over, keep), reduced),
    "mean": Op(2, lambda x, over, keep: x.mean(over, keep), reduced),
    "amax": Op(1, lambda x, over, keep: x.amax(over, keep), reduced),
    "amin": Op(1, lambda x, over, keep: x.amin(over, keep), reduced),
    "logsumexp": Op(1, lambda x, over, keep: x.logsumexp(over, keep), reduced),
    "deviation": Op(
        1, lambda x, over, keep: x.var(over, keepdim=keep, correction=0).add(1).sqrt(), reduced
    ),
    "length": Op(1, lambda x, at: x.norm(dim=at), over()),
    "largest": Op(1, lambda x, at: x.max(at).values, over()),
    "argmax": Op(1, lambda x, at: x.argmax(at), over(1)),
    "centre": Op(3, lambda x, over: x - x.mean(over, keepdim=True), lambda rng, s: (dims(rng, s),)),
    "softmax": Op(2, lambda x, at: x.softmax(at), over()),
    "log_softmax": Op(1, lambda x, at: x.log_softmax(at), over()),
    "cumsum": Op(1, lambda x, at: x.cumsum(at), over()),
    "sort": Op(1, lambda x, at: x.sort(at).values, over()),
    "glu": Op(1, lambda x, at: F.glu(x, at), over(1)),
    # pointwise
    "relu": Op(1, torch.relu),
    "tanh": Op(2, torch.tanh),
    "gelu": Op(1, F.gelu),
    "affine": Op(1, lambda x: 2 * x - 1),
    "positive": Op(1, lambda x: x > 0),
    "plus_size": Op(1, lambda x, at: x + x.shape[at], over()),
    "positions": Op(1, lambda x: x + torch.arange(x.shape[-1])),
    "add": Op(4, lambda x, y: x + y, operands=2),
    "subtract": Op(2, lambda x, y: x - y, operands=2),
    "multiply": Op(3, lambda x, y: x * y, operands=2),
    "divide": Op(2, lambda x, y: x / (1 + y * y), operands=2),
    "maximum": Op(1, torch.maximum, operands=2),
    "where": Op(2, lambda x, y: torch.where(x > 0, x, y), operands=2),
    "masked_fill": Op(1, lambda x, y: x.masked_fill(y > 0, 3.0), operands=2),
    "cat": Op(4, lambda x, y, at: torch.cat([x, y], at), over(1), operands=2),
    "stack": Op(2, lambda x, y, at: torch.stack([x, y], at), over(), operands=2),
    # products
    "outer": Op(1, lambda x: x @ x.mT),
    "matmul": Op(3, torch.matmul, operands=2),
    "matmul_t": Op(2, lambda x, y: x @ y.mT, operands=2),
    "einsum": Op(1, lambda x: torch.einsum("nab,ncb->nca", x, x), of_rank(3)),
    "einsum_of_any": Op(3, lambda x, how: torch.einsum(how, x, x), equation),
    "attention_in_orders": Op(3, attention_in_orders, orders),
    "masked_attention": Op(1, masked_attention, lambda rng, s: (rng.choice((False, True)),)),
    "attention": Op(3, attention, lambda rng, s: (heads(rng, s)[1], rng.choice((False, True)))),
    # pooling
    "max_pool1d": Op(1, lambda x, k, s, p, c: F.max_pool1d(x, k, s, p, ceil_mode=c), pool(1)),
    "avg_pool1d": Op(1, lambda x, k, s, p, c: F.avg_pool1d(x, k, s, p, c), pool(1)),
    "max_pool2d": Op(1, lambda x, k, s, p, c: F.max_pool2d(x, k, s, p, ceil_mode=c), pool(2)),
    "avg_pool2d": Op(1, lambda x, k, s, p, c: F.avg_pool2d(x, k, s, p, c), pool(2)),
    "adaptive_avg_pool1d": Op(1, lambda x, to: F.adaptive_avg_pool1d(x, to[0]), adaptive(1)),
    "adaptive_avg_pool2d": Op(1, F.adaptive_avg_pool2d, adaptive(2)),
    "interpolate": Op(
        2,
        lambda x, by, how, corners: F.interpolate(
            x, scale_factor=by, mode=how, align_corners=corners
        ),
        resized,
    ),
}

LAYERS: dict[str, Op] = {
    "conv1d": Op(4, nn.Conv1d, conv(1)),
    "conv2d": Op(5, nn.Conv2d, conv(2)),
    "conv3d": Op(3, nn.Conv3d, conv(3)),
    "conv_transpose1d": Op(1, nn.ConvTranspose1d, conv_transpose(1)),
    "conv_transpose2d": Op(1, nn.ConvTranspose2d, conv_transpose(2)),
    "linear": Op(4, nn.Linear, widths),
    "embedding": Op(6, lambda width: nn.Embedding(16, width), lambda rng, s: (rng.randint(3, 5),)),
    "batch_norm1d": Op(1, nn.BatchNorm1d, channels(2, 3)),
    "batch_norm2d": Op(1, nn.BatchNorm2d, channels(4)),
    "instance_norm1d": Op(1, lambda c: nn.InstanceNorm1d(c, affine=True), channels(3)),
    "layer_norm": Op(2, nn.LayerNorm, trailing),
    "rms_norm": Op(1, lambda shape: nn.RMSNorm(shape, eps=1e-5), trailing),
    "group_norm": Op(1, nn.GroupNorm, channel_groups),
    "prelu": Op(1, nn.PReLU, channels(2, 3, 4)),
    "scale": Op(1, Scale, parameter),
    "shift": Op(1, Shift, parameter),
    "token": Op(1, Token, lambda rng, s: (1, 1, *s[2:]) if len(s) > 1 else need(False)),
    "multihead": Op(1, lambda *sizes: SelfAttention(*sizes), heads),
    "gru": Op(1, lambda width, _: Recurrent(width), heads),
}
"""These take their arguments alone and give the module that takes the operand."""
