"""Nesting: a deep graph is cut along the module tree into nested models.

Keras walks a Functional graph by recursion, one frame a call, when a model is built, cloned, and
loaded again: `_build_map_helper` in keras/src/ops/function.py. Of Python's 1000 frames it takes 14
to 18 itself on each backend, so that 982 calls on one path are the most, by a caller at the top of
the program. The depths of nested models do not add up, and their names read like the module's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from torch2keras.keras_graph.graph import Call, KerasGraph
from torch2keras.keras_graph.layer_names import make_unique, sanitize

DEPTH_LIMIT = 800
"""Calls on one path of one (nested) model, which leaves its callers more than 150 frames.

A notebook, pytest or a web server that loads the model takes 30 to 80 of these.
"""


@dataclass(frozen=True)
class Segment:
    """Consecutive calls that become one nested model."""

    path: str
    """The path of the module that made them; "part" where code without submodules is halved."""
    items: tuple[Call | Segment, ...]

    def calls(self) -> Iterator[Call]:
        """Yield all calls inside, in order."""
        for item in self.items:
            yield from calls_of(item)


def calls_of(item: Call | Segment) -> Iterator[Call]:
    """Yield the calls of an item, in order."""
    if isinstance(item, Segment):
        yield from item.calls()
    else:
        yield item


@dataclass(frozen=True)
class SegmentPorts:
    """A nested model's name, and the values that it takes and gives, in order."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def find_segment_ports(
    items: Sequence[Call | Segment], outside: Collection[int], taken: Collection[str]
) -> dict[int, SegmentPorts]:
    """Return the ports of each segment by its id, those within segments too.

    `outside` are the values that are read behind the items, `taken` the names that layers have.
    """
    found: dict[int, SegmentPorts] = {}
    _collect_ports(items, set(outside), set(taken), found)
    return found


def _collect_ports(
    items: Sequence[Call | Segment],
    outside: set[int],
    names: set[str],
    found: dict[int, SegmentPorts],
) -> None:
    read_later = _find_read_later(items, outside)
    for item, later in zip(items, read_later, strict=True):
        if not isinstance(item, Segment):
            continue
        inputs: dict[int, None] = {}
        made: set[int] = set()
        given: list[int] = []
        for call in item.calls():
            inputs.update(dict.fromkeys(index for index in call.reads() if index not in made))
            made.update(call.outputs)
            given += filter(later.__contains__, call.outputs)
        _collect_ports(item.items, set(given), names, found)
        name = make_unique(sanitize(item.path), names)
        names.add(name)
        found[id(item)] = SegmentPorts(name, tuple(inputs), tuple(given))


def _find_read_later(items: Sequence[Call | Segment], outside: set[int]) -> list[set[int]]:
    """Return, for each segment, the values that are read behind it; an empty set for a call."""
    read_later: list[set[int]] = []
    wanted = set(outside)
    for item in reversed(items):
        read_later.append(set(wanted) if isinstance(item, Segment) else set())
        for call in calls_of(item):
            wanted.update(call.reads())
    return read_later[::-1]


def nest_calls(graph: KerasGraph, limit: int = DEPTH_LIMIT) -> tuple[Call | Segment, ...]:
    """Return the graph's calls, cut into segments where a path is longer than `limit` calls."""
    return _cut(graph.calls, "", limit)


def depth(items: Sequence[Call | Segment]) -> int:
    """Return the length of the longest path through these items, a segment counting as one."""
    level: dict[int, int] = {}
    deepest = 0
    for item in items:
        before = 0
        made: list[int] = []
        for call in calls_of(item):
            before = max([before, *(level.get(index, 0) for index in call.reads())])
            made += call.outputs
        level.update(dict.fromkeys(made, before + 1))
        deepest = max(deepest, before + 1)
    return deepest


@dataclass(frozen=True)
class _Run:
    """Consecutive calls of one module; `may_nest` where they may become a nested model."""

    path: str
    may_nest: bool
    calls: tuple[Call, ...]


def _cut(calls: Sequence[Call], path: str, limit: int) -> tuple[Call | Segment, ...]:
    """Cut the calls of a module by its submodules; where a long path is left, in halves."""
    if depth(calls) <= limit:
        return tuple(calls)
    keys = []
    for call in calls:
        owner = _child(call.origin.path, path)
        keys.append((owner, owner != path))
    runs = _group(calls, keys)
    by_module = _make_segments(runs, limit)
    if depth(by_module) <= limit:
        return by_module
    middle = len(calls) // 2
    first, second = tuple(calls[:middle]), tuple(calls[middle:])
    halves = _Run(path, may_nest=True, calls=first), _Run(path, may_nest=True, calls=second)
    return _make_segments(halves, limit)


def _make_segments(runs: Sequence[_Run], limit: int) -> tuple[Call | Segment, ...]:
    """Return the runs as segments, cut further, and the calls between them that must stay outside.

    These are the calls of shared layers: Keras 3.15.1 loses the weights of a layer that two nested
    models hold.
    """
    outside = _find_shared_layers(runs)
    items: list[Call | Segment] = []
    for whole in runs:
        keys = [(whole.path, whole.may_nest and call.name not in outside) for call in whole.calls]
        for run in _group(whole.calls, keys):
            if run.may_nest and len(run.calls) > 1:
                items.append(Segment(run.path or "part", _cut(run.calls, run.path, limit)))
            else:
                items += run.calls
    return tuple(items)


def _group(calls: Sequence[Call], keys: Sequence[tuple[str, bool]]) -> list[_Run]:
    """Return the consecutive calls that have one key each: a path, and whether they may nest."""
    pairs = zip(keys, calls, strict=True)
    groups = groupby(pairs, key=lambda pair: pair[0])
    runs = []
    for (path, may_nest), group in groups:
        runs.append(_Run(path, may_nest, tuple(call for _, call in group)))
    return runs


def _find_shared_layers(runs: Sequence[_Run]) -> Collection[str]:
    """Return the names of the layers with weights that several runs call."""
    count: Counter[str] = Counter()
    for run in runs:
        count.update({call.name for call in run.calls if call.weights})
    return {name for name, number in count.items() if number > 1}


def _child(path: str, prefix: str) -> str:
    """Return the module one step below `prefix` on the way to `path`, or `prefix` for its own."""
    if path == prefix or (prefix and not path.startswith(f"{prefix}.")):
        return prefix
    if not prefix:
        return path.partition(".")[0]
    step = path[len(prefix) + 1 :].partition(".")[0]
    return f"{prefix}.{step}"
