"""Every op that is declared has a case, and a wrong declaration breaks the law.

`conversion.check` holds each case of tests/ops against the laws of its ops.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from laws import broken_laws
from stages import graph_of
from torch2keras.declarations.registry import registry

aten = torch.ops.aten

# op, a wrong declaration of it, what breaks it, on inputs of these shapes
WRONG = {
    "softmax is not pointwise": (aten.softmax.int, "...", lambda x: x.softmax(1), [(2, 3, 5)]),
    "cumsum sees the order": (
        aten.cumsum.default,
        "... [dim] -> ... [dim]",
        lambda x: x.cumsum(1),
        [(2, 3, 5)],
    ),
    "a convolution sees the order": (
        aten.conv1d.default,
        "n c *s, f c *k -> n f *s",
        lambda x, w: F.conv1d(x, w, padding=1),
        [(2, 3, 11), (5, 3, 3)],
    ),
    "a convolution has two channels": (
        aten.conv1d.default,
        "n c *s', c f *k' -> n f *s'",
        lambda x, w: F.conv1d(x, w),
        [(2, 3, 11), (3, 3, 3)],
    ),
    "linear contracts the last axis": (
        aten.linear.default,
        "... o, o i -> ... i",
        F.linear,
        [(2, 3), (3, 3)],
    ),
    "flip sees the order": (
        aten.flip.default,
        "... [dims] -> ... [dims]",
        lambda x: x.flip(1),
        [(2, 3)],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_declaration_breaks_the_law(monkeypatch, name: str) -> None:
    op, declaration, function, shapes = WRONG[name]
    inputs = [torch.randn(s, generator=torch.Generator().manual_seed(0)) for s in shapes]
    graph = graph_of(function, *inputs)
    assert op in {node.op for node in graph.nodes}
    assert list(broken_laws(graph, inputs)) == []
    monkeypatch.setitem(
        registry.lowerings, op, replace(registry.lowerings[op], torch=declaration, keras=None)
    )
    assert list(broken_laws(graph, inputs))


def families() -> Iterator[ModuleType]:
    """The test modules of tests/ops."""
    for path in sorted((Path(__file__).parent / "ops").rglob("test_*.py")):
        spec = importlib.util.spec_from_file_location(f"laws_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.mark.slow
def test_every_declared_op_has_a_case() -> None:
    met = set()
    for module in families():
        for case in getattr(module, "CASES", {}).values():
            torch.manual_seed(0)
            made = case.make().eval()
            graph = graph_of(made, *case.inputs(), dynamic=case.options.get("dynamic_shapes"))
            met |= {node.op for node in graph.nodes}
    declared = {op for op, lowering in registry.lowerings.items() if lowering.torch is not None}
    assert sorted(map(str, declared - met)) == []
