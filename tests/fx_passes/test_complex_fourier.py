"""Transforms of pairs against those of PyTorch, and the laws of overlap-add."""

from __future__ import annotations

import pytest
import torch

from torch2keras.fx_passes.complex_fourier import (
    BY_COUNT,
    BY_ROOT,
    NONE,
    c2c,
    c2r,
    istft,
    overlap_add,
    r2c,
)
from torch2keras.fx_passes.complex_pair import Pair

aten = torch.ops.aten
torch.manual_seed(0)
Z = torch.randn(3, 5, 7, dtype=torch.complex128)
X = torch.randn(3, 5, 7, dtype=torch.float64)
NORMALIZATIONS = [NONE, BY_ROOT, BY_COUNT]
DIMS = [[2], [0, 1], [2, 0], [0, 1, 2]]


def split(z):
    return Pair(z.real, z.imag)


def joined(value):
    return torch.complex(value.re, value.im)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("dims", DIMS, ids=str)
def test_transforms_are_those_of_pytorch(dims, normalization):
    for forward in (True, False):
        ours = joined(c2c(split(Z), dims, normalization, forward))
        torch.testing.assert_close(ours, aten._fft_c2c(Z, dims, normalization, forward))
    for onesided in (True, False):
        ours = joined(r2c(X, dims, normalization, onesided))
        torch.testing.assert_close(ours, aten._fft_r2c(X, dims, normalization, onesided))
    last = X.shape[dims[-1]]
    spectrum = aten._fft_r2c(X, dims, NONE, True)
    ours = c2r(split(spectrum), dims, normalization, last)
    torch.testing.assert_close(ours, aten._fft_c2r(spectrum, dims, normalization, last))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hop_length": 3},
        {"win_length": 7},
        {"window": torch.hann_window(11, dtype=torch.float64), "hop_length": 2},
        {"normalized": True},
        {"onesided": False},
        {"length": 13},
        {"length": 29},
    ],
    ids=str,
)
def test_istft_is_that_of_pytorch(options):
    bins = 6 if options.get("onesided", True) else 11
    z = torch.randn(2, bins, 9, dtype=torch.complex128)
    torch.testing.assert_close(istft(split(z), 11, **options), torch.istft(z, 11, **options))


def test_a_complex_signal_is_refused():
    with pytest.raises(NotImplementedError, match="complex"):
        istft(split(Z), 8, return_complex=True)


@pytest.mark.parametrize("hop", [1, 2, 3, 5, 7])
def test_overlap_add_adds_each_frame_where_it_starts(hop):
    frames = torch.randn(2, 3, 5)
    signal = torch.zeros(2, 2 * hop + 5)
    for k in range(3):
        signal[:, k * hop : k * hop + 5] += frames[:, k]
    torch.testing.assert_close(overlap_add(frames, hop), signal)
