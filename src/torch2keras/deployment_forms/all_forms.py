"""Imports each module that registers forms or rules."""

from torch2keras.deployment_forms import (
    fourier_products,
    group_statistics,
    interleaved_convolution,
    rank4,
    recurrence,
    resizing,
    transposes,
)

__all__ = [
    "fourier_products",
    "group_statistics",
    "interleaved_convolution",
    "rank4",
    "recurrence",
    "resizing",
    "transposes",
]
