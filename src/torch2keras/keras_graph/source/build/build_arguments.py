"""The arguments of `build`: what may be changed of the whole model, and nothing else with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch2keras.keras_graph.graph import Call, Input, KerasGraph
from torch2keras.keras_graph.source.expressions import Expression, Fixed, Variable, constant_text
from torch2keras.keras_graph.source.lines import CallTree, Gap, Layer, Line
from torch2keras.keras_graph.weight import Shape

CLASSES, INPUT_SHAPE = "classes", "input_shape"
"""The arguments' names."""

CLASSES_NOTE = "For other classes, load_weights(..., skip_mismatch=True) leaves the last layer new."
"""The docstring of a `build` that takes `classes`."""

UNITS = {
    "layers.Dense": "units",
    "layers.Conv1D": "filters",
    "layers.Conv2D": "filters",
    "layers.Conv3D": "filters",
}
"""The layers that may be a model's last, and the argument that tells how many scores they give."""

SIZE_FREE = frozenset(
    [
        "layers.Activation",
        "layers.Flatten",
        "layers.GlobalAveragePooling1D",
        "layers.GlobalAveragePooling2D",
        "layers.GlobalAveragePooling3D",
        "layers.ReLU",
        "layers.Softmax",
        "ops.log_softmax",
        "ops.sigmoid",
        "ops.softmax",
    ]
)
"""What may follow the last layer: it takes scores of any number."""


@dataclass(frozen=True)
class BuildArguments:
    """What `build` takes; its defaults make the model that was verified."""

    input_shape: Shape = ()
    """The shape of the one input without the batch, where a size in it is dynamic; else empty."""
    last_layer: int = -1
    """The value that the last layer makes, where its number of classes may be another one."""
    classes: int = 0
    """The number of classes where it may be another one, else zero."""

    @property
    def defaults(self) -> dict[str, int | Shape]:
        """The names of the arguments, which no value and no variable may have, and what they are.

        They are in the order in which they stand in the `def` line.
        """
        given: dict[str, int | Shape] = {INPUT_SHAPE: self.input_shape, CLASSES: self.classes}
        return {name: default for name, default in given.items() if default}

    def texts(self) -> list[str]:
        """Return the arguments as they stand in the `def` line, with their defaults."""
        return [f"{name}={constant_text(value)}" for name, value in self.defaults.items()]

    def fill(self, lines: Sequence[Line]) -> tuple[list[Line], BuildArguments]:
        """Return lines in which the last layer reads `classes`, and the arguments that are left.

        Where the layer is within a function, and in none of the lines, it stays as it is.
        """
        filled = list(lines)
        for number, line in enumerate(lines):
            place = _find_units(line)
            if self.last_layer in line.makes and place is not None:
                gaps: list[Expression] = list(line.gaps)
                gaps[place] = Variable(CLASSES)
                filled[number] = replace(line, gaps=gaps)
                return filled, self
        return filled, BuildArguments(self.input_shape)


def find_build_arguments(graph: KerasGraph, shapes: Mapping[int, Shape]) -> BuildArguments:
    """Return what `build` may take, as far as the `shapes` of values are known."""
    dynamic_shape = _find_dynamic_shape(graph.inputs)
    last = _find_last_layer(graph)
    if last is None:
        return BuildArguments(dynamic_shape)
    classes = int(last.config[UNITS[last.target]])
    shape = shapes.get(graph.outputs[0], ())
    is_score = len(shape) == 2 or last.target == "layers.Dense"
    if classes == 1 or shape[-1:] != (classes,) or not is_score:
        return BuildArguments(dynamic_shape)
    return BuildArguments(dynamic_shape, last.outputs[0], classes)


def _find_dynamic_shape(inputs: Sequence[Input]) -> Shape:
    """Return the shape of a model's one input without the batch, if a size in it is dynamic."""
    if len(inputs) != 1 or not inputs[0].shape:
        return ()
    batch, *sizes = inputs[0].shape
    is_dynamic = batch is None and None in sizes
    return tuple(sizes) if is_dynamic else ()


def _find_last_layer(graph: KerasGraph) -> Call | None:
    """Return the layer whose scores a model gives, if no other call depends on their number."""
    if len(graph.outputs) != 1:
        return None
    makers: dict[int, Call] = {}
    reads: Counter[int] = Counter()
    for call in graph.calls:
        makers.update(dict.fromkeys(call.outputs, call))
        reads.update(call.reads())
    value = graph.outputs[0]
    if reads[value]:
        return None
    last = makers.get(value)
    while last is not None and last.target in SIZE_FREE:
        read = set(last.reads())
        value = min(read, default=-1)
        if len(read) != 1 or reads[value] > 1:
            return None
        last = makers.get(value)
    if last is None or last.target not in UNITS or last.kwargs:
        return None
    is_shared = sum(call.name == last.name for call in graph.calls) > 1
    return None if is_shared else last


def _find_units(line: Line) -> int | None:
    """Return the place of the gap that tells how many scores a line's layer gives."""
    tree = line.tree
    if not isinstance(tree, CallTree) or not isinstance(tree.function, Layer):
        return None
    node = dict(tree.function.arguments).get(UNITS.get(f"layers.{tree.function.cls}", ""))
    if not isinstance(node, Gap) or not isinstance(line.gaps[node.place], Fixed):
        return None
    return node.place
