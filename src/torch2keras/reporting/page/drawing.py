"""The graph at the level of blocks: boxes in rows, drawn as SVG by the page's template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch2keras.keras_graph.graph import Call, KerasGraph

MOST_BLOCKS = 40
"""More boxes than these nobody reads."""

WIDTH, HEIGHT = 230, 38
"""Pixels of a box."""

GAP_X, GAP_Y = 30, 26
"""Pixels between boxes."""

MARGIN = 20

BESIDE = 50
"""Pixels for lines that go around all boxes."""


@dataclass(frozen=True)
class Box:
    """A block, or an input or output."""

    label: str
    detail: str
    path: str
    """The module's; empty for a port and for the outermost module."""
    x: int
    y: int
    is_port: bool = False
    cls: str = ""

    @property
    def right(self) -> int:
        """Where it ends."""
        return self.x + WIDTH


@dataclass(frozen=True)
class Drawing:
    """Boxes, and the lines between them as SVG paths."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]


@dataclass
class _Block:
    label: str
    calls: int = 0
    reads: tuple[int, ...] = ()
    is_port: bool = False


def draw_blocks(graph: KerasGraph, classes: Mapping[str, str]) -> Drawing:
    """Return the drawing of a graph, as deep into its modules as boxes can be read.

    `classes` has the class of each module by its path.
    """
    deepest = max((call.origin.path.count(".") + 1 for call in graph.calls), default=1)
    blocks = _list_blocks(graph, 1)
    for depth in range(2, deepest + 1):
        finer = _list_blocks(graph, depth)
        if len(finer) > MOST_BLOCKS:
            break
        blocks = finer
    return _place(blocks, classes)


def _list_blocks(graph: KerasGraph, depth: int) -> list[_Block]:
    """Return blocks of calls that follow one another within one module.

    A module that runs again later is another block then, so that no block waits for itself.
    """
    blocks = [_Block(port.name, is_port=True) for port in graph.inputs]
    made_by = {number: number for number in range(len(blocks))}
    for call in graph.calls:
        label = _label(call, depth)
        if not blocks or blocks[-1].label != label or blocks[-1].is_port:
            blocks.append(_Block(label))
        place = len(blocks) - 1
        block = blocks[place]
        read = {made_by[index] for index in call.reads()} - {place}
        block.reads = tuple(sorted({*block.reads, *read}))
        block.calls += 1
        made_by.update(dict.fromkeys(call.outputs, place))
    for number, index in enumerate(graph.outputs):
        name = "output" if len(graph.outputs) == 1 else f"output {number}"
        blocks.append(_Block(name, reads=(made_by[index],), is_port=True))
    return blocks


def _label(call: Call, depth: int) -> str:
    return ".".join(call.origin.path.split(".")[:depth])


def _place(blocks: Sequence[_Block], classes: Mapping[str, str]) -> Drawing:
    """Put each block one row below the last that it reads."""
    rows: dict[int, int] = {}
    for place, block in enumerate(blocks):
        rows[place] = 1 + max((rows[read] for read in block.reads), default=-1)
    columns: dict[int, int] = {}
    filled: dict[int, int] = {}
    for place, row in rows.items():
        columns[place] = filled.get(row, 0)
        filled[row] = columns[place] + 1
    widest = max(filled.values(), default=1)
    boxes = []
    for place, block in enumerate(blocks):
        free = (widest - filled[rows[place]]) * (WIDTH + GAP_X) // 2
        x = MARGIN + free + columns[place] * (WIDTH + GAP_X)
        y = MARGIN + rows[place] * (HEIGHT + GAP_Y)
        boxes.append(_make_box(block, x, y, classes))
    edges: dict[int, int] = {}
    for place, row in rows.items():
        edges[row] = max(edges.get(row, 0), boxes[place].right)
    lines = []
    for place, block in enumerate(blocks):
        for read in block.reads:
            passed = range(rows[read] + 1, rows[place])
            beside = max((edges[row] for row in passed), default=0)
            lines.append(_line(boxes[read], boxes[place], beside, len(passed)))
    width = 2 * MARGIN + widest * (WIDTH + GAP_X) - GAP_X + BESIDE
    height = 2 * MARGIN + (1 + max(rows.values(), default=0)) * (HEIGHT + GAP_Y) - GAP_Y
    return Drawing(width, height, tuple(boxes), tuple(lines))


def _make_box(block: _Block, x: int, y: int, classes: Mapping[str, str]) -> Box:
    if block.is_port:
        return Box(block.label, "", "", x, y, is_port=True)
    calls = "1 call" if block.calls == 1 else f"{block.calls} calls"
    cls = classes.get(block.label, "")
    detail = f"{cls}, {calls}" if cls else calls
    return Box(block.label or "(itself)", detail, block.label, x, y, cls=cls)


def _line(start: Box, end: Box, beside: int, passed: int) -> str:
    """Return a line from the foot of a box to the head of another; around those between them.

    `beside` is where the boxes of the rows that it passes end, and `passed` how many rows these
    are. A curve comes to three quarters of the way to its control points.
    """
    x0, y0 = start.x + WIDTH // 2, start.y + HEIGHT
    x1, y1 = end.x + WIDTH // 2, end.y
    if not passed:
        middle = (y0 + y1) // 2
        return f"M{x0},{y0} C{x0},{middle} {x1},{middle} {x1},{y1}"
    x0, x1 = start.right, end.right
    y0, y1 = start.y + HEIGHT // 2, end.y + HEIGHT // 2
    nearest = max(x0, x1)
    reached = max(nearest, beside) + 12 + 8 * min(passed, 4)
    far = nearest + (reached - nearest) * 4 // 3
    return f"M{x0},{y0} C{far},{y0} {far},{y1} {x1},{y1}"
