"""Transforms of pairs are those of complex numbers, along any dimension, of any length."""

from __future__ import annotations

import pytest
import torch

from torch2keras.custom_ops.fourier import fourier_ops

DIMS = [0, 1, 2, -1, -3]
SHAPES = [(2, 3, 11), (6, 5, 4)]


def pair(shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(shape), torch.randn(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dim", DIMS)
def test_transforms_are_those_of_complex_numbers(shape: tuple[int, ...], dim: int) -> None:
    re, im = pair(shape)
    wanted = torch.fft.fft(torch.complex(re, im), dim=dim)
    torch.testing.assert_close(fourier_ops.fft(re, im, dim), (wanted.real, wanted.imag))
    wanted = torch.fft.rfft(re, dim=dim)
    torch.testing.assert_close(fourier_ops.rfft(re, dim), (wanted.real, wanted.imag))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dim", DIMS)
def test_real_transforms_are_taken_back(shape: tuple[int, ...], dim: int) -> None:
    x = torch.randn(shape)
    back = fourier_ops.irfft(*fourier_ops.rfft(x, dim), dim, shape[dim])
    torch.testing.assert_close(back, x)


def test_results_are_contiguous() -> None:
    for part in (*fourier_ops.fft(*pair((3, 5)), 0), *fourier_ops.rfft(torch.randn(3, 5), 1)):
        assert part.is_contiguous()


@pytest.mark.parametrize("dim", DIMS)
def test_fake_kernels_give_the_shapes(dim: int) -> None:
    re, im = pair((2, 3, 11))
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(fourier_ops.fft.default, (re, im, dim), test_utils=checks)
    torch.library.opcheck(fourier_ops.rfft.default, (re, dim), test_utils=checks)
    half = fourier_ops.rfft(re, dim)
    length = re.shape[dim]
    torch.library.opcheck(fourier_ops.irfft.default, (*half, dim, length), test_utils=checks)
