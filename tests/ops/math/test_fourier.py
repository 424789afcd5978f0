"""Fourier transforms: all of torch.fft with its sizes, dims and norms; stft and istft."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import fft
from torch.export import Dim

import torch2keras as t2k
from op_case import Case, check, function

LENGTH = {"dynamic_shapes": ({0: Dim.AUTO, 1: Dim.AUTO},)}
NORMS = ("backward", "ortho", "forward")


def spectrum(*shape: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.randn(*shape, dtype=torch.complex64)


def hann(size: int) -> torch.Tensor:
    return torch.hann_window(size) + 0.1


def of_norms(transform: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return lambda x: [transform(x, norm=norm, **options) for norm in NORMS]


CASES: dict[str, Case] = {
    "rfft": function(lambda x: (fft.rfft(x), fft.rfft(x, n=5), fft.rfft(x, n=13)), (3, 7)),
    "rfft of an even length": function(of_norms(fft.rfft), (3, 2, 8)),
    "rfft along a dimension": function(lambda x: fft.rfft(x, dim=1), (3, 7, 5)),
    "irfft": function(
        lambda z: (fft.irfft(z), fft.irfft(z, n=7), fft.irfft(z, n=5)), spectrum(3, 4)
    ),
    "irfft of norms": function(of_norms(fft.irfft, n=11), spectrum(3, 6)),
    "irfft of real numbers": function(lambda x: fft.irfft(x, n=9), (3, 5)),
    "fft": function(lambda z: (fft.fft(z), fft.fft(z, n=5), fft.fft(z, n=13)), spectrum(3, 7)),
    "fft of norms": function(of_norms(fft.fft, dim=1), spectrum(3, 7, 5)),
    "fft of real numbers": function(lambda x: fft.fft(x), (3, 8)),
    "fft of integers": function(lambda x: fft.fft(x).real, lambda: torch.randint(-5, 5, (3, 8))),
    "ifft": function(of_norms(fft.ifft), spectrum(3, 7)),
    "fft2": function(of_norms(fft.fft2), spectrum(2, 5, 7), transposes=6),
    "ifft2": function(
        lambda z: fft.ifft2(z, s=(6, 5), dim=(1, 2)), spectrum(2, 5, 7), transposes=2
    ),
    "rfft2": function(of_norms(fft.rfft2), (2, 5, 7), transposes=6),
    "irfft2": function(of_norms(fft.irfft2, s=(5, 7)), spectrum(2, 5, 4), transposes=6),
    "fftn": function(lambda z: fft.fftn(z, dim=(1, 2, 3)), spectrum(2, 3, 5, 7), transposes=4),
    "ifftn": function(of_norms(fft.ifftn, dim=(1, 3)), spectrum(2, 3, 2, 5), transposes=6),
    "rfftn": function(lambda x: fft.rfftn(x, s=(4, 6), dim=(1, 2)), (2, 5, 7), transposes=2),
    "irfftn": function(lambda z: fft.irfftn(z, dim=(1, 2)), spectrum(2, 5, 4), transposes=2),
    "hfft": function(of_norms(fft.hfft, n=7), spectrum(3, 4)),
    "hfft of real numbers": function(lambda x: fft.hfft(x), (3, 5)),
    "ihfft": function(of_norms(fft.ihfft), (3, 7)),
    "hfft2": function(lambda z: fft.hfft2(z), spectrum(2, 5, 4), transposes=2),
    "ihfft2": function(lambda x: fft.ihfft2(x), (2, 5, 7), transposes=2),
    "shift": function(lambda x: (fft.fftshift(x, dim=1), fft.ifftshift(x, dim=(1, 2))), (3, 7, 4)),
    "shift of a dynamic batch": function(lambda x: (fft.fftshift(x), fft.ifftshift(x)), (3, 7)),
    "frequencies": function(lambda x: x * fft.fftfreq(7, d=0.3) + fft.rfftfreq(13), (3, 7)),
    "of a dynamic batch": function(lambda x: fft.fft2(x).abs(), (3, 5), transposes=2),
    "fft of a dynamic length": function(of_norms(fft.fft), (3, 8), **LENGTH),
    "ifft of a dynamic length": function(of_norms(fft.ifft), (3, 7), **LENGTH),
    "rfft and back over a dynamic length": function(
        lambda x: [fft.irfft(fft.rfft(x, norm=n), n=x.shape[1], norm=n) for n in NORMS],
        (3, 8),
        **LENGTH,
    ),
    "stft": function(lambda x: torch.stft(x, 16, window=hann(16), return_complex=True), (3, 61)),
    "stft, every option": function(
        lambda x: torch.stft(
            x, 17, 5, 13, hann(13), center=False, normalized=True, return_complex=True
        ),
        (3, 61),
    ),
    "stft, two-sided": function(
        lambda x: torch.stft(
            x, 16, 7, window=hann(16), pad_mode="constant", onesided=False, return_complex=True
        ).abs(),
        (3, 61),
    ),
    "stft of a dynamic length": function(
        lambda x: torch.stft(x, 31, 7, window=hann(31), return_complex=True), (3, 61), **LENGTH
    ),
    "istft": function(lambda z: torch.istft(z, 16, window=hann(16)), spectrum(3, 9, 11)),
    "istft, every option": function(
        lambda z: torch.istft(z, 18, 5, 13, hann(13), normalized=True, length=47),
        spectrum(3, 10, 11),
    ),
    "istft longer than the frames": function(
        lambda z: torch.istft(z, 16, 5, window=hann(16), length=60), spectrum(3, 9, 11)
    ),
    "istft, two-sided": function(
        lambda z: torch.istft(z, 10, 3, window=hann(10), onesided=False), spectrum(3, 10, 7)
    ),
    "istft without a window": function(
        lambda z: torch.istft(z, 16, 16, center=False), spectrum(3, 9, 11)
    ),
    "istft of a dynamic length": function(
        lambda z: torch.istft(z, 16, 4, window=hann(16)),
        spectrum(3, 9, 11),
        dynamic_shapes=({0: Dim.AUTO, 2: Dim.AUTO},),
    ),
    "stft and back": function(
        lambda x: torch.istft(
            torch.stft(x, 16, 4, window=hann(16), return_complex=True) * 0.5j,
            16,
            4,
            window=hann(16),
            length=61,
        ),
        (3, 61),
    ),
}


@pytest.mark.filterwarnings(
    "ignore:A window was not provided", "ignore:The length of signal is shorter"
)
@pytest.mark.parametrize("name", CASES)
def test_fourier(name: str) -> None:
    check(CASES[name])


def test_half_floats_are_refused() -> None:
    with pytest.raises(t2k.LoweringError, match="no Fourier transform of bfloat16"):
        check(
            function(
                lambda x: torch.ops.torch2keras.rfft(x, 1)[0],
                lambda: torch.randn(3, 8).to(torch.bfloat16),
            )
        )
