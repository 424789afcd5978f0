"""The comments at the ends of lines: shapes where blocks end, and what a person would explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch2keras.keras_graph.source.expressions import Expression, Fixed
from torch2keras.keras_graph.source.lines import CallTree, Gap, Layer, Line
from torch2keras.keras_graph.source.loops import Item, Loop
from torch2keras.keras_graph.source.remarks.boundaries import BlockFinder, path_of
from torch2keras.keras_graph.source.remarks.remarks import Remarks, plain_text, shape_text

PADDING = 'both ends alike, unlike "same"'
"""Why a padding is explicit: with strides, "same" pads the end more than the start."""

PARAMETER = "a parameter, times 1"
"""What a layer is that reads a constant one: a class token, a table of positions."""


class Commenter:
    """Finds what is to be said of the items of one function; each explanation is given once."""

    def __init__(self, numbers: Mapping[str, int] | None = None) -> None:
        self.said: set[str] = set()
        self.numbers = numbers or {}
        """The numbers of the lines of PyTorch code that is listed beside, by "file:line"."""
        self.number = 0
        """The number that was said last."""

    def comment(self, items: Sequence[Item], place: int) -> str:
        """Return what is to be said of an item, in loops and options too, or ""."""
        line = items[place]
        if isinstance(line, Loop):
            return ""
        number = self.numbers.get(line.source, self.number)
        if number != self.number:
            self.number = number
            return f"line {number}"
        return self._explain(items, place)

    def _explain(self, items: Sequence[Item], place: int) -> str:
        """Return the reason for what a line does, if there is one to be given."""
        line = items[place]
        if not isinstance(line, Line):
            return ""
        if place + 1 < len(items) and _is_padding(line, items[place + 1]):
            return self._say_once(PADDING)
        return self._say_once(PARAMETER) if _reads_ones(items, place) else ""

    def comment_outermost(self, items: Sequence[Item], place: int) -> str:
        """Return what is to be said of an item of the function's outermost level, or ""."""
        return self.comment(items, place)

    def _say_once(self, reason: str) -> str:
        if reason in self.said:
            return ""
        self.said.add(reason)
        return reason


class ModelCommenter(Commenter):
    """Finds what is to be said of a whole model: the classes of its blocks, and their shapes.

    A shape is said where a block ends, unless it is the one that was said last. Within loops and
    functions a value has several shapes, and none is said.
    """

    def __init__(
        self, remarks: Remarks, blocks: BlockFinder, numbers: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(numbers)
        self.remarks, self.blocks = remarks, blocks
        self.shape = ""
        """The shape that was said last."""

    def comment_outermost(self, items: Sequence[Item], place: int) -> str:
        """Return what is to be said of an item of the model's outermost level, or ""."""
        item = items[place]
        reason = self.comment(items, place)
        shape = self._find_new_shape(items, place)
        if isinstance(item, Loop):
            return self._comment_loop(item, shape)
        return ", ".join(filter(None, [reason, shape]))

    def _comment_loop(self, loop: Loop, shape: str) -> str:
        """Return the class whose code a loop repeats, and the shape behind it."""
        parts = []
        if len(loop.items) > 1:
            parts.append(plain_text(self.blocks.find_class(loop.items)))
        known = self.remarks.shapes
        if any(known.get(one.first) != known.get(one.last) for one in loop.carried):
            shape = f"to {shape}" if shape else ""
        return ", ".join(filter(None, [*parts, shape]))

    def _find_new_shape(self, items: Sequence[Item], place: int) -> str:
        """Return the shape of what an item makes where a block ends with it in another one."""
        item = items[place]
        if len(item.makes) != 1 or item.makes[0] not in self.remarks.shapes:
            return ""
        if place + 1 < len(items) and not self._is_boundary(item, items[place + 1]):
            return ""
        text = shape_text(self.remarks.shapes[item.makes[0]])
        if text == self.shape:
            return ""
        self.shape = text
        return text

    def _is_boundary(self, item: Item, behind: Item) -> bool:
        """Whether two items belong to two blocks."""
        if isinstance(item, Loop) or isinstance(behind, Loop):
            return True
        return self.blocks.find_block(path_of(item)) != self.blocks.find_block(path_of(behind))


def _is_padding(line: Line, behind: Item) -> bool:
    """Whether a line pads for the layer behind it, which has strides, and is no module's own."""
    if not isinstance(behind, Line) or line.path != behind.path:
        return False
    if behind.reads[:1] != line.makes:
        return False
    padding = _find_argument(line, "ZeroPadding", "padding")
    strides = _find_argument(behind, "", "strides")
    if padding is None or strides in (None, Fixed(1)):
        return False
    return not isinstance(padding, Fixed) or _is_symmetric(padding.value)


def _reads_ones(items: Sequence[Item], place: int) -> bool:
    """Whether an item is a layer that stands for a parameter: it reads a constant one."""
    line = items[place]
    if not isinstance(line, Line) or _find_argument(line, "Dense", "units") is None:
        return False
    for maker in items[:place]:
        if isinstance(maker, Line) and maker.makes == line.reads:
            return isinstance(maker.tree, CallTree) and maker.tree.function == "ops.ones_like"
    return False


def _find_argument(line: Line, prefix: str, key: str) -> Expression | None:
    """Return an argument of the layer that a line calls, if its class begins so."""
    tree = line.tree
    if not isinstance(tree, CallTree) or not isinstance(tree.function, Layer):
        return None
    if not tree.function.cls.startswith(prefix):
        return None
    node = dict(tree.function.arguments).get(key)
    return line.gaps[node.place] if isinstance(node, Gap) else None


def _is_symmetric(padding: object) -> bool:
    """Whether a padding is the same at both ends: one number, or pairs of the same ones."""
    if not isinstance(padding, tuple):
        return True
    return all(isinstance(pair, tuple) and len({*pair}) == 1 for pair in padding)
