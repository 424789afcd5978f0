"""Fourier transforms as products: PyTorch's numbers, for even, odd and prime lengths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from deployed import deploy
from torch2keras.deployment_forms.fourier_products import fourier_angles

LENGTHS = [1, 2, 16, 30, 31, 45]


class Forwards(nn.Module):
    """The spectrum of real numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.view_as_real(torch.fft.rfft(x))


class Whole(nn.Module):
    """The spectrum of complex numbers, forwards and back again."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.fft.fft(torch.complex(x, x.flip(-1)))
        return z.real, torch.fft.ifft(z * z).imag


class Back(nn.Module):
    """Real numbers of a spectrum, of which some are cut off."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def forward(self, x: Tensor) -> Tensor:
        z = torch.fft.rfft(x)
        return torch.fft.irfft(z * (1 + 2j), n=self.length)


@pytest.mark.parametrize("length", LENGTHS)
def test_spectrum_of_real_numbers(length: int) -> None:
    torch.manual_seed(0)
    assert "RFFT2D" not in deploy(Forwards(), torch.randn(2, 3, length)).operators


@pytest.mark.parametrize("length", LENGTHS)
def test_spectrum_of_complex_numbers(length: int) -> None:
    torch.manual_seed(0)
    deploy(Whole(), torch.randn(2, 3, length))


@pytest.mark.parametrize("length", LENGTHS[1:])
def test_real_numbers_of_a_spectrum(length: int) -> None:
    torch.manual_seed(0)
    deploy(Back(length), torch.randn(2, 3, length))


def test_spectrogram_of_any_window() -> None:
    class Spectrogram(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            window = torch.hann_window(50)
            return torch.stft(x, 50, 17, window=window, return_complex=True).abs()

    torch.manual_seed(0)
    assert deploy(Spectrogram(), torch.randn(2, 431)).operators["FULLY_CONNECTED"] == 1


def test_angles_are_exact_for_long_transforms() -> None:
    angles = fourier_angles(2000, 2000, 1999)
    exact = 2 * np.pi / 1999 * (1998 * 1997 % 1999)
    assert angles[1998, 1997] == pytest.approx(exact, abs=1e-14)
