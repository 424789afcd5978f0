"""Nesting: a deep graph is cut along the module tree into nested models.

Keras walks a Functional graph by recursion, and fails beyond about 990 calls on one path, when the model is built and
when it is loaded again. Nested models do not add up, and their names read like the module's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from torch2keras.keras_graph.graph import Call, KerasGraph

DEPTH_LIMIT = 400
"""Calls on one path of one (nest_calls) model: well below Python's default recursion limit of 1000 frames."""


@dataclass(frozen=True)
class Segment:
    """Consecutive calls that become one nested model."""

    path: str
    items: tuple[Call | Segment, ...]

    def calls(self) -> Iterator[Call]:
        """All calls inside, in order."""
        for item in self.items:
            if isinstance(item, Segment):
                yield from item.calls()
            else:
                yield item


def nest_calls(graph: KerasGraph, limit: int = DEPTH_LIMIT) -> tuple[Call | Segment, ...]:
    """The graph's calls, cut into segments where a path is longer than `limit`."""
    return _cut(graph.calls, "", limit)


def depth(items: Sequence[Call | Segment]) -> int:
    """The longest path through these items, a segment counting as one."""
    level: dict[int, int] = {}
    deepest = 0
    for item in items:
        calls = list(item.calls()) if isinstance(item, Segment) else [item]
        here = 1 + max((level.get(i, 0) for call in calls for i in call.reads()), default=0)
        level |= {i: here for call in calls for i in call.outputs}
        deepest = max(deepest, here)
    return deepest


@dataclass(frozen=True)
class _Run:
    """Consecutive calls; `nest` where they may become a nested model."""

    path: str
    nest: bool
    calls: tuple[Call, ...]


def _cut(calls: Sequence[Call], prefix: str, limit: int) -> tuple[Call | Segment, ...]:
    """By submodules; where that leaves a long path (code without submodules), in halves."""
    if depth(calls) <= limit:
        return tuple(calls)
    owners = [_child(call.origin.path, prefix) for call in calls]
    by_module = _segments(_runs(calls, [(owner, owner != prefix) for owner in owners]), limit)
    if depth(by_module) <= limit:
        return by_module
    middle = len(calls) // 2
    return _segments(
        [_Run(prefix, nest=True, calls=tuple(part)) for part in (calls[:middle], calls[middle:])],
        limit,
    )


def _segments(runs: Sequence[_Run], limit: int) -> tuple[Call | Segment, ...]:
    shared = _shared(runs)
    items: list[Call | Segment] = []
    for whole in runs:
        for run in _runs(
            whole.calls, [(whole.path, whole.nest and c.name not in shared) for c in whole.calls]
        ):
            nest = run.nest and len(run.calls) > 1
            items += (
                [Segment(run.path or "part", _cut(run.calls, run.path, limit))]
                if nest
                else run.calls
            )
    return tuple(items)


def _runs(calls: Sequence[Call], own: Sequence[tuple[str, bool]]) -> list[_Run]:
    """Consecutive calls with one owner."""
    pairs = zip(own, calls, strict=True)
    groups = groupby(pairs, key=lambda pair: pair[0])
    return [_Run(path, nest, tuple(call for _, call in run)) for (path, nest), run in groups]


def _shared(runs: Sequence[_Run]) -> frozenset[str]:
    """Layers that several runs call: Keras loses their weights when two nested models hold one layer (3.15.1)."""
    count = Counter(name for run in runs for name in {c.name for c in run.calls if c.weights})
    return frozenset(name for name, number in count.items() if number > 1)


def _child(path: str, prefix: str) -> str:
    """The module one step below `prefix` on the way to `path`; `prefix` itself for its own calls."""
    if path == prefix or (prefix and not path.startswith(f"{prefix}.")):
        return prefix
    below = path[len(prefix) + 1 :] if prefix else path
    step = below.partition(".")[0]
    return f"{prefix}.{step}" if prefix else step
