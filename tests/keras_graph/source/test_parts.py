"""Deep graphs are parts, each a function that is nested."""

from __future__ import annotations

from source_graphs import Maker, require_safe
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.keras_graph.source.expressions import Fixed, Variable
from torch2keras.keras_graph.source.lines import CallTree, FunctionName, Gap, Group, Line, Read
from torch2keras.keras_graph.source.parts import NEST, Part, split_parts, unwrap_parts


def deep_graph(count: int) -> KerasGraph:
    maker = Maker()
    x = 0
    for place in range(count):
        x = maker.op("tanh", x, path=f"blocks.{place // 200}")
    return maker.graph(x)


def test_a_shallow_graph_is_one_part() -> None:
    (part,) = split_parts(deep_graph(10))
    assert (part.function, part.ports) == ("build", None)
    assert len(part.lines) == 10


def test_a_deep_graph_is_several() -> None:
    *parts, whole = split_parts(deep_graph(1200))
    names = [part.function for part in parts]
    assert len(names) == len(set(names)) > 1
    assert all(name.startswith("part_") and not name[-1].isdigit() for name in names)
    lines = [line for part in (*parts, whole) for line in part.lines]
    trees = [line.tree for line in lines]
    called = [
        line.gaps[0]
        for line, tree in zip(lines, trees, strict=True)
        if isinstance(tree, CallTree) and tree.function == "nest"
    ]
    assert called == [Variable(name) for name in names]
    ports = parts[0].ports
    assert ports is not None
    assert set(ports.outputs) <= {value for line in parts[0].lines for value in line.makes}


def test_a_part_that_is_one_call_is_nested_itself() -> None:
    part, *_, whole = split_parts(deep_graph(1200))
    ports = part.ports
    assert ports is not None
    call = CallTree(3, (Read(0),), (("name", Gap(0, "name")),))
    one = Line(call, [Fixed("a")], list(ports.inputs), list(ports.outputs), "")
    gaps = [Variable(part.function), Fixed(ports.name)]
    group = Group(is_list=True, items=(Read(0),))
    nest = CallTree("nest", (Gap(0, "function"), group), (("name", Gap(1, "name")),))
    outer = Line(nest, gaps, list(ports.inputs), list(ports.outputs), "")
    (kept,) = unwrap_parts([part, whole], [[one], [outer]])
    (line,) = kept.lines
    assert isinstance(line.tree, CallTree)
    assert line.tree.args[0] == CallTree(FunctionName(3), (), call.kwargs)
    assert line.gaps == [Fixed("a"), Fixed(ports.name)]
    other = Line(call, one.gaps, one.reads, [1], "")
    assert len(unwrap_parts([part, Part("build", [], None)], [[other], [outer]])) == 2


def test_the_function_that_nests_is_like_the_others() -> None:
    require_safe(NEST)
    assert max(map(len, NEST.splitlines())) <= 100
