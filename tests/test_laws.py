"""The law of every declaration, on PyTorch alone.

A label without a prime says: the op treats the positions of this axis alike. So the same permutation of the positions,
applied to every operand that has the label, must permute the result along it, or leave a result without it unchanged.
Every op that is registered with a declaration must be met by some case of tests/ops.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch

from conversion import Case
from torch2keras.axes import AxisMap, axis_map, term_values
from torch2keras.capture import capture
from torch2keras.importer import import_graph
from torch2keras.interpret import evaluate, input_symbols
from torch2keras.ir import Constant, Graph, Node, Value
from torch2keras.loading import load_exporter
from torch2keras.passes import decompose
from torch2keras.patterns import Dim, Label
from torch2keras.registry import registry

FOLDER = Path(__file__).parent / "ops"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"laws_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def cases() -> dict[str, Case]:
    found = {}
    for path in sorted(FOLDER.glob("test_*.py")):
        found |= {f"{path.stem}: {name}": case for name, case in getattr(load(path), "CASES", {}).items()}
    return found


@cache
def graph_of(name: str) -> tuple[Graph, tuple[torch.Tensor, ...]]:
    torch.manual_seed(0)
    load_exporter()
    case = cases()[name]
    module, inputs = case.make(), case.inputs()
    shapes = case.options.get("dynamic_shapes")
    captured = capture(module, inputs, dynamic_shapes=shapes)
    return import_graph(captured.program, decompose(captured.graph_module, registry.__contains__)), inputs


def nodes(name: str) -> Iterator[tuple[Node, dict[Value, torch.Tensor]]]:
    """Each node and the values of its operands."""
    graph, inputs = graph_of(name)
    known = {v: t.double() if t.is_floating_point() else t for v, t in zip(graph.inputs, inputs, strict=True)}
    symbols = input_symbols(graph, inputs)
    for node in graph.nodes:
        known |= {v: v.data.double() if v.data.is_floating_point() else v.data for v in node.operands if isinstance(v, Constant)}
        yield node, known
        known |= dict(zip(node.outputs, evaluate(node, known.__getitem__, symbols), strict=True))


def permuted(tensor: torch.Tensor, dims: tuple[Dim, ...], sizes: dict[Label, int], label: Label, order: torch.Tensor) -> torch.Tensor:
    """A tensor with the positions of one label in another order."""
    for d, labels in enumerate(dims):
        if label not in labels or tensor.shape[d] == 1:
            continue
        if len(labels) == 1:
            tensor = tensor.index_select(d, order)
        else:
            parts = [sizes[x] for x in labels]
            at = d + labels.index(label)
            tensor = tensor.unflatten(d, parts).index_select(at, order).flatten(d, d + len(labels) - 1)
    return tensor


def label_sizes(known: AxisMap, shapes: list[tuple[int, ...]], given: dict[Label, int]) -> dict[Label, int]:
    sizes = dict(given)
    groups = []
    for shape, dims in zip(shapes, known.dims, strict=True):
        for labels, size in zip(dims, shape, strict=True):
            if len(labels) > 1:
                groups.append((labels, size))
            else:
                sizes[labels[0]] = max(size, sizes.get(labels[0], 1))
    for labels, size in groups:
        for label in labels:
            if label not in sizes:
                others = [sizes.get(x, 1) for x in labels if x != label]
                rest = size
                for other in others:
                    rest //= other
                sizes[label] = rest
    return sizes


def check_node(node: Node, known: AxisMap, values: dict[Value, torch.Tensor], symbols: dict) -> None:
    operands = {v: values[v] for v in node.operands}
    plain = evaluate(node, operands.__getitem__, symbols)
    shapes = [tuple(values[v].shape) for v in node.operands] + [tuple(t.shape) for t in plain]
    given = {x: node.args[x.slot] for dims in known.dims for d in dims for x in d if isinstance(node.args.get(x.slot), int) and len(d) > 1}
    sizes = label_sizes(known, shapes, given)
    for label in {x for dims in known.dims for d in dims for x in d if not x.ordered}:
        if sizes[label] < 2:  # noqa: PLR2004 - nothing to permute
            continue
        order = torch.randperm(sizes[label], generator=torch.Generator().manual_seed(1))
        terms = dict(zip(term_values(node), known.dims, strict=False))
        moved = {v: permuted(t, terms[v], sizes, label, order) for v, t in operands.items()}
        if len(set(node.operands)) < len(node.operands):
            return  # one value in two places: their labels may differ
        got = evaluate(node, moved.__getitem__, symbols)
        for value, before, after, dims in zip(node.outputs, plain, got, known.dims[len(node.operands) :], strict=True):
            want = permuted(before, dims, sizes, label, order)
            torch.testing.assert_close(after, want, rtol=1e-9, atol=1e-9, equal_nan=True, msg=lambda m: f"{node.op} {label}: {m}")  # noqa: B023
            assert value.type.rank == want.ndim


@pytest.mark.parametrize("name", cases())
def test_declarations_hold(name: str) -> None:
    graph, inputs = graph_of(name)
    symbols = input_symbols(graph, inputs)
    for node, values in nodes(name):
        known = axis_map(node) if node.op in registry.lowerings else None
        if known is not None:
            check_node(node, known, values, symbols)


def test_every_declared_op_has_a_case() -> None:
    met = {node.op for name in cases() for node in graph_of(name)[0].nodes}
    declared = {op for op, lowering in registry.lowerings.items() if lowering.torch is not None}
    assert sorted(map(str, declared - met)) == []
