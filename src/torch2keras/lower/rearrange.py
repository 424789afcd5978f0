"""The moves between two storages of a value: at most one transpose, reshapes if shapes differ."""

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
    """Return the tensor, stored in `source`, as `target` stores it."""
    have, want = storage_shape(space, value, source), storage_shape(space, value, target)
    if storage_order(space, value, source) == storage_order(space, value, target):
        return reshape(tensor, have, want)
    if sorted(source) == sorted(target) and len(set(source)) == len(source):
        return ops.transpose(tensor, list(map(source.index, target)))  # type: ignore[no-any-return]
    runs = split_into_runs(space, value, source, target)
    sizes = space.sizes(value)
    split, first_axes = [], []
    for run in runs:
        split.append(size_product([sizes[axis] for axis in run]))
        first_axes.append(run[0])
    in_target = filter(first_axes.__contains__, storage_order(space, value, target))
    order = list(map(first_axes.index, in_target))
    moved = ops.transpose(reshape(tensor, have, split), order)
    return reshape(moved, list(map(split.__getitem__, order)), want)


def arrange_weight(space: AxisSpace, value: Value, weight: Weight, target: Storage) -> Weight:
    """Return a constant, in PyTorch's order, as `target` stores it."""
    sizes = list(map(int, space.sizes(value)))
    order: list[int] = []
    shape = []
    for group in target:
        order += group
        shape.append(math.prod(sizes[axis] for axis in group))
    order += [axis for axis in range(len(sizes)) if axis not in order]
    return weight.reshape(*sizes).transpose(*order).reshape(*shape)


def reshape(tensor: Tensor, have: Sequence[Size], want: Sequence[Size]) -> Tensor:
    """Return the tensor, of the stored shape `have`, in the shape `want`.

    Of the ways to do so it takes the first that leaves dynamic sizes alone. Keras computes one
    dimension of a reshape; where more of them are dynamic, elements are taken by their numbers.
    Raises LoweringError where a size cannot be made in Keras.
    """
    have, want = tuple(map(simplify_size, have)), tuple(map(simplify_size, want))
    if have == want:
        return tensor
    keeps_first = len(want) > 1 and have and have[0] == want[0]
    if keeps_first and count_dynamic_sizes(want[1:]) <= 1:
        return _reshape_behind_first(tensor, want[1:])
    if count_dynamic_sizes(want) <= 1:
        return ops.reshape(tensor, _with_one_computed(want))  # type: ignore[no-any-return]
    if _without_ones(have) == _without_ones(want):
        return reshape_units(tensor, have, want)
    kept = _find_kept_dim(have, want)
    if kept is not None:
        return _reshape_around(tensor, want, *kept)
    return _take_elements(tensor, have, want)


def _with_one_computed(shape: Sequence[Size]) -> tuple[int, ...]:
    """Return a shape as Keras takes it, with -1 for its one dynamic size."""
    return tuple(size if isinstance(size, int) else -1 for size in shape)


def _without_ones(shape: Sequence[Size]) -> list[Size]:
    return [size for size in shape if size != 1]


def _reshape_behind_first(tensor: Tensor, inner: Sequence[Size]) -> Tensor:
    """Reshape all dimensions but the first, by a layer."""
    if len(inner) == 1:
        return layers.Flatten()(tensor)  # type: ignore[no-any-return]
    layer = layers.Reshape(target_shape=_with_one_computed(inner))
    return layer(tensor)  # type: ignore[no-any-return]


def _take_elements(tensor: Tensor, have: Sequence[Size], want: Sequence[Size]) -> Tensor:
    """Split one dimension into several by `take`, or take all elements from the flat tensor."""
    before = _count_equal(have, want)
    after = _count_equal(have[before:][::-1], want[before:][::-1])
    if before + 1 + after == len(have):
        parts = want[before : len(want) - after]
        return ops.take(tensor, number_elements(parts), axis=before)  # type: ignore[no-any-return]
    flat = ops.reshape(tensor, (-1,))
    return ops.take(flat, number_elements(want), axis=0)  # type: ignore[no-any-return]


def _count_equal(first: Sequence[Size], second: Sequence[Size]) -> int:
    """Return how many sizes both shapes begin with."""
    count = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        count += 1
    return count


def reshape_units(tensor: Tensor, have: Sequence[Size | None], want: Sequence[Size]) -> Tensor:
    """Return the tensor with dimensions of size one taken out and put in, and no other changed."""
    gone = [dim for dim, size in enumerate(have) if size == 1]
    tensor = tensor.squeeze(*gone)
    for dim, size in enumerate(want):
        if size == 1:
            tensor = tensor.expand_dims(dim)
    return tensor


def _find_kept_dim(have: Sequence[Size], want: Sequence[Size]) -> tuple[int, int] | None:
    """Return the place in both shapes of a dynamic dimension that the reshape leaves alone.

    None where there is none, or where more than one other has to be computed.
    """
    if count_dynamic_sizes(want) > 2:
        return None
    for i, size in enumerate(have):
        if isinstance(size, int):
            continue
        for j, other in enumerate(want):
            if other == size and size_product(have[:i]) == size_product(want[:j]):
                return i, j
    return None


def _reshape_around(tensor: Tensor, want: Sequence[Size], i: int, j: int) -> Tensor:
    """Reshape around dimension i, which becomes j.

    It stands first meanwhile, as a `Reshape` layer leaves the first dimension alone.
    """
    front = tensor.transpose(i, *range(i), *range(i + 1, tensor.ndim))
    inner = [*want[:j], *want[j + 1 :]]
    made: Tensor = layers.Reshape(target_shape=_with_one_computed(inner))(front)
    back = list(range(1, len(want)))
    back.insert(j, 0)
    return made.transpose(*back)
