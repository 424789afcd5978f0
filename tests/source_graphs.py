"""Small KerasGraphs made by hand, for the tests of the source code that is written of them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.graph.ir import Constant, Origin, TensorType
from torch2keras.keras_graph.graph import Call, Input, KerasGraph, Literal, Ref
from torch2keras.keras_graph.source.program import write_program
from torch2keras.keras_graph.source.replay import require_same_calls
from torch2keras.keras_graph.weight import Weight

ALLOWED = frozenset(
    [
        "Add",
        "And",
        "Assign",
        "Attribute",
        "BinOp",
        "BoolOp",
        "Call",
        "Compare",
        "Constant",
        "Eq",
        "Expr",
        "FloorDiv",
        "For",
        "FormattedValue",
        "FunctionDef",
        "Gt",
        "If",
        "IfExp",
        "Import",
        "ImportFrom",
        "Index",
        "JoinedStr",
        "List",
        "ListComp",
        "Load",
        "Module",
        "Mult",
        "Name",
        "Not",
        "NotEq",
        "Pow",
        "Return",
        "Slice",
        "Starred",
        "Store",
        "Sub",
        "Subscript",
        "Tuple",
        "UAdd",
        "USub",
        "UnaryOp",
        "alias",
        "arg",
        "arguments",
        "comprehension",
        "keyword",
    ]
)
"""The kinds of nodes of Python that generated code is made of, and no others."""


class Maker:
    """Records calls one by one; values are their numbers."""

    def __init__(self, *names: str, shape: tuple[int | None, ...] = (None, 8)) -> None:
        self.inputs = [Input(name, shape, "float32") for name in names or ("x",)]
        self.calls: list[Call] = []
        self.next = len(self.inputs)

    def call(self, target: str, args: Any, path: str = "", count: int = 1, **more: Any) -> Any:
        """Record a call; ints in `args` are values."""
        outputs = tuple(range(self.next, self.next + count))
        self.next += count
        shown = tuple(to_ref(arg) for arg in args)
        kwargs = {"kwargs": {}} | more
        call = Call(target, shown, outputs=outputs, origin=Origin(path), **kwargs)
        self.calls.append(call)
        return outputs[0] if count == 1 else outputs

    def op(self, name: str, *args: Any, path: str = "", count: int = 1, **kwargs: Any) -> Any:
        """Record the call of an op; ints are values, and constants are wrapped as `Value`."""
        return self.call(f"ops.{name}", args, path, count, kwargs=kwargs)

    def layer(self, cls: str, value: Any, path: str, name: str = "", **config: Any) -> Any:
        """Record the call of a layer, which is named after its path."""
        extra = {key: config.pop(key) for key in ("dtype", "trainable") if key in config}
        full = {"dtype": "float32", **extra}
        name = name or path.replace(".", "_")
        return self.call(f"layers.{cls}", [value], path, name=name, config=config, **full)

    def graph(self, *outputs: int, name: str = "net") -> KerasGraph:
        """Return the graph."""
        return KerasGraph(name, tuple(self.inputs), tuple(self.calls), outputs)


class Value:
    """A constant that is a number, among arguments of which ints are values."""

    def __init__(self, value: Any) -> None:
        self.value = value


def to_ref(argument: Any) -> Any:
    """Return an argument with Refs for ints."""
    if isinstance(argument, Value):
        return argument.value
    if isinstance(argument, list):
        return [to_ref(item) for item in argument]
    if isinstance(argument, tuple):
        return tuple(to_ref(item) for item in argument)
    return Ref(argument) if type(argument) is int else argument


def literal(tensor: torch.Tensor) -> Literal:
    """Return a tensor as a constant in a call."""
    kind = TensorType(tuple(tensor.shape), tensor.dtype)
    return Literal(Weight.of(Constant("c", kind, tensor, ("c",))))


def fold_source(graph: KerasGraph, classes: Mapping[str, str] | None = None) -> str:
    """Return the folded code of a graph, and hold it to what generated code must be."""
    text = write_program(graph, classes or {})
    require_safe(text)
    require_same_calls(text, graph)
    return text


def require_safe(text: str) -> None:
    """Require that a text has no other kinds of nodes than those that we write."""
    kinds = {type(node).__name__ for node in ast.walk(ast.parse(text))}
    assert kinds <= ALLOWED, kinds - ALLOWED


def function_names(text: str) -> list[str]:
    """Return the names of the functions of a text."""
    return [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]


def value_names(text: str) -> set[str]:
    """Return the names of all variables and arguments of a text."""
    nodes = list(ast.walk(ast.parse(text)))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.arg for node in nodes if isinstance(node, ast.arg)}
