"""Discrete Fourier transforms of pairs of real tensors: real parts and imaginary parts.

PyTorch's transforms have complex results. Our graphs hold real values alone
(fx_passes/split_complex.py), so they need ops that say the same of pairs. The transform of x_0 ...
x_(n-1) along one dimension has the entries y_j = sum_k x_k exp(-2 pi i jk / n); only `irfft` is
scaled, by 1/n, as with `norm="backward"` of torch.fft.
"""

from __future__ import annotations

import torch

from torch2keras.custom_ops.library import define_op

Pair = tuple[torch.Tensor, torch.Tensor]


def compute_fft(re: torch.Tensor, im: torch.Tensor, dim: int) -> Pair:
    """Return the transform of complex numbers along `dim`, of the same shape."""
    return _split(torch.fft.fft(torch.complex(re, im), dim=dim))


def compute_rfft(x: torch.Tensor, dim: int) -> Pair:
    """Return the first n // 2 + 1 entries of the transform of n real numbers, which give all."""
    return _split(torch.fft.rfft(x, dim=dim))


def compute_irfft(re: torch.Tensor, im: torch.Tensor, dim: int, n: int) -> torch.Tensor:
    """Return the n real numbers along `dim` whose first entries `rfft` gives."""
    x: torch.Tensor = torch.fft.irfft(torch.complex(re, im), n=n, dim=dim)
    return x.contiguous()  # as the fake kernel says


def _split(z: torch.Tensor) -> Pair:
    return z.real.contiguous(), z.imag.contiguous()


def _fake_fft(re: torch.Tensor, im: torch.Tensor, dim: int) -> Pair:  # noqa: ARG001 - the schema's
    return torch.empty_like(re), torch.empty_like(im)


def _fake_rfft(x: torch.Tensor, dim: int) -> Pair:
    shape = list(x.shape)
    shape[dim] = shape[dim] // 2 + 1
    return x.new_empty(shape), x.new_empty(shape)


def _fake_irfft(
    re: torch.Tensor,
    im: torch.Tensor,  # noqa: ARG001 - the schema's
    dim: int,
    n: int,
) -> torch.Tensor:
    shape = list(re.shape)
    shape[dim] = n
    return re.new_empty(shape)


define_op("fft(Tensor re, Tensor im, int dim) -> (Tensor re, Tensor im)", compute_fft, _fake_fft)
define_op("rfft(Tensor x, int dim) -> (Tensor re, Tensor im)", compute_rfft, _fake_rfft)
define_op("irfft(Tensor re, Tensor im, int dim, SymInt n) -> Tensor", compute_irfft, _fake_irfft)


fourier_ops = torch.ops.torch2keras
"""Where the three ops are found: `fourier_ops.fft`, `.rfft` and `.irfft`."""
