"""Resizing along an axis of dynamic length: elements taken at computed places, and weighted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

from torch2keras.graph.ir import Size
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.dynamic_sizes import count_positions, size_tensor
from torch2keras.lower.recorder import Tensor, cast, float_dtype, ops
from torch2keras.ops.blocks.operands import reshape_along


class Places(NamedTuple):
    """Where outputs lie: the element on the left of each, and the distance from it in [0, 1)."""

    left: Tensor
    distance: Tensor


def _divide(numbers: Tensor, by: Any) -> Places:
    """Return fractions as places, in whole numbers: float32 would be 1e-5 off at the place 300."""
    left = ops.floor_divide(numbers, by)
    rest = cast(numbers - left * by, float_dtype())
    return Places(
        left, ops.divide(rest, cast(by, float_dtype()) if isinstance(by, Operand) else by)
    )


@dataclass(frozen=True)
class Grid:
    """Where the outputs of a resized axis lie among its inputs."""

    before: Size
    """The number of inputs."""
    after: Size
    """The number of outputs."""
    step: float | None = None
    """How many inputs one output is; None where that is `before / after`."""

    def step_tensor(self) -> Any:
        """Return `step`, as a number or a tensor."""
        if self.step is not None:
            return self.step
        return ops.divide(_as_float(self.before), _as_float(self.after))

    def middles(self, *, inside: bool) -> Places:
        """Return the places of the outputs where both grids cover the same length.

        Output i lies at (i + 1/2) before / after - 1/2; `inside` moves what lies before the first
        element onto it. Raises LoweringError where no row of so many numbers can be made.
        """
        if self.step is not None:
            places = (cast(count_positions(self.after), float_dtype()) + 0.5) * self.step - 0.5
            if inside:
                places = ops.maximum(places, 0)
            left = ops.floor(places)
            return Places(cast(left, "int32"), places - left)
        after = size_tensor(self.after)
        numbers = (count_positions(self.after) * 2 + 1) * size_tensor(self.before) - after
        return _divide(ops.maximum(numbers, 0) if inside else numbers, 2 * after)

    def corners(self) -> Places:
        """Return the places of the outputs where the outer elements stay where they are."""
        numbers = count_positions(self.after) * (size_tensor(self.before) - 1)
        return _divide(numbers, ops.maximum(size_tensor(self.after) - 1, 1))

    def clip(self, places: Tensor) -> Tensor:
        """Return places in int32, those outside moved to the outer elements."""
        numbers = ops.maximum(cast(places, "int32"), 0)
        return ops.minimum(numbers, size_tensor(self.before) - 1)


def _as_float(size: Size) -> Any:
    tensor = size_tensor(size)
    return cast(tensor, float_dtype()) if isinstance(tensor, Operand) else float(tensor)


def take_neighbours(
    x: Tensor,
    axis: int,
    grid: Grid,
    places: Places,
    kernel: Callable[[Tensor], Sequence[Tensor]],
) -> Tensor:
    """Return the sums of the neighbours of each place; the ends of `x` are repeated.

    `kernel` gives their weights by the distance from the element on the left.
    """
    weights = kernel(places.distance)
    parts = []
    for number, weight in enumerate(weights):
        index = grid.clip(places.left + (number + 1 - len(weights) // 2))
        factor = reshape_along(cast(weight, x.dtype), [axis], x.ndim)
        parts.append(ops.take(x, index, axis=axis) * factor)
    return reduce(ops.add, parts)


def take_at_outputs(x: Tensor, axis: int, grid: Grid, shift: float) -> Tensor:
    """Return the element in which each output begins, or with a shift of 0.5 has its middle."""
    numbers = cast(count_positions(grid.after), float_dtype())
    if shift:
        numbers = numbers + shift
    index = grid.clip(ops.floor(numbers * grid.step_tensor()))
    return ops.take(x, index, axis=axis)
