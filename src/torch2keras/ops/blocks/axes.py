"""Stored axes in the words of a Keras user."""

from __future__ import annotations

from collections.abc import Sequence


def as_keras_axis(axis: int, ndim: int) -> int:
    """The axis of a tensor of `ndim` dimensions, with -1 for the last one."""
    return -1 if axis == ndim - 1 else axis


def as_keras_axes(axes: Sequence[int], ndim: int) -> int | list[int]:
    """One axis as a number, several as an ordered list."""
    if len(axes) == 1:
        return as_keras_axis(axes[0], ndim)
    return sorted(axes)
