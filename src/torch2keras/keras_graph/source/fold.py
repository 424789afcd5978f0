"""Folds flat lines into functions: one for each class of modules that is called several times."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from torch2keras.keras_graph.source.functions import Function, call_line, make_function
from torch2keras.keras_graph.source.lines import Line
from torch2keras.keras_graph.source.regions import Region, group_by_module, sort_classes
from torch2keras.keras_graph.source.templates import (
    Body,
    Template,
    count_options,
    merge,
    start_template,
)

MOST_OPTIONS = 5
"""Options that one function may have; beyond that its variants are easier to read apart."""


@dataclass(eq=False)
class Folded:
    """The functions, each behind those that it calls, and the lines of each part."""

    functions: list[Function]
    parts: list[list[Line]]


def fold(
    parts: Sequence[Sequence[Line]],
    classes: Mapping[str, str],
    outputs: Collection[int],
    inlined: Collection[str] = (),
    channels: Mapping[int, int] = MappingProxyType({}),
) -> Folded:
    """Fold lines by the modules that they come from; `outputs` are the values of the model.

    The parts stay apart, but share functions. Modules of the classes in `inlined` have none.
    `channels` are the numbers of channels of values, as far as they are known.
    """
    known = {path: "" if cls in inlined else cls for path, cls in classes.items()}
    roots = [group_by_module(lines, known) for lines in parts]
    whole = Region("", "", [*roots])
    folder = _Folder(list(whole.lines()), outputs, channels)
    for cls in sort_classes(whole):
        waiting = [one for one in whole.regions() if one.cls == cls and one not in roots]
        while waiting:
            ready = [region for region in waiting if not _holds_any(region, waiting)]
            folder.fold_class(cls, ready)
            waiting = [region for region in waiting if region not in ready]
    return Folded(folder.functions, list(map(folder.current_lines, roots)))


def _holds_any(region: Region, others: Sequence[Region]) -> bool:
    return not set(others).isdisjoint(region.regions())


class _Folder:
    """Holds what has become of each region."""

    def __init__(
        self, lines: Sequence[Line], outputs: Collection[int], channels: Mapping[int, int]
    ) -> None:
        self.functions: list[Function] = []
        self.classes: dict[int, str] = {}
        """Number of a function -> the class that it is made of."""
        self.replaced: dict[Region, list[Line]] = {}
        """Region -> its lines now: a call of a function, or its own."""
        self.outputs, self.channels = outputs, channels
        self.users: dict[int, list[Line]] = {}
        for line in lines:
            for value in line.reads:
                self.users.setdefault(value, []).append(line)

    def current_lines(self, region: Region) -> list[Line]:
        """Return a region's lines, with calls of functions where there are some by now."""
        lines: list[Line] = []
        for item in region.items:
            if isinstance(item, Region):
                lines += self.replaced[item]
            else:
                lines.append(item)
        return lines

    def fold_class(self, cls: str, regions: Sequence[Region]) -> None:
        """Replace the regions of one class by calls, where several are alike."""
        regions_of: dict[Body, Region] = {}
        templates: list[Template] = []
        for region in regions:
            body = self._body(region)
            regions_of[body] = region
            _join(templates, body)
        for template in templates:
            function = None
            if _is_worth_a_function(template):
                number = len(self.functions)
                function = make_function(number, cls, template, self.classes, self.channels)
                self.functions.append(function)
                self.classes[number] = cls
            for piece, body in enumerate(template.bodies):
                lines = body.lines if function is None else [call_line(function, piece)]
                self.replaced[regions_of[body]] = lines

    def _body(self, region: Region) -> Body:
        """Return a region's lines as they are now, what they take from outside and give."""
        lines = self.current_lines(region)
        own = set(region.lines())
        made = []
        for line in region.lines():
            made += line.makes
        read: dict[int, None] = {}
        for line in lines:
            read.update(dict.fromkeys(line.reads))
        outs = []
        for value in made:
            users = set(self.users.get(value, ()))
            if value in self.outputs or not users <= own:
                outs.append(value)
        for value in made:
            read.pop(value, None)
        return Body(region.path, lines, list(read), outs)


def _join(templates: list[Template], body: Body) -> None:
    """Let a piece join the template that needs the fewest options for it, or found one."""
    merged: list[tuple[int, int, Template]] = []
    for place, template in enumerate(templates):
        candidate = merge(template, body)
        if candidate is not None and _is_one_function(candidate):
            merged.append((count_options(candidate), place, candidate))
    if merged:
        _, place, best = min(merged, key=lambda item: item[:2])
        templates[place] = best
    else:
        templates.append(start_template(body))


def _is_one_function(template: Template) -> bool:
    """Whether the pieces share enough to be read as one function."""
    shared = sum(all(line.present) for line in template.lines)
    return 3 * shared >= len(template.lines) and count_options(template) <= MOST_OPTIONS


def _is_worth_a_function(template: Template) -> bool:
    """Whether a function makes the code shorter: it costs about three lines."""
    saved = (len(template.bodies) - 1) * (len(template.lines) - 1)
    return saved > 3 and len(template.lines) > 1
