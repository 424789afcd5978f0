"""Bring one value from one storage into another: at most one transpose, and reshapes only where shapes differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch2keras.graph.ir import Size, Value
from torch2keras.graph.symbolic import simplify_size, size_product
from torch2keras.keras_graph.weight import Weight
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.storage import (
    Storage,
    count_dynamic_sizes,
    split_into_runs,
    storage_order,
    storage_shape,
)
from torch2keras.lower.dynamic_sizes import number_elements
from torch2keras.lower.recorder import Tensor, layers, ops


def rearrange(
    space: AxisSpace, value: Value, tensor: Tensor, source: Storage, target: Storage
) -> Tensor:
    """The tensor, stored in `source`, as `target` stores it."""
    have, want = storage_shape(space, value, source), storage_shape(space, value, target)
    if storage_order(space, value, source) == storage_order(space, value, target):
        return reshape(tensor, have, want)
    if sorted(source) == sorted(target) and len(set(source)) == len(source):
        return ops.transpose(tensor, [source.index(group) for group in target])  # type: ignore[no-any-return]
    runs = split_into_runs(space, value, source, target)
    sizes = space.sizes(value)
    place = {axis: k for k, axis in enumerate(storage_order(space, value, target))}
    order = sorted(range(len(runs)), key=lambda k: place[runs[k][0]])
    split = tuple(size_product([sizes[i] for i in run]) for run in runs)
    moved = ops.transpose(reshape(tensor, have, split), order)
    return reshape(moved, tuple(split[k] for k in order), want)


def arrange_weight(space: AxisSpace, value: Value, weight: Weight, target: Storage) -> Weight:
    """A constant, in PyTorch's order, as `target` stores it."""
    sizes = [int(s) for s in space.sizes(value)]
    order = [axis for group in target for axis in group]
    order += [axis for axis in range(len(sizes)) if axis not in order]
    shape = [math.prod(sizes[i] for i in group) for group in target]
    return weight.reshape(*sizes).transpose(*order).reshape(*shape)


def reshape(tensor: Tensor, have: Sequence[Size], want: Sequence[Size]) -> Tensor:
    """A reshape between stored shapes, in the form that leaves dynamic sizes alone.

    Keras computes one dimension of a reshape; where more of them are dynamic, the elements are taken by their numbers.
    Raises LoweringError where a size cannot be made in Keras.
    """
    have, want = tuple(map(simplify_size, have)), tuple(map(simplify_size, want))
    if have == want:
        return tensor
    if len(want) > 1 and have and have[0] == want[0] and count_dynamic_sizes(want[1:]) <= 1:
        inner = tuple(s if isinstance(s, int) else -1 for s in want[1:])
        if len(inner) == 1:
            return layers.Flatten()(tensor)  # type: ignore[no-any-return]
        return layers.Reshape(target_shape=inner)(tensor)  # type: ignore[no-any-return]
    if count_dynamic_sizes(want) <= 1:
        return ops.reshape(tensor, tuple(s if isinstance(s, int) else -1 for s in want))  # type: ignore[no-any-return]
    if [s for s in have if s != 1] == [s for s in want if s != 1]:
        return reshape_units(tensor, have, want)
    if (around := _between(have, want)) is not None:
        return _reshape_around(tensor, want, *around)
    return _taken(tensor, have, want)


def _taken(tensor: Tensor, have: Sequence[Size], want: Sequence[Size]) -> Tensor:
    """One dimension split into several by `take`; any other reshape by taking from the flat tensor."""
    shorter = min(len(have), len(want))
    before = next((i for i in range(shorter) if have[i] != want[i]), shorter)
    after = next(
        (i for i in range(shorter - before) if have[-1 - i] != want[-1 - i]), shorter - before
    )
    if before + 1 + after == len(have):
        return ops.take(tensor, number_elements(want[before : len(want) - after]), axis=before)  # type: ignore[no-any-return]
    return ops.take(ops.reshape(tensor, (-1,)), number_elements(want), axis=0)  # type: ignore[no-any-return]


def reshape_units(tensor: Tensor, have: Sequence[Size | None], want: Sequence[Size]) -> Tensor:
    """Only dimensions of size one come and go."""
    gone = [i for i, s in enumerate(have) if s == 1]
    if gone:
        tensor = ops.squeeze(tensor, axis=tuple(gone))
    for position, size in enumerate(want):
        if size == 1:
            tensor = ops.expand_dims(tensor, axis=position)
    return tensor


def _between(have: Sequence[Size], want: Sequence[Size]) -> tuple[int, int] | None:
    """The place in both shapes of a dynamic dimension that the reshape leaves alone, if one more is computed."""
    for i, size in enumerate(have):
        if isinstance(size, int) or count_dynamic_sizes(want) > 2:
            continue
        for j in (k for k, other in enumerate(want) if other == size):
            if size_product(have[:i]) == size_product(want[:j]):
                return i, j
    return None


def _reshape_around(tensor: Tensor, want: Sequence[Size], i: int, j: int) -> Tensor:
    """Dimension i, which becomes j, stands first meanwhile: a `Reshape` layer leaves the first dimension alone."""
    rank = tensor.ndim
    front = ops.transpose(tensor, (i, *(d for d in range(rank) if d != i))) if i else tensor
    inner = tuple(s if isinstance(s, int) else -1 for k, s in enumerate(want) if k != j)
    made = layers.Reshape(target_shape=inner)(front)
    back = [d + 1 if d < j else d for d in range(len(want))]
    back[j] = 0
    return ops.transpose(made, back) if j else made  # type: ignore[no-any-return]
