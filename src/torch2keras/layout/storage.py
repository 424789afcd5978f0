"""Storage: how a value's axes lie in the dimensions of the stored tensor.

A storage is a tuple of groups; each group is the axes (by number, in stored order) that one stored
dimension holds. An empty group is a dimension of size one. Axes longer than one stand in exactly
one group; those of size one may be left out, a reshape brings them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TypeVar

from torch2keras.graph.ir import Size, Value
from torch2keras.graph.symbolic import simplify_size, size_product
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.signatures import Order

Group = tuple[int, ...]
Storage = tuple[Group, ...]

Item = TypeVar("Item")


def storage_shape(space: AxisSpace, value: Value, storage: Storage) -> tuple[Size, ...]:
    """Return the shape of the stored tensor."""
    sizes = space.sizes(value)
    return tuple(size_product(list(map(sizes.__getitem__, group))) for group in storage)


def storage_order(space: AxisSpace, value: Value, storage: Storage) -> Order:
    """Return the order of the axes longer than one."""
    solid = space.solid(value)
    order: list[int] = []
    for group in storage:
        order += filter(solid.__contains__, group)
    return tuple(order)


def natural_storage(space: AxisSpace, value: Value, order: Order) -> Storage:
    """Return the storage of an order in which neighbouring axes of one dimension share one.

    Axes of size one that the order lacks lie behind the dimension before their own.
    """
    dims = space.dim_of(value)
    return add_units(space, value, chain_neighbours(order, lambda a, b: dims[a] == dims[b]))


def torch_storage(space: AxisSpace, value: Value) -> Storage:
    """Return the storage of the dimensions as they are in PyTorch."""
    groups: list[list[int]] = [[] for _ in range(value.type.rank)]
    for axis, dim in enumerate(space.dim_of(value)):
        groups[dim].append(axis)
    return tuple(map(tuple, groups))


def is_port_storage(space: AxisSpace, value: Value, storage: Storage) -> bool:
    """Return whether each stored dimension is one of PyTorch's, and a batch of one the first."""
    whole = torch_storage(space, value)
    if sorted(storage) != sorted(whole):
        return False
    has_one_first = bool(whole) and value.type.shape[0] == 1
    return not has_one_first or storage[0] == whole[0]


def chain_neighbours(
    items: Iterable[Item], are_together: Callable[[Item, Item], bool]
) -> list[list[Item]]:
    """Return the items in runs: each but the first of a run belongs to the one before it."""
    runs: list[list[Item]] = []
    for item in items:
        if runs and are_together(runs[-1][-1], item):
            runs[-1].append(item)
        else:
            runs.append([item])
    return runs


def add_units(space: AxisSpace, value: Value, groups: Iterable[Sequence[int]]) -> Storage:
    """Return a storage with all axes of size one, each behind the dimension before its own."""
    dims, groups = space.dim_of(value), list(groups)
    placed = set(chain.from_iterable(groups))
    for axis, dim in enumerate(dims):
        if axis not in placed:
            place = 0
            for number, group in enumerate(groups, 1):
                if any(dims[other] == dim - 1 for other in group):
                    place = number
            groups.insert(place, [axis])
    return tuple(map(tuple, groups))


def split_into_runs(
    space: AxisSpace, value: Value, source: Storage, target: Storage
) -> list[Group]:
    """Return the source's axes in runs that stay together on the way to the target.

    The runs are in the source's order; axes of size one are in none.
    """
    solid = set(space.solid(value))
    place: dict[int, tuple[int, int]] = {}
    for number, group in enumerate(target):
        for position, axis in enumerate(filter(solid.__contains__, group)):
            place[axis] = number, position

    def stay_together(a: int, b: int) -> bool:
        number, position = place[a]
        return place[b] == (number, position + 1)

    runs: list[Group] = []
    for group in source:
        axes = filter(solid.__contains__, group)
        runs += map(tuple, chain_neighbours(axes, stay_together))
    return runs


def count_dynamic_sizes(shape: Sequence[Size]) -> int:
    """Return how many sizes are symbolic."""
    return sum(not isinstance(simplify_size(size), int) for size in shape)
