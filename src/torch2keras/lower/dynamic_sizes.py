"""What converters do with sizes that may be dynamic: ask for them, count, and broadcast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import simplify_size
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Tensor, cast, float_dtype, one, ops
from torch2keras.lower.size_tensors import SizeTensors

_current: ContextVar[SizeTensors] = ContextVar("sizes")


@contextmanager
def measure_by(sizes: SizeTensors) -> Iterator[SizeTensors]:
    """Let the functions of this file take sizes from the graph that is being lowered."""
    token = _current.set(sizes)
    try:
        yield sizes
    finally:
        _current.reset(token)


def sizes_of(x: Operand) -> tuple[Size, ...]:
    """Return the stored shape of a converter's operand, dynamic sizes as expressions.

    Raises LookupError for a value that the converter has computed itself and given no sizes.
    """
    if not isinstance(x, Tensor):
        return x.shape
    if x.sizes is None:
        message = f"the sizes of {x} are unknown: operands have them, and what with_sizes is given"
        raise LookupError(message)
    return x.sizes


def size_tensor(size: Size) -> Any:
    """Return a scalar int32 tensor of a symbolic size, or the int itself.

    Raises LoweringError where the size's arithmetic is unknown.
    """
    return _current.get().scalar(size)


def count_positions(size: Size) -> Tensor:
    """Return 0, 1, ... `size - 1` as int32."""
    return ops.cumsum(_current.get().row(size), axis=0) - 1  # type: ignore[no-any-return]


def number_elements(shape: Sequence[Size]) -> Tensor:
    """Return the number of each element of this shape in the flat tensor, as int32."""
    *outer, last = map(simplify_size, shape)
    numbers, stride = count_positions(last), last
    for size in reversed(outer):
        first_of_row = count_positions(size) * size_tensor(stride)
        column = ops.reshape(first_of_row, (-1, *(1,) * numbers.ndim))
        numbers = ops.expand_dims(numbers, 0) + column
        stride = simplify_size(stride * size)
    return numbers


def make_ones(shape: Sequence[Size], dtype: Any) -> Tensor:
    """Return ones of a shape that may have dynamic sizes."""
    total: Any = None
    fixed = [1] * len(shape)
    for dim, size in enumerate(map(simplify_size, shape)):
        if isinstance(size, int):
            fixed[dim] = size
            continue
        along = [1] * len(shape)
        along[dim] = -1
        row = ops.reshape(_current.get().row(size), tuple(along))
        total = row if total is None else total * row
    if total is None:
        total = ops.reshape(one(float_dtype()), (1,) * len(shape))
    return cast(_tile(total, fixed), dtype)  # type: ignore[no-any-return]


def broadcast_to(x: Operand, shape: Sequence[Size], have: Sequence[Size] | None = None) -> Operand:
    """Return `x` with its dimensions of size one, and missing ones in front, stretched to `shape`.

    `have` is its own shape, which is asked for where it is not given.
    """
    own = tuple(map(simplify_size, sizes_of(x) if have is None else have))
    want = tuple(map(simplify_size, shape))
    if own == want:
        return x
    if all(isinstance(size, int) for size in want):
        return ops.broadcast_to(x, want)  # type: ignore[no-any-return]
    missing = len(want) - len(own)
    x = x.expand_dims(*range(missing))
    fixed: list[int] = [1] * len(want)
    dynamic: list[Size] = [1] * len(want)
    for dim, size in enumerate(want):
        if dim >= missing and own[dim - missing] != 1:
            continue
        if isinstance(size, int):
            fixed[dim] = size
        else:
            dynamic[dim] = size
    if any(size != 1 for size in dynamic):
        factor = make_ones(dynamic, x.dtype)
        x = ops.logical_and(x, factor) if x.is_bool else ops.multiply(x, factor)
    tiled: Operand = _tile(x, fixed)
    return tiled


def _tile(x: Any, counts: Sequence[int]) -> Any:
    """Return the tensor repeated along its dimensions; itself where each count is one."""
    if all(count == 1 for count in counts):
        return x
    return ops.tile(x, tuple(counts))
