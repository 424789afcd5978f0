"""The blocks that a whole model is made of: where one ends, its code says what shape it gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from torch2keras.keras_graph.graph import Call
from torch2keras.keras_graph.source.lines import CallTree, Line, common_path
from torch2keras.keras_graph.source.loops import Item
from torch2keras.keras_graph.source.regions import CONTAINERS

LARGEST_SHARE = 0.5
"""Part of all calls beyond which a module is no block itself, but what holds the blocks."""


class BlockFinder:
    """The modules that are looked at as the blocks of a model."""

    def __init__(self, calls: Sequence[Call], classes: Mapping[str, str]) -> None:
        self.classes = classes
        counts: Counter[str] = Counter()
        for call in calls:
            counts.update(_paths_around(call.origin.path))
        most = LARGEST_SHARE * len(calls)
        self.holders = {path for path, count in counts.items() if count > most}
        """Modules that hold most of the model."""

    def find_block(self, path: str) -> str:
        """Return the outermost module around a path that is a block, or the path itself."""
        for outer in _paths_around(path):
            if outer not in self.holders and self.classes.get(outer, "") not in CONTAINERS:
                return outer
        return path

    def find_class(self, items: Iterable[Item]) -> str:
        """Return the class of the module whose code most of these items are, or ""."""
        paths = list(_yield_paths(items))
        counts: Counter[str] = Counter()
        for path in paths:
            counts.update(_paths_around(path))
        found = ""
        for path, count in counts.items():
            if 4 * count >= 3 * len(paths) and self.classes.get(path, "") not in CONTAINERS:
                found = max(found, path, key=len)
        return self.classes.get(found, "") if found else ""


def find_owners(lines: Iterable[Line]) -> list[str]:
    """Return the paths of the modules whose own code these lines are, the whole module first.

    A call of a function of ours is the code of what is around that function's module.
    """
    found = {"": None}
    for line in lines:
        paths = _paths_around(line.path)
        is_call = isinstance(line.tree, CallTree) and isinstance(line.tree.function, int)
        found.update(dict.fromkeys(paths[:-1] if is_call else paths))
    return list(found)


def _yield_paths(items: Iterable[Item]) -> Iterable[str]:
    for item in items:
        if isinstance(item, Line):
            yield item.path
        else:
            yield from _yield_paths(item.items)


def _paths_around(path: str) -> list[str]:
    """Return the paths of the modules around a path and itself, outermost first."""
    steps = path.split(".") if path else []
    return [".".join(steps[: end + 1]) for end in range(len(steps))]


def path_of(item: Item) -> str:
    """Return the path of the innermost module that holds an item."""
    return common_path(list(_yield_paths([item])))
