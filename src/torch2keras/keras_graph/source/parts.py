"""The nested models of a deep graph: each is a function of its own, which `nest` calls."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch2keras.keras_graph.graph import Call, KerasGraph
from torch2keras.keras_graph.nesting import (
    Segment,
    SegmentPorts,
    find_segment_ports,
    nest_calls,
)
from torch2keras.keras_graph.source.expressions import Expression, Fixed, Variable
from torch2keras.keras_graph.source.identifiers import find_free_name, identifier
from torch2keras.keras_graph.source.lines import (
    CallTree,
    FunctionName,
    Gap,
    Group,
    Line,
    Read,
    make_lines,
)

NEST = '''\
def nest(function, inputs, name):
    """Call a function as a model of its own: Keras walks models by recursion, not too deep."""
    symbols = [keras.Input(batch_shape=x.shape, dtype=x.dtype) for x in inputs]
    outputs = function(*symbols)
    if isinstance(outputs, tuple):
        outputs = list(outputs)
    if len(inputs) == 1:
        return keras.Model(symbols[0], outputs, name=name)(inputs[0])
    return keras.Model(symbols, outputs, name=name)(inputs)'''
"""The function of the generated code that makes nested models."""


@dataclass(frozen=True)
class Part:
    """The lines of a nested model, or of the whole; the whole has no ports."""

    function: str
    lines: list[Line]
    ports: SegmentPorts | None


def split_parts(graph: KerasGraph) -> list[Part]:
    """Return the parts of a graph, each behind those that it calls; the whole model is the last."""
    items = nest_calls(graph)
    taken = {call.name for call in graph.calls if call.is_layer}
    taken.update(port.name for port in graph.inputs)
    ports = find_segment_ports(items, graph.outputs, taken)
    last = len(graph.inputs)
    for call in graph.calls:
        last = max([last, *call.outputs])
    parts: list[Part] = []
    whole = _collect_lines(items, itertools.count(last + 1), ports, parts)
    return [*parts, Part("build", whole, None)]


def _collect_lines(
    items: Sequence[Call | Segment],
    numbers: Iterator[int],
    ports: Mapping[int, SegmentPorts],
    parts: list[Part],
) -> list[Line]:
    own_calls = [item for item in items if isinstance(item, Call)]
    own_lines = iter(make_lines(own_calls, numbers))
    lines: list[Line] = []
    for item in items:
        if isinstance(item, Segment):
            own = ports[id(item)]
            inner = _collect_lines(item.items, numbers, ports, parts)
            taken = {part.function for part in parts}
            function = find_free_name(f"part_{identifier(own.name)}", taken)
            parts.append(Part(function, inner, own))
            lines.append(_call_part(function, own, item.path.rpartition(".")[0]))
        else:
            lines += next(own_lines)
    return lines


def _call_part(function: str, ports: SegmentPorts, path: str) -> Line:
    """Return the line that calls a part as a nested model."""
    reads = tuple(map(Read, range(len(ports.inputs))))
    args = (Gap(0, "function"), Group(is_list=True, items=reads))
    tree = CallTree("nest", args, (("name", Gap(1, "name")),))
    gaps: list[Expression] = [Variable(function), Fixed(ports.name)]
    return Line(tree, gaps, list(ports.inputs), list(ports.outputs), path)


def unwrap_parts(parts: Sequence[Part], folded: Sequence[list[Line]]) -> list[Part]:
    """Return the parts with folded lines, without those that are one call of a function.

    Such a function is nested itself: `nest(partial(block, name="layer1"), [x], name="layer1")`.
    """
    single: dict[str, Line] = {}
    kept = []
    for part, lines in zip(parts, folded, strict=True):
        nested = [_nest_function(line, single) for line in lines]
        if _is_one_call(part, nested):
            single[part.function] = nested[0]
        else:
            kept.append(replace(part, lines=nested))
    return kept


def _is_one_call(part: Part, lines: Sequence[Line]) -> bool:
    """Whether a part does nothing but to call a function of ours with what it is given."""
    if part.ports is None or len(lines) != 1:
        return False
    line = lines[0]
    is_call = isinstance(line.tree, CallTree) and isinstance(line.tree.function, int)
    is_same = line.reads == list(part.ports.inputs) and line.makes == list(part.ports.outputs)
    return is_call and is_same


def _nest_function(line: Line, single: Mapping[str, Line]) -> Line:
    """Return the call of a part that is one call of a function as the nesting of this function."""
    tree = line.tree
    if not isinstance(tree, CallTree) or tree.function != "nest":
        return line
    first, *rest = line.gaps
    call = single.get(first.name) if isinstance(first, Variable) else None
    if call is None:
        return line
    inner = call.tree
    assert isinstance(inner, CallTree)
    assert isinstance(inner.function, int)
    whole = CallTree(FunctionName(inner.function), (), inner.kwargs)
    name = Gap(len(call.gaps), "name")
    outer = CallTree("nest", (whole, tree.args[1]), (("name", name),))
    return Line(outer, [*call.gaps, *rest], line.reads, line.makes, line.path)
