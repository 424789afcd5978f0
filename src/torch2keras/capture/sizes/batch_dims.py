"""Which dim of each tensor is the batch: the first by convention, another for recurrent states.

The states of an LSTM are (layers, batch, units). Nothing says so but the module: it is run on
examples that stand twice behind themselves along one dim of each tensor, until it takes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product

from torch import nn

from torch2keras.capture.example_inputs import ExampleCall, double_batch
from torch2keras.errors import InputError
from torch2keras.runtime.isolation import isolate_module
from torch2keras.runtime.native_attributes import instance_dict, is_native, submodules

BatchDims = Mapping[int, int]
"""The dim that is the batch, by the position of a tensor among those of the call."""

MOST_TRIALS = 16

Shapes = Mapping[int, tuple[int, ...]]
"""The shapes of the tensors that have dims, by their positions."""


def find_batch_dims(call: ExampleCall) -> BatchDims:
    """Return the batch of each tensor that has one.

    It is dim 0 of each where the module takes that, where no other dim has the size of a batch, and
    where it takes none of the others either.
    """
    shapes: dict[int, tuple[int, ...]] = {}
    for position, tensor in enumerate(call.example.tensors()):
        if tensor.ndim:
            shapes[position] = tuple(tensor.shape)
    by_convention = dict.fromkeys(shapes, 0)
    if not _may_lie_elsewhere(list(shapes.values())) or _runs_doubled(call, by_convention):
        return by_convention
    others = list(islice(_list_others(shapes), MOST_TRIALS))
    if is_time_first(call.module):
        others.sort(key=_may_be_time)
    for dims in others:
        if _runs_doubled(call, dims):
            return dims
    return by_convention


def _may_lie_elsewhere(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether a later dim of a tensor has a size of the first one that could be the batch's.

    That is the first tensor's dim 0; where the tensors differ there, any size of it.
    """
    if len(shapes) < 2:
        return False
    first, *others = shapes
    differ = any(shape[0] != first[0] for shape in others)
    batch_sizes = set(first) if differ else {first[0]}
    return any(batch_sizes & set(shape[1:]) for shape in others)


def is_time_first(module: nn.Module) -> bool:
    """Whether a recurrent layer of a module takes sequences with the time as their dim 0."""
    for part in submodules(module).values():
        if is_native(part, nn.RNNBase) and not (instance_dict(part) or {}).get("batch_first"):
            return True
    return False


def _may_be_time(dims: BatchDims) -> bool:
    """Whether these dims may as well be the time: dim 0 of one tensor alone."""
    return list(dims.values()) == [0]


def _list_others(shapes: Shapes) -> Iterator[dict[int, int]]:
    """Yield what else could be the batch: a dim of the first tensor, those of its size in others.

    Tensors of one shape have it in one place. A tensor may have none.
    """
    (leader, shape), *others = shapes.items()
    kinds = list(dict.fromkeys(other for _, other in others))
    for dim, size in enumerate(shape):
        for chosen in product(*(_find_places(kind, size) for kind in kinds)):
            dims = {leader: dim}
            for position, kind in others:
                place = chosen[kinds.index(kind)]
                if place is not None:
                    dims[position] = place
            if len(dims) > 1 or dim == 0:
                yield dims


def _find_places(shape: tuple[int, ...], size: int) -> list[int | None]:
    """Return the dims of a size, and None for no dim."""
    return [*(dim for dim, own in enumerate(shape) if own == size), None]


def _runs_doubled(call: ExampleCall, dims: BatchDims) -> bool:
    doubled = ExampleCall(call.module, double_batch(call.example, dims), call.bound)
    try:
        with isolate_module(call.module):
            doubled.run()
    except InputError:
        return False
    return True
