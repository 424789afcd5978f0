"""A function of the generated code: a template whose gaps are filled, and its calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch2keras.keras_graph.layer_names import sanitize
from torch2keras.keras_graph.source.arguments import ArgumentCollector, Parameter
from torch2keras.keras_graph.source.expressions import (
    NAME,
    ChannelCondition,
    Condition,
    Expression,
    Fixed,
)
from torch2keras.keras_graph.source.lines import CallTree, Gap, Line, Read, gaps_of
from torch2keras.keras_graph.source.templates import Template, rename_within


@dataclass(eq=False)
class Function:
    """A function of the generated code, and the pieces that it stands for."""

    number: int
    cls: str
    """The class of the modules that it comes from."""
    lines: list[Line]
    ins: list[int]
    outs: list[int]
    parameters: list[Parameter]
    conditions: dict[Line, Condition]
    """Line -> when it runs, where not always."""
    template: Template
    locals: Mapping[str, Expression | ChannelCondition]
    """Its local variables, in the order in which they are set before all else."""
    name: str = ""

    @property
    def paths(self) -> list[str]:
        """The paths of the modules that it stands for."""
        return [body.path for body in self.template.bodies]

    @property
    def variables(self) -> set[str]:
        """The names of its arguments beside values, and of its local numbers."""
        return {NAME.name, *self.locals, *(parameter.name for parameter in self.parameters)}


def make_function(
    number: int,
    cls: str,
    template: Template,
    classes: Mapping[int, str],
    channels: Mapping[int, int],
) -> Function:
    """Return the function of a template; `classes` are those of the functions so far.

    `channels` are the numbers of channels of values, as far as they are known.
    """
    rename_layers(template)
    arguments = ArgumentCollector(template, classes, channels)
    lines = arguments.fill()
    conditions: dict[Line, Condition] = {}
    for line, old in zip(lines, template.lines, strict=True):
        if not all(old.present):
            conditions[line] = arguments.find_presence(old)
    parameters = [arguments.parameter(name) for name in arguments.columns]
    return Function(
        number,
        cls,
        lines,
        template.ins,
        template.outs,
        parameters,
        conditions,
        template,
        arguments.locals,
    )


def rename_layers(template: Template) -> None:
    """Let the names of layers begin with the variable `name` where they begin with the piece's."""
    for line in template.lines:
        gaps = list(gaps_of(line.tree))
        for number, (row, body) in enumerate(zip(line.rows, template.bodies, strict=True)):
            if row is None:
                continue
            prefix = sanitize(body.path)
            named = list(row)
            for gap in gaps:
                if gap.label == "name":
                    named[gap.place] = rename_within(row[gap.place], prefix, NAME)
            line.rows[number] = named


def call_line(function: Function, piece: int) -> Line:
    """Return the call of a function that stands for one of its pieces."""
    body = function.template.bodies[piece]
    bound = function.template.bindings[piece]
    gaps: list[Expression] = []
    kwargs: list[tuple[str, Gap]] = []
    ordered = sorted(function.parameters, key=lambda one: one.default is not None)
    for parameter in ordered:
        default = "" if parameter.default is None else parameter.default.key
        kwargs.append((parameter.name, Gap(len(gaps), parameter.name, default)))
        gaps.append(parameter.values[piece])
    kwargs.append(("name", Gap(len(gaps), "name")))
    gaps.append(Fixed(sanitize(body.path)))
    args = tuple(map(Read, range(len(function.ins))))
    reads = [bound[value] for value in function.ins]
    return Line(CallTree(function.number, args, tuple(kwargs)), gaps, reads, body.outs, body.path)
