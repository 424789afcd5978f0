"""Fourier transforms of pairs of real tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch2keras.custom_ops.fourier import fourier_ops
from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.lower.dynamic_sizes import count_positions, size_tensor, sizes_of
from torch2keras.lower.recorder import Tensor, cast, ops


def transform_axes(operands: int, results: int, *, last: bool) -> Any:
    """A declaration: each operand and result has the dimension `dim`, as Keras wants it last."""

    def declared(args: Mapping[str, Any]) -> str:
        rank = next(iter(args.values())).type.rank
        dim = args["dim"] % rank
        names = ["at'" if d == dim else f"d{d}" for d in range(rank)]
        if last:
            names = [*(name for name in names if name != "at'"), "at'"]
        term = " ".join(names)
        return f"{', '.join([term] * operands)} -> {', '.join([term] * results)}"

    return declared


def checked(x: Tensor) -> Tensor:
    """Raises LoweringError for the types of which Keras knows no transform."""
    if x.dtype not in ("float32", "float64"):
        raise LoweringError(
            f"no Fourier transform of {x.dtype} in Keras",
            [("next", "transform in float32, as in x.float()")],
        )
    return x


def fft_of_any_length(re: Tensor, im: Tensor, n: Size) -> tuple[Tensor, Tensor]:
    """`keras.ops.rfft` of each part, mirrored: `keras.ops.fft` wants to know the length."""
    (a, b), (c, d) = (mirrored(ops.rfft(part), n) for part in (re, im))
    return a - d, b + c


def mirrored(half: tuple[Tensor, Tensor], n: Size) -> tuple[Tensor, Tensor]:
    """All n entries of the transform of real numbers, from the first half: entry n - k is the conjugate of entry k."""
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
    """`keras.ops.fft`; of a dynamic length `keras.ops.rfft` of both parts."""
    n = sizes_of(re)[-1]
    return (
        ops.fft((checked(re), im)) if isinstance(n, int) else fft_of_any_length(checked(re), im, n)
    )


@lowering(
    fourier_ops.rfft.default,
    torch=transform_axes(1, 2, last=False),
    keras=transform_axes(1, 2, last=True),
)
def rfft(x, dim):
    """`keras.ops.rfft`."""
    return ops.rfft(checked(x))


@lowering(
    fourier_ops.irfft.default,
    torch=transform_axes(2, 1, last=False),
    keras=transform_axes(2, 1, last=True),
)
def irfft(re, im, dim, n):
    """`keras.ops.irfft`; to a dynamic length by `keras.ops.rfft` of both parts of the whole spectrum."""
    if isinstance(n, int):
        return ops.irfft((checked(re), im), fft_length=n)
    re, im = mirrored((checked(re), im), n)
    return fft_of_any_length(im, re, n)[1] / cast(size_tensor(n), re.dtype)
