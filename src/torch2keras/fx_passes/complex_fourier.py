"""PyTorch's Fourier transforms over several dimensions, by transforms of pairs over one.

The transforms over one dimension are the operators of custom_ops/fourier.py; the rules here take
the arguments of ATen's `_fft_r2c`, `_fft_c2c`, `_fft_c2r` and `istft`.
"""

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
"""PyTorch's numbers for how a transform is scaled: not, by 1/sqrt(n), by 1/n."""


def r2c(x: torch.Tensor, dim: Sequence[int], normalization: int, onesided: bool) -> Pair:
    """The transform of real numbers; one-sided along the last of the dimensions."""
    if not onesided:
        return c2c(pair(x), dim, normalization, True)
    *others, last = dim
    z = c2c(Pair(*fourier_ops.rfft(x, last)), others, NONE, True)
    return _scale(z, _factor(normalization, [x.shape[d] for d in dim]))


def c2c(z: Any, dim: Sequence[int], normalization: int, forward: bool) -> Pair:
    """The transform of complex numbers, one dimension after the other.

    The backward transform is the forward one with the parts exchanged before and after.
    """
    re, im = pair(z)
    if not forward:
        re, im = im, re
    for d in dim:
        re, im = fourier_ops.fft(re, im, d)
    factor = _factor(normalization, [re.shape[d] for d in dim])
    if not forward:
        re, im = im, re
    return _scale(Pair(re, im), factor)


def c2r(z: Any, dim: Sequence[int], normalization: int, last_dim_size: Any) -> torch.Tensor:
    """The backward transform to real numbers, of `last_dim_size` along the last dimension."""
    *others, last = dim
    z = c2c(z, others, NONE, False)
    sizes = [*(z.re.shape[d] for d in others), last_dim_size]
    x: torch.Tensor = fourier_ops.irfft(z.re, z.im, last, last_dim_size)
    if others or normalization != BY_COUNT:  # irfft itself divides by the last of the sizes
        x = x * (_factor(normalization, sizes) * last_dim_size)
    return x


def _factor(normalization: int, sizes: Sequence[Any]) -> Any:
    """The factor of a transform over dimensions of these sizes."""
    if normalization == NONE:
        return 1.0
    count: Any = 1
    for size in sizes:
        count = count * size
    return count**-0.5 if normalization == BY_ROOT else 1.0 / count


def _scale(z: Pair, factor: Any) -> Pair:
    """A pair times a factor; the pair itself for a factor that is known to be 1."""
    if isinstance(factor, float) and factor == 1.0:
        return z
    return Pair(z.re * factor, z.im * factor)


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
    """The signal of a spectrogram of shape (..., frequency, frame).

    Each frame is transformed back, weighted by the window and added where it was; the sum is
    divided by that of the squared windows (Griffin and Lim 1984, doi:10.1109/TASSP.1984.1164317).

    Raises NotImplementedError where a complex signal is wanted.
    """
    if return_complex:
        raise NotImplementedError("istft with a complex result")
    z = pair(z)
    hop = hop_length or n_fft // 4
    window = _pad_window(window, win_length or n_fft, n_fft, z.re.dtype)
    bins = n_fft // 2 + 1  # PyTorch reads no more of a two-sided spectrum
    half = Pair(z.re.mT[..., :bins], z.im.mT[..., :bins])
    frames = c2r(half, [half.re.ndim - 1], BY_ROOT if normalized else BY_COUNT, n_fft)
    total = overlap_add(frames * window, hop)
    weight = overlap_add((window * window).expand(frames.shape[-2], n_fft), hop)
    start = n_fft // 2 if center else 0
    if length is None:
        stop = total.shape[-1] - start
        return total[..., start:stop] / weight[start:stop]
    stop = start + length
    signal = total[..., start:stop] / weight[start:stop]
    missing = length - signal.shape[-1]
    return F.pad(signal, (0, missing)) if missing else signal


def _pad_window(
    window: torch.Tensor | None, width: int, n_fft: int, dtype: torch.dtype
) -> torch.Tensor:
    """The window in the middle of a frame of `n_fft` samples; ones where none is given."""
    if window is None:
        window = torch.ones(width, dtype=dtype)
    if width >= n_fft:
        return window
    left = (n_fft - width) // 2
    return F.pad(window, (left, n_fft - width - left))


def overlap_add(frames: torch.Tensor, hop: int) -> torch.Tensor:
    """The sum of frames (..., t, n), of which frame k starts at sample k * hop.

    Each frame is cut into pieces of `hop` samples; piece j of frame k adds to piece j + k of the
    signal. The result has the shape (..., (t - 1) * hop + n).
    """
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
"""Keyed by op; a rule takes the arguments of the op."""
