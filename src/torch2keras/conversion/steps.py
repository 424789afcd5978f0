"""The steps of both sides, one by one, ready to run: ops of the module, calls of the Keras model.

A benchmark times them and a debugger looks at their results, without knowing how the two graphs are
built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import sympy
import torch

from torch2keras.graph.interpreter import measure_symbols
from torch2keras.graph.ir import Constant, Graph, Value
from torch2keras.keras_graph.graph import Call, KerasGraph
from torch2keras.keras_model.execute import run_call


@dataclass(frozen=True)
class Step:
    """One op or one call, on the values that the steps before it give for an example."""

    module: str
    """The path of the user's module that it belongs to; empty for the module itself."""
    name: str
    """The ATen op without its overload ("conv1d"), or the Keras layer or op ("Conv1D")."""
    run: Callable[[], list[Any]]
    """Computes the step once more and returns its results."""


def torch_steps(graph: Graph, inputs: Sequence[torch.Tensor]) -> Iterator[Step]:
    """Yield the ops of the captured module in their order, in the module's own dtypes."""
    known: dict[Value, Any] = dict(zip(graph.inputs, inputs, strict=True))
    symbols = measure_symbols(graph, inputs)

    def resolve(argument: Any) -> Any:
        if isinstance(argument, Constant):
            return argument.data.to(argument.type.dtype)
        if isinstance(argument, Value):
            return known[argument]
        if isinstance(argument, list | tuple):
            return [resolve(item) for item in argument]
        if isinstance(argument, sympy.Expr):
            return int(argument.xreplace(symbols))
        return argument

    for node in graph.nodes:
        arguments = {name: resolve(argument) for name, argument in node.args.items()}
        run = partial(_run_op, node.op, arguments)
        name = str(node.op).removeprefix("aten.").partition(".")[0]
        yield Step(node.origin.path, name, run)
        known.update(zip(node.outputs, run(), strict=True))


def _run_op(op: Callable[..., Any], arguments: Mapping[str, Any]) -> list[Any]:
    with torch.no_grad():
        result = op(**arguments)
    return list(result) if isinstance(result, list | tuple) else [result]


def keras_steps(
    graph: KerasGraph, layers: Mapping[str, keras.Layer], inputs: Sequence[Any]
) -> Iterator[Step]:
    """Yield the calls of the Keras model in their order; `inputs` are as the model takes them."""
    known = dict(enumerate(inputs))
    for call in graph.calls:
        run = partial(_run_call, call, layers, dict(known))
        yield Step(call.origin.path, call.target.rpartition(".")[2], run)
        known.update(zip(call.outputs, run(), strict=True))


def _run_call(call: Call, layers: Mapping[str, keras.Layer], known: Mapping[int, Any]) -> list[Any]:
    values = dict(known)
    run_call(call, values, lambda made: layers[made.name], {})
    return [values[number] for number in call.outputs]
