"""The tree of a line as Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch2keras.keras_graph.source.expressions import Fixed, expression_text, list_text, tuple_text
from torch2keras.keras_graph.source.lines import (
    Append,
    CallTree,
    FunctionName,
    Gap,
    Group,
    Index,
    Layer,
    Line,
    Node,
    Read,
    Span,
)


class NodeWriter:
    """Writes one line's tree, with the names of values and of functions."""

    def __init__(self, names: Mapping[int, str], functions: Mapping[int, str]) -> None:
        self.names, self.functions = names, functions

    def text(self, node: Node, line: Line) -> str:
        """Return a node on one line."""
        match node:
            case Read(place):
                return self.names[line.reads[place]]
            case Gap(place):
                return expression_text(line.gaps[place])
            case Group(is_list, items):
                inner = self._texts(items, line)
                return list_text(inner) if is_list else tuple_text(inner)
            case Index():
                return self._index(node, line)
            case Span():
                return self._span(node, line)
            case Append(values, last):
                return f"[*{self.text(values, line)}, {self.text(last, line)}]"
        head, arguments, tail = self.parts(node, line)
        return f"{head}({', '.join(arguments)}{tail}"

    def _texts(self, nodes: Sequence[Node], line: Line) -> list[str]:
        return [self.text(node, line) for node in nodes]

    def _index(self, index: Index, line: Line) -> str:
        inner = tuple_text(self._texts(index.items, line))
        if index.items:
            inner = inner[1:-1]
        if not index.is_tuple:
            inner = inner.removesuffix(",")
        return f"{self.text(index.value, line)}[{inner}]"

    def _span(self, span: Span, line: Line) -> str:
        texts = self._texts((span.start, span.stop, span.step), line)
        text = ":".join(text.replace("None", "") for text in texts)
        return text.removesuffix(":") if texts[2] == "None" else text

    def parts(self, node: Node, line: Line) -> tuple[str, list[str], str]:
        """Return a call as what stands before its bracket, its arguments, and the rest."""
        if isinstance(node, Layer):
            return *self._constructor(node, line), ")"
        assert isinstance(node, CallTree)
        arguments = self._arguments(node, line)
        match node.function:
            case Layer() as layer:
                head, inner = self._constructor(layer, line)
                return head, inner, f")({', '.join(arguments)})"
            case Read() as read:
                return self.text(read, line), arguments, ")"
            case FunctionName(number):
                return "partial", [self.functions[number], *arguments], ")"
            case int(number):
                return self.functions[number], arguments, ")"
            case str(name):
                return name, arguments, ")"

    def _arguments(self, call: CallTree, line: Line) -> list[str]:
        """Return the arguments of a call, without Keras's defaults.

        A function of ours gets its first ones by position, where variables tell what they are.
        """
        arguments = self._texts(call.args, line)
        is_positional = isinstance(call.function, int)
        for key, item in call.kwargs:
            text = self.text(item, line)
            is_required = not getattr(item, "default", "") and key != "name"
            is_positional = is_positional and is_required and _says_what_it_is(text, key)
            if is_positional:
                arguments.append(text)
            elif not _is_default(item, line):
                arguments.append(f"{key}={text}")
        return arguments

    def _constructor(self, layer: Layer, line: Line) -> tuple[str, list[str]]:
        """Return the class of a layer and its arguments."""
        if not layer.cls:
            return self._constructor_of_any_class(layer, line)
        shown = []
        for place, (key, item) in enumerate(layer.arguments):
            if not _is_default(item, line):
                text = self.text(item, line)
                if place > 0 or key in ("axis", "name"):
                    text = f"{key}={text}"
                shown.append(text)
        return f"layers.{layer.cls}", shown

    def _constructor_of_any_class(self, layer: Layer, line: Line) -> tuple[str, list[str]]:
        (_, kind), (_, name) = layer.arguments
        assert isinstance(kind, Gap)
        named = f"name={self.text(name, line)}"
        given = line.gaps[kind.place]
        if isinstance(given, Fixed):
            return f"layers.{given.value.cls}", [*given.value.texts(), named]
        return expression_text(given), [named]


def _says_what_it_is(text: str, key: str) -> bool:
    """Whether a variable is called as the argument that it is given for, or nearly so."""
    if not text.isidentifier():
        return False
    return text == key or text.endswith(f"_{key}") or key.endswith(f"_{text}")


def _is_default(node: Node, line: Line) -> bool:
    if not isinstance(node, Gap) or not node.default:
        return False
    value = line.gaps[node.place]
    return isinstance(value, Fixed) and value.key == node.default
