"""Fourier transforms of pairs of real tensors: real and imaginary parts of complex numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch2keras.custom_ops.fourier import fourier_ops
from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.lower.dynamic_sizes import count_positions, size_tensor, sizes_of
from torch2keras.lower.recorder import Tensor, cast, ops


def transform_axes(
    operands: int, results: int, *, last: bool
) -> Callable[[Mapping[str, Any]], str]:
    """Return a declaration in which each operand and result has the dimension `dim`.

    It stands where PyTorch has it, or `last`, where Keras wants it.
    """

    def declare(args: Mapping[str, Any]) -> str:
        """Return the pattern of a node: d0, d1 and so on, and the transformed one."""
        rank = next(iter(args.values())).type.rank
        names = [f"d{dim}" for dim in range(rank)]
        names[args["dim"]] = "at'"
        if last:
            names.remove("at'")
            names.append("at'")
        term = " ".join(names)
        return f"{', '.join([term] * operands)} -> {', '.join([term] * results)}"

    return declare


def require_transformable(x: Tensor) -> None:
    """Raise LoweringError for the types of which Keras knows no transform."""
    if x.dtype not in ("float32", "float64"):
        raise LoweringError(
            f"no Fourier transform of {x.dtype} in Keras",
            [("next", "transform in float32, as in x.float()")],
        )


def transform_any_length(re: Tensor, im: Tensor, n: Size) -> tuple[Tensor, Tensor]:
    """Return the transform over the last dimension, which may have a dynamic length.

    `keras.ops.fft` wants to know the length, `keras.ops.rfft` does not. That of the real part is
    half of a + b i, that of the imaginary part half of c + d i; both are mirrored.
    """
    a, b = mirror_half(ops.rfft(re), n)
    c, d = mirror_half(ops.rfft(im), n)
    return a - d, b + c


def mirror_half(half: tuple[Tensor, Tensor], n: Size) -> tuple[Tensor, Tensor]:
    """Return all n entries of the transform of real numbers, from the first half of them.

    Entry n - k is the conjugate of entry k.
    """
    re, im = half
    k = count_positions(n)
    back = size_tensor(n) - k
    sign = ops.where(ops.greater(k, back), -1.0, 1.0)
    places = ops.minimum(k, back)
    return ops.take(re, places, axis=-1), ops.take(im, places, axis=-1) * cast(sign, im.dtype)


@lowering(
    fourier_ops.fft.default,
    torch=transform_axes(2, 2, last=False),
    keras=transform_axes(2, 2, last=True),
)
def fft(re, im, dim):
    """A transform by `keras.ops.fft`; of a dynamic length by `keras.ops.rfft` of both parts."""
    require_transformable(re)
    n = sizes_of(re)[-1]
    if isinstance(n, int):
        return ops.fft((re, im))
    return transform_any_length(re, im, n)


@lowering(
    fourier_ops.rfft.default,
    torch=transform_axes(1, 2, last=False),
    keras=transform_axes(1, 2, last=True),
)
def rfft(x, dim):
    """A transform of real numbers, by `keras.ops.rfft`."""
    require_transformable(x)
    return ops.rfft(x)


@lowering(
    fourier_ops.irfft.default,
    torch=transform_axes(2, 1, last=False),
    keras=transform_axes(2, 1, last=True),
)
def irfft(re, im, dim, n):
    """The real numbers of a transform, by `keras.ops.irfft`.

    To a dynamic length they are the imaginary part of the transform of the whole spectrum with its
    parts exchanged, divided by that length.
    """
    require_transformable(re)
    if isinstance(n, int):
        return ops.irfft((re, im), fft_length=n)
    re, im = mirror_half((re, im), n)
    _, exchanged = transform_any_length(im, re, n)
    return exchanged / cast(size_tensor(n), re.dtype)
