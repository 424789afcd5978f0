"""Transposes of many dimensions as some of few: LiteRT has none of more than six."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from torch2keras.deployment_forms.rank4 import lower_rank
from torch2keras.deployment_forms.rules import rule
from torch2keras.keras_graph.graph import Call

MOST_DIMS = 6
"""The largest rank of LiteRT's TRANSPOSE."""


@rule("ops.transpose")
def transpose(_call: Call, x: Any, axes: Any = None) -> Any:
    """A transpose of dimensions that are moved together as one; where none moves, a reshape."""
    x = lower_rank(x)
    if axes is None:
        axes = range(x.shape.rank)[::-1]
    order = list(axes)
    shape = [x.shape[dim] for dim in order]
    sizes, moves = merge_dims(list(x.shape), order)
    if moves == sorted(moves):
        return tf.reshape(x, shape)
    if x.shape.rank <= MOST_DIMS:
        return NotImplemented
    while len(sizes) > MOST_DIMS:
        x, sizes, moves = move_to_front(x, sizes, moves)
    return tf.reshape(tf.transpose(tf.reshape(x, sizes), moves), shape)


def merge_dims(shape: Sequence[int], order: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the shape and order of a transpose with dimensions that stay neighbours as one.

    Those of size one are left out.
    """
    kept = [dim for dim in order if shape[dim] != 1]
    rank = dict(zip(sorted(kept), range(len(kept)), strict=True))
    runs: list[list[int]] = []
    for dim in kept:
        if runs and rank[dim] == rank[runs[-1][-1]] + 1:
            runs[-1].append(dim)
        else:
            runs.append([dim])
    by_place = sorted(runs)
    sizes = [math.prod(shape[run[0] : run[-1] + 1]) for run in by_place]
    return sizes, list(map(by_place.index, runs))


def move_to_front(
    x: tf.Tensor, sizes: Sequence[int], moves: Sequence[int]
) -> tuple[tf.Tensor, list[int], list[int]]:
    """Put the two dimensions in place that the transpose ends with, so that they are one.

    Returns the tensor, and what is left to do.
    """
    *others, second, last = moves
    order = [*sorted(others), second, last]
    merged, steps = merge_dims(sizes, order)
    moved = tf.transpose(tf.reshape(x, merged), steps)
    left = list(map(order.index, moves))
    return moved, *merge_dims(list(map(sizes.__getitem__, order)), left)
