"""Discrete Fourier transforms of pairs of real tensors, as PyTorch ops of our own: (real part, imaginary part).

PyTorch's transforms have complex results. The graph holds real values alone (fx_passes/split_complex.py), so it needs ops
that say the same of pairs; they run in PyTorch as any other op does. Neither of them scales but `irfft`, by 1/n.
"""

from __future__ import annotations

import torch

LIBRARY = torch.library.Library("torch2keras", "DEF")  # type: ignore[no-untyped-call]


def fft(re: torch.Tensor, im: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """sum_k x_k exp(-2 pi i jk / n)."""
    return _parts(torch.fft.fft(torch.complex(re, im), dim=dim))


def rfft(x: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first n // 2 + 1 entries of the transform of real numbers, which give the others."""
    return _parts(torch.fft.rfft(x, dim=dim))


def irfft(re: torch.Tensor, im: torch.Tensor, dim: int, n: int) -> torch.Tensor:
    """What `rfft` gives, taken back to n real numbers."""
    x: torch.Tensor = torch.fft.irfft(torch.complex(re, im), n=n, dim=dim)
    return x


def _parts(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return z.real.contiguous(), z.imag.contiguous()


def _fft_shapes(re: torch.Tensor, im: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ARG001 - the schema's
    return torch.empty_like(re), torch.empty_like(im)


def _rfft_shapes(x: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    shape = [size // 2 + 1 if d == dim % x.ndim else size for d, size in enumerate(x.shape)]
    return x.new_empty(shape), x.new_empty(shape)


def _irfft_shape(re: torch.Tensor, im: torch.Tensor, dim: int, n: int) -> torch.Tensor:  # noqa: ARG001 - the schema's
    return re.new_empty([n if d == dim % re.ndim else size for d, size in enumerate(re.shape)])


for schema, function, shapes in (
    ("fft(Tensor re, Tensor im, int dim) -> (Tensor re, Tensor im)", fft, _fft_shapes),
    ("rfft(Tensor x, int dim) -> (Tensor re, Tensor im)", rfft, _rfft_shapes),
    ("irfft(Tensor re, Tensor im, int dim, SymInt n) -> Tensor", irfft, _irfft_shape),
):
    LIBRARY.define(schema)  # type: ignore[no-untyped-call]
    LIBRARY.impl(function.__name__, function, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"torch2keras::{function.__name__}", shapes, lib=LIBRARY)


fourier_ops = torch.ops.torch2keras
