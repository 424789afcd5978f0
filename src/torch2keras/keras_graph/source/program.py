"""KerasGraph -> a Python file whose `build()` makes the same model."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TypeAlias

from torch2keras.keras_graph.channels import find_channels
from torch2keras.keras_graph.graph import Input, KerasGraph
from torch2keras.keras_graph.source.build.build_arguments import (
    CLASSES,
    CLASSES_NOTE,
    INPUT_SHAPE,
    BuildArguments,
    find_build_arguments,
)
from torch2keras.keras_graph.source.expressions import (
    Condition,
    constant_text,
    expression_text,
    local_text,
)
from torch2keras.keras_graph.source.fold import fold
from torch2keras.keras_graph.source.functions import Function
from torch2keras.keras_graph.source.identifiers import find_free_name, identifier, snake_case
from torch2keras.keras_graph.source.lines import Line
from torch2keras.keras_graph.source.loop_finder import LoopFinder
from torch2keras.keras_graph.source.loop_headers import measure_height
from torch2keras.keras_graph.source.loops import Item
from torch2keras.keras_graph.source.parts import NEST, Part, split_parts, unwrap_parts
from torch2keras.keras_graph.source.remarks.boundaries import BlockFinder, find_owners
from torch2keras.keras_graph.source.remarks.class_source import ClassSource, number_lines
from torch2keras.keras_graph.source.remarks.comments import Commenter, ModelCommenter
from torch2keras.keras_graph.source.remarks.remarks import UNKNOWN, Remarks
from torch2keras.keras_graph.source.replay import require_same_calls
from torch2keras.keras_graph.source.wrapping import WIDTH, wrap_call, wrap_values
from torch2keras.keras_graph.source.writer import BodyWriter, last_reads

Conditions: TypeAlias = Mapping[Line, Condition]
"""When lines run that do not always."""

VARIANT_COST = 3
"""Lines that a second function of one class is worth."""


def write_source(graph: KerasGraph, classes: Mapping[str, str], remarks: Remarks = UNKNOWN) -> str:
    """Return Python whose `build()` makes the same model, checked call by call.

    `classes` are the classes of the user's modules by path, `remarks` what else the code may say.
    Where the folded form were to differ, the calls are written one by one. Raises InternalError
    where these differ too.
    """
    try:
        text = write_program(graph, classes, remarks)
        require_same_calls(text, graph)
    except Exception:  # noqa: BLE001 - the flat form is right wherever the folded one fails
        text = write_program(graph, {}, flat=True)
        require_same_calls(text, graph)
    return text


def write_program(
    graph: KerasGraph,
    classes: Mapping[str, str],
    remarks: Remarks = UNKNOWN,
    *,
    flat: bool = False,
) -> str:
    """Return the source code of a graph, or, if `flat`, its calls one by one."""
    parts = split_parts(graph)
    write = partial(_write_functions, graph, parts, classes, remarks, flat=flat)
    text = write(())
    inlined: list[str] = []
    for cls in text.classes:
        candidate = write([*inlined, cls])
        if candidate.cost < text.cost:
            text = candidate
            inlined.append(cls)
    return _add_imports(text.text, graph.name)


def _add_imports(text: str, name: str) -> str:
    """Return the file: what it is made from, the imports that it needs, and the functions."""
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    imports = ["import keras"]
    if "partial" in used:
        imports = ["from functools import partial", "", *imports]
    if "np" in used:
        imports.append("import numpy as np")
    modules = [module for module in ("layers", "ops") if module in used]
    if modules:
        imports.append(f"from keras import {', '.join(modules)}")
    head = f'"""{identifier(name)}, from its PyTorch module."""'
    return "\n".join([head, "", *imports, "", "", text, ""])


@dataclass(frozen=True)
class _Written:
    """The functions as text, the classes that they come from, and what there is to read."""

    text: str
    classes: tuple[str, ...]
    cost: float


def _write_functions(
    graph: KerasGraph,
    parts: Sequence[Part],
    classes: Mapping[str, str],
    remarks: Remarks,
    inlined: Sequence[str],
    *,
    flat: bool,
) -> _Written:
    channels = find_channels(graph)
    folded = fold([part.lines for part in parts], classes, graph.outputs, inlined, channels)
    others = list(map(attrgetter("function"), parts))
    names = name_functions(folded.functions, others)
    height = partial(measure_height, functions=names)
    definitions = DefinitionWriter(names, others, remarks, BlockFinder(graph.calls, classes))
    blocks: list[list[str]] = []
    listings: list[list[ClassSource]] = []
    for function in folded.functions:
        write = partial(definitions.write_function, function)
        lines, outs, conditions = function.lines, function.outs, function.conditions
        finder = LoopFinder(lines, outs, conditions, height, function.variables)
        blocks.append(write_shortest(finder, write))
        listings.append(remarks.find_sources(function.paths))
    for part in unwrap_parts(parts, folded.parts):
        lines = part.lines
        taken: Sequence[str] = ()
        if part.ports is None:
            outs = list(graph.outputs)
            lines, arguments = find_build_arguments(graph, remarks.shapes).fill(lines)
            taken = tuple(arguments.defaults)
            definitions.sources = remarks.find_sources(find_owners(lines))
            write = partial(definitions.write_build, graph, arguments)
        else:
            outs = list(part.ports.outputs)
            write = partial(definitions.write_part, part)
        if flat:
            blocks.append(write(lines, {}))
        else:
            blocks.append(write_shortest(LoopFinder(lines, outs, {}, height, taken), write))
    listings += [[]] * (len(blocks) - len(listings) - 1) + [list(definitions.sources)]
    texts = [NEST] * (len(parts) > 1)
    for listing, block in zip(listings, blocks, strict=True):
        above = chain.from_iterable(source.comment_lines() for source in listing)
        texts.append("\n".join([*above, *block]))
    used = tuple(dict.fromkeys(map(attrgetter("cls"), folded.functions)))
    variants = len(folded.functions) - len(used)
    cost = sum(map(measure_reading, blocks)) + VARIANT_COST * variants
    cost -= sum(bool(remarks.describe(function.paths)) for function in folded.functions)
    return _Written("\n\n\n".join(texts), used, cost)


def measure_reading(lines: Sequence[str]) -> float:
    """Return how much there is to read in a function: lines of calls.

    What a function takes is one thing to read on however many lines, and so are two rows of a
    table: blocks as rows are read more easily than one after the other.
    """
    cost = 0.0
    is_header = is_table = False
    for line in lines:
        is_header = is_header or line.startswith("def ")
        is_table = is_table or line.endswith("rows = [")
        cost += (not is_header) * (1 - is_table / 2)
        if is_header and line.endswith(":"):
            is_header = False
            cost += 1
        is_table = is_table and not line.strip().startswith("]")
    return cost


def write_shortest(
    finder: LoopFinder, write: Callable[[Sequence[Item], Conditions], list[str]]
) -> list[str]:
    """Return what `write` gives for lines with loops, in the way that takes the fewest lines."""
    candidates = [write(finder.items, finder.conditions)]
    other = finder.copy()
    while finder.fold(only_equal=True):
        candidates.append(write(finder.items, finder.conditions))
    for one in (finder, other):
        while one.fold(only_equal=False):
            candidates.append(write(one.items, one.conditions))
    return min(candidates, key=len)


def name_functions(functions: Sequence[Function], others: Collection[str]) -> dict[int, str]:
    """Name each function after its class; those of one class by what tells them apart.

    `others` are the names of functions that are there already. Returns the names by number.
    """
    taken = set(others)
    for function in functions:
        taken.update(function.variables)
    for function in functions:
        base = snake_case(function.cls)
        candidates = [base, *map(f"{base}_{{}}".format, _find_telling_words(function))]
        free = [one for one in candidates if one not in taken]
        function.name = free[0] if free else find_free_name(base, taken)
        taken.add(function.name)
    return {function.number: function.name for function in functions}


def _find_telling_words(function: Function) -> list[str]:
    """Return the names on the paths of the modules that a function stands for."""
    words: dict[str, None] = {}
    for body in function.template.bodies:
        for step in body.path.split("."):
            if not step.isdigit():
                words[identifier(step)] = None
    return list(words)


class DefinitionWriter:
    """Writes functions; `functions` are the names of ours by number, `others` all other names."""

    def __init__(
        self,
        functions: Mapping[int, str],
        others: Sequence[str],
        remarks: Remarks,
        blocks: BlockFinder,
    ) -> None:
        self.functions, self.others = functions, others
        self.remarks, self.blocks = remarks, blocks
        self.sources: Sequence[ClassSource] = ()
        """What is listed above `build`."""

    def write_function(
        self, function: Function, items: Sequence[Item], conditions: Conditions
    ) -> list[str]:
        """Return the lines of a function."""
        commenter = Commenter(number_lines(self.remarks.find_sources(function.paths)))
        reserved = [*self.others, *function.variables]
        writer = BodyWriter(self.functions, conditions, reserved, commenter)
        writer.name_inputs(function.ins, items)
        required, optional = [], []
        for one in function.parameters:
            if one.default is None:
                required.append(one.name)
            else:
                optional.append(f"{one.name}={expression_text(one.default)}")
        given = [*writer.names.values(), *required, *optional, "*", "name"]
        writer.lines = wrap_call(0, f"def {function.name}", given, "):")
        writer.lines += write_docstring(self.remarks.describe(function.paths))
        for name, local in function.locals.items():
            writer.lines.append(f"    {name} = {local_text(local, writer.names)}")
        return _end(writer, items, function.outs)

    def write_part(self, part: Part, items: Sequence[Item], conditions: Conditions) -> list[str]:
        """Return the lines of the function of a nested model."""
        assert part.ports is not None
        commenter = ModelCommenter(self.remarks, self.blocks)
        writer = BodyWriter(self.functions, conditions, self.others, commenter)
        writer.name_inputs(part.ports.inputs, items)
        writer.lines = wrap_call(0, f"def {part.function}", list(writer.names.values()), "):")
        return _end(writer, items, part.ports.outputs)

    def write_build(
        self,
        graph: KerasGraph,
        arguments: BuildArguments,
        items: Sequence[Item],
        conditions: Conditions,
    ) -> list[str]:
        """Return the lines of `build`."""
        variables = ["inputs"]
        if len(graph.inputs) > 1:
            variables = []
            for port in graph.inputs:
                variables.append(find_free_name(f"{identifier(port.name)}_input", variables))
        read = last_reads(items, graph.outputs, conditions)
        commenter = ModelCommenter(self.remarks, self.blocks, number_lines(self.sources))
        reserved = [*self.others, *variables, *arguments.defaults]
        writer = BodyWriter(self.functions, conditions, reserved, commenter)
        for index, (port, variable) in enumerate(zip(graph.inputs, variables, strict=True)):
            base = "x" if len(graph.inputs) == 1 else identifier(port.name)
            name = find_free_name(base, {*writer.names.values(), *writer.reserved})
            writer.names[index] = name
            head = f"{name} = {variable} = keras.Input"
            if index not in read:
                head = f"{variable} = keras.Input"
            given = _input_arguments(port)
            if arguments.input_shape:
                given[0] = INPUT_SHAPE
            writer.lines += wrap_call(4, head, given, ")")
        writer.write(items, graph.outputs, [], 4)
        outs = [writer.names[value] for value in graph.outputs]
        ends = [_one_or_list(variables), _one_or_list(outs)]
        name = f"name={constant_text(graph.name)}"
        return [
            *wrap_call(0, "def build", arguments.texts(), "):"),
            *write_docstring(CLASSES_NOTE * (CLASSES in arguments.defaults)),
            *self.remarks.limit_lines(),
            *writer.lines,
            *wrap_call(4, "return keras.Model", [*ends, name], ")"),
        ]


def write_docstring(text: str) -> list[str]:
    """Return the lines of a function's docstring, none for no text."""
    line = f'    """{text}"""'
    return [line] if text and len(line) <= WIDTH else []


def _end(writer: BodyWriter, items: Sequence[Item], outs: Sequence[int]) -> list[str]:
    """Return the lines of a function from its first line and its items."""
    writer.write(items, outs, [], 4)
    results = [writer.names[value] for value in outs]
    return [*writer.lines, *wrap_values(4, "return", results)]


def _input_arguments(port: Input) -> list[str]:
    """Return the arguments of `keras.Input`."""
    arguments = [constant_text(tuple(port.shape[1:])), f"name={constant_text(port.name)}"]
    if port.shape[:1] != (None,):
        arguments[0] = f"batch_shape={constant_text(tuple(port.shape))}"
    if port.dtype != "float32":
        arguments.append(f"dtype={constant_text(port.dtype)}")
    return arguments


def _one_or_list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"
