"""What passes leave behind is cleared away: calls that nothing reads, and gaps in the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch2keras.keras_graph.graph import Call, Ref, map_refs


@dataclass(frozen=True)
class Compact:
    """The calls that are left, the outputs, and the new number of each value that is left."""

    calls: tuple[Call, ...]
    outputs: tuple[int, ...]
    numbers: Mapping[int, int]


def compact_calls(calls: Sequence[Call], inputs: int, outputs: Sequence[int]) -> Compact:
    """Drop the calls that nothing reads, and number the values in the order in which they are made.

    The first `inputs` values are the graph's inputs, which stay.
    """
    kept = keep_needed(calls, outputs)
    numbers = {index: index for index in range(inputs)}
    for call in kept:
        for index in call.outputs:
            numbers[index] = len(numbers)
    moved = tuple(_renumber(call, numbers) for call in kept)
    return Compact(moved, tuple(numbers[index] for index in outputs), numbers)


def keep_needed(calls: Sequence[Call], outputs: Sequence[int]) -> list[Call]:
    """Return the calls on which the outputs depend, in their order."""
    needed = set(outputs)
    kept = []
    for call in reversed(calls):
        if needed.intersection(call.outputs):
            kept.append(call)
            needed.update(call.reads())
    return kept[::-1]


def _renumber(call: Call, numbers: Mapping[int, int]) -> Call:
    """Return a call that reads and makes the values by their new numbers."""

    def move(item: Any) -> Any:
        return Ref(numbers[item.index]) if isinstance(item, Ref) else item

    return replace(
        call,
        args=map_refs(call.args, move),
        kwargs={name: map_refs(value, move) for name, value in call.kwargs.items()},
        outputs=tuple(numbers[index] for index in call.outputs),
    )
