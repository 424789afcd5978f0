"""Imports each module that registers forms or rules."""

from torch2keras.deployment_forms import (
    attention,
    convolution,
    fourier_products,
    group_statistics,
    interleaved_convolution,
    parts,
    places,
    products,
    rank4,
    recurrence,
    resizing,
    rows,
    shuffled_pixels,
    transposes,
)

__all__ = [
    "attention",
    "convolution",
    "fourier_products",
    "group_statistics",
    "interleaved_convolution",
    "parts",
    "places",
    "products",
    "rank4",
    "recurrence",
    "resizing",
    "rows",
    "shuffled_pixels",
    "transposes",
]
