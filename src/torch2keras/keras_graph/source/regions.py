"""The lines grouped by the module that they come from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch2keras.keras_graph.source.lines import Line

CONTAINERS = frozenset(["", "Sequential", "ModuleList", "ModuleDict"])
"""Classes that say nothing of what they hold; their lines belong to the module around."""

LEAF_LINES = 3
"""Lines of a module without submodules that stand in the module around it."""


@dataclass(eq=False)
class Region:
    """The lines of one call of a module, those of its submodules in regions within."""

    path: str
    cls: str
    items: list[Line | Region] = field(default_factory=list)

    def lines(self) -> Iterator[Line]:
        """Yield all lines within, in order."""
        for item in self.items:
            if isinstance(item, Region):
                yield from item.lines()
            else:
                yield item

    def regions(self) -> Iterator[Region]:
        """Yield all regions within, inner ones before those around them."""
        for item in self.items:
            if isinstance(item, Region):
                yield from item.regions()
                yield item


def group_by_module(lines: Sequence[Line], classes: Mapping[str, str]) -> Region:
    """Return the region of the whole module; `classes` are the classes of modules by path.

    Lines of one module with those of another between them are two regions: order is kept.
    """
    root = Region("", "")
    stack = [root]
    for line in lines:
        owners = _owners(line.path, classes)
        depth = 1
        while (
            depth < len(stack) and depth <= len(owners) and stack[depth].path == owners[depth - 1]
        ):
            depth += 1
        del stack[depth:]
        for path in owners[depth - 1 :]:
            region = Region(path, classes[path])
            stack[-1].items.append(region)
            stack.append(region)
        stack[-1].items.append(line)
    inner = {path.rpartition(".")[0] for path in classes}
    _dissolve_leaves(root, inner)
    return root


def _dissolve_leaves(region: Region, inner: Collection[str]) -> None:
    """Let the few lines of a module without submodules, as those of a layer, stand outside."""
    items: list[Line | Region] = []
    for item in region.items:
        if isinstance(item, Region):
            _dissolve_leaves(item, inner)
            if item.path not in inner and len(item.items) <= LEAF_LINES:
                items += item.items
                continue
        items.append(item)
    region.items = items


def _owners(path: str, classes: Mapping[str, str]) -> list[str]:
    """Return the paths of the modules around a line, outermost first, without containers."""
    steps = path.split(".") if path else []
    paths = [".".join(steps[: end + 1]) for end in range(len(steps))]
    return [one for one in paths if classes.get(one, "") not in CONTAINERS]


def sort_classes(root: Region) -> list[str]:
    """Return the classes of the regions within, each behind those that its regions hold.

    Where classes hold each other, in the order in which they are met.
    """
    held: dict[str, dict[str, None]] = {}
    for region in (*root.regions(), root):
        inner = held.setdefault(region.cls, {})
        for item in region.items:
            if isinstance(item, Region) and item.cls != region.cls:
                inner[item.cls] = None
    order: dict[str, None] = {}
    visited: set[str] = set()

    def visit(cls: str) -> None:
        if cls in visited:
            return
        visited.add(cls)
        for inner in held[cls]:
            visit(inner)
        order[cls] = None

    for cls in held:
        visit(cls)
    return list(order)
