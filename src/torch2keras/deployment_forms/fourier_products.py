"""Fourier transforms of known lengths as matrix products.

LiteRT transforms real numbers alone, forwards, and of a power of two; its kernel is slower than the
product for lengths of spectrograms, and cannot be quantised.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from torch2keras.deployment_forms.rank4 import lower_rank
from torch2keras.deployment_forms.rules import rule
from torch2keras.keras_graph.graph import Call

MOST_POINTS = 2048
"""The longest transform that is one product: its matrices have as many rows and columns."""


def fourier_angles(rows: int, columns: int, length: int) -> np.ndarray:
    """Return 2 pi j k / length for rows j and columns k, in float64, reduced to one turn."""
    turns = np.outer(np.arange(rows), np.arange(columns)) % length
    return 2 * math.pi / length * turns


def multiply_last(x: tf.Tensor, matrix: np.ndarray) -> tf.Tensor:
    """Return the product of the last dimension with a matrix, as one of two dimensions."""
    rows = tf.reshape(x, [-1, x.shape[-1]])
    product = tf.matmul(rows, tf.constant(matrix, x.dtype))
    return tf.reshape(product, [*x.shape[:-1], matrix.shape[1]])


@rule("ops.rfft")
def transform_real(_call: Call, x: Any, fft_length: int | None = None) -> Any:
    """The transform of real numbers: one product with cosines and negative sines, side by side."""
    x = lower_rank(x)
    n = x.shape[-1]
    if fft_length not in (None, n) or n > MOST_POINTS:
        return NotImplemented
    half = n // 2 + 1
    angles = fourier_angles(n, half, n)
    both = multiply_last(x, np.concatenate([np.cos(angles), -np.sin(angles)], 1))
    return tf.split(both, 2, axis=-1)


@rule("ops.irfft")
def transform_back(_call: Call, x: Any, fft_length: int | None = None) -> Any:
    """The real numbers of a half spectrum: one product; imaginary parts at both ends count not."""
    re, im = map(lower_rank, x)
    half = re.shape[-1]
    n = fft_length or 2 * (half - 1)
    if n // 2 + 1 != half or n > MOST_POINTS:
        return NotImplemented
    angles = fourier_angles(half, n, n)
    twice = np.full((half, 1), 2.0)
    twice[0] = 1
    if n % 2 == 0:
        twice[-1] = 1
    matrix = np.concatenate([np.cos(angles) * twice, -np.sin(angles) * twice], 0) / n
    return multiply_last(tf.concat([re, im], -1), matrix)


@rule("ops.fft")
def transform_complex(_call: Call, x: Any) -> Any:
    """The transform of complex numbers: one product of both parts side by side."""
    re, im = map(lower_rank, x)
    n = re.shape[-1]
    if n > MOST_POINTS:
        return NotImplemented
    angles = fourier_angles(n, n, n)
    cos, sin = np.cos(angles), np.sin(angles)
    matrix = np.block([[cos, -sin], [sin, cos]])
    return tf.split(multiply_last(tf.concat([re, im], -1), matrix), 2, axis=-1)
