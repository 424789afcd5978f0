"""PyTorch's Fourier transforms over several dimensions, in terms of transforms of pairs over one (fourier.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch._ops import OpOverload

from torch2keras.custom_ops.fourier import fourier_ops
from torch2keras.fx_passes.complex_pair import Pair, Rule, pair

aten = torch.ops.aten


NONE, BY_ROOT, BY_COUNT = 0, 1, 2
"""PyTorch's numbers for how a transform is scaled."""


def r2c(x: torch.Tensor, dim: Sequence[int], normalization: int, onesided: bool) -> Pair:
    """Of real numbers; one-sided along the last of the dimensions."""
    if not onesided:
        return c2c(pair(x), dim, normalization, True)
    *others, last = dim
    z = c2c(Pair(*fourier_ops.rfft(x, last)), others, NONE, True)
    return _scaled(z, _factor(normalization, [x.shape[d] for d in dim]))


def c2c(z: Any, dim: Sequence[int], normalization: int, forward: bool) -> Pair:
    """One dimension after the other; backward is forward with the parts exchanged, before and after."""
    re, im = pair(z) if forward else reversed(pair(z))
    for d in dim:
        re, im = fourier_ops.fft(re, im, d)
    z = Pair(re, im) if forward else Pair(im, re)
    return _scaled(z, _factor(normalization, [re.shape[d] for d in dim]))


def c2r(z: Any, dim: Sequence[int], normalization: int, last_dim_size: Any) -> torch.Tensor:
    """Backward, to real numbers."""
    *others, last = dim
    z = c2c(z, others, NONE, False)
    sizes = [*(z.re.shape[d] for d in others), last_dim_size]
    x: torch.Tensor = fourier_ops.irfft(z.re, z.im, last, last_dim_size)
    if others or normalization != BY_COUNT:  # irfft itself divides by the last of the sizes
        x = x * (_factor(normalization, sizes) * last_dim_size)
    return x


def _factor(normalization: int, sizes: Sequence[Any]) -> Any:
    count: Any = 1
    for size in sizes:
        count = count * size
    return {NONE: 1.0, BY_ROOT: count**-0.5, BY_COUNT: 1.0 / count}[normalization]


def _scaled(z: Pair, factor: Any) -> Pair:
    return z if isinstance(factor, float) and factor == 1.0 else Pair(z.re * factor, z.im * factor)


def istft(
    z: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: torch.Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> torch.Tensor:
    """Each frame taken back, weighted by the window and added where it was; divided by the sum of squared windows."""
    if return_complex:
        raise NotImplementedError("istft with a complex result")
    hop, width = hop_length or n_fft // 4, win_length or n_fft
    window = torch.ones(width, dtype=pair(z).re.dtype) if window is None else window
    left = (n_fft - width) // 2
    window = F.pad(window, (left, n_fft - width - left)) if width < n_fft else window
    re, im = (part.mT for part in pair(z))
    half = Pair(
        re[..., : n_fft // 2 + 1], im[..., : n_fft // 2 + 1]
    )  # of a two-sided spectrum PyTorch reads no more
    frames = c2r(half, [re.ndim - 1], BY_ROOT if normalized else BY_COUNT, n_fft)
    summed = overlapped(frames * window, hop)
    weight = overlapped((window * window).expand(frames.shape[-2], n_fft), hop)
    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else summed.shape[-1] - start
    signal = summed[..., start:stop] / weight[start:stop]
    missing = 0 if length is None else length - signal.shape[-1]
    return F.pad(signal, (0, missing)) if missing else signal


def overlapped(frames: torch.Tensor, hop: int) -> torch.Tensor:
    """(..., t, n) to a signal in which frame k starts at k * hop: in pieces of hop, each shifted by its number."""
    *batch, count, size = frames.shape
    pieces = -(-size // hop)
    cut = F.pad(frames, (0, pieces * hop - size)).reshape(*batch, count, pieces, hop)
    shifted = [F.pad(cut[..., k, :], (0, 0, k, pieces - 1 - k)) for k in range(pieces)]
    total = torch.stack(shifted).sum(0).reshape(*batch, (count + pieces - 1) * hop)
    return total[..., : (count - 1) * hop + size]


FOURIER: dict[OpOverload, Rule] = {
    aten._fft_r2c.default: r2c,
    aten._fft_c2c.default: c2c,
    aten._fft_c2r.default: c2r,
    aten.istft.default: istft,
}
