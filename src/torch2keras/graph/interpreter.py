"""Runs IR nodes with PyTorch, in float64 or as they are: to fold constants, to compare values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sympy
import torch

from torch2keras.graph.element_moves import move_elements, view_elements
from torch2keras.graph.ir import Constant, Graph, Node, Value

Results = dict[Node, list[torch.Tensor]]
"""What each node gives."""

UP: Mapping[torch.dtype, torch.dtype] = {
    torch.float32: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.complex64: torch.complex128,
}


def evaluate_node(
    node: Node,
    value_of: Callable[[Value], torch.Tensor | None],
    symbols: Mapping[sympy.Symbol, int] | None = None,
    *,
    with_gradients: bool = False,
    in_float64: bool = True,
) -> list[torch.Tensor]:
    """Return the node's results, symbols of sizes replaced.

    Float types are widened to float64, where it is asked for.
    """
    wider = UP if in_float64 else {}

    def widen(argument: Any) -> Any:
        if isinstance(argument, Value):
            data = value_of(argument)
            if data is None:
                return None
            return data.to(wider.get(data.dtype, data.dtype))
        if isinstance(argument, list | tuple):
            return list(map(widen, argument))
        if isinstance(argument, sympy.Expr):
            return _measure_size(argument, symbols or {})
        if isinstance(argument, torch.dtype):
            return wider.get(argument, argument)
        return argument

    before = torch.get_default_dtype()
    try:
        if in_float64:
            torch.set_default_dtype(torch.float64)
        with torch.set_grad_enabled(with_gradients):
            result = node.op(**{name: widen(a) for name, a in node.args.items()})
    finally:
        torch.set_default_dtype(before)
    if isinstance(result, list | tuple):
        return list(result)
    return [result]


def _measure_size(size: sympy.Expr, symbols: Mapping[sympy.Symbol, int]) -> int | float:
    number = sympy.sympify(size.xreplace(dict(symbols)))
    return int(number) if number.is_integer else float(number)


def run_nodes(
    graph: Graph, inputs: Sequence[torch.Tensor], *, in_float64: bool = True
) -> Iterator[tuple[Node, Value, torch.Tensor]]:
    """Yield every node's results in order, in float64 or in the types of the graph."""
    known: dict[Value, torch.Tensor] = dict(zip(graph.inputs, inputs, strict=True))
    symbols = measure_symbols(graph, inputs)

    def value_of(value: Value) -> torch.Tensor:
        if not isinstance(value, Constant):
            return known[value]
        # What was computed from constants is held in float64, until it is rounded once.
        return value.data if in_float64 else value.data.to(value.type.dtype)

    for node in graph.nodes:
        results = evaluate_node(node, value_of, symbols, in_float64=in_float64)
        for value, tensor in zip(node.outputs, results, strict=True):
            known[value] = tensor
            yield node, value, tensor


def measure_symbols(graph: Graph, inputs: Sequence[torch.Tensor]) -> dict[sympy.Symbol, int]:
    """Return what each symbol measures in these inputs.

    The sizes of torch.export's inputs are linear in one symbol.
    """
    measured = {}
    for value, tensor in zip(graph.inputs, inputs, strict=True):
        for size, number in zip(value.type.shape, tensor.shape, strict=True):
            if not isinstance(size, int) and len(size.free_symbols) == 1:
                (symbol,) = size.free_symbols
                measured[symbol] = int((number - size.subs(symbol, 0)) / size.coeff(symbol))
    return measured


def recompute_constant(
    constant: Constant, tensors: Mapping[str, torch.Tensor], known: Results | None = None
) -> torch.Tensor:
    """Return a constant's value with other tensors for the named ones.

    `known` takes in the results of the nodes that compute it: with one for several constants,
    each node runs once.
    """
    if known is None:
        known = {}
    return move_elements(recompute_source(constant, tensors, known), constant.moves)


def recompute_source(
    constant: Constant, tensors: Mapping[str, torch.Tensor], known: Results
) -> torch.Tensor:
    """Return what a constant's moves start from, as `recompute_constant` has its value."""
    if constant.recipe is None:
        given = next((tensors[p] for p in constant.paths if p in tensors), constant.tensor)
        return given if constant.tensor.is_complex() else view_elements(given)
    node, number = constant.recipe

    def value_of(value: Value) -> torch.Tensor | None:
        if not isinstance(value, Constant):
            return None
        return recompute_constant(value, tensors, known)

    if node not in known:
        known[node] = evaluate_node(node, value_of)
    return known[node][number]


def find_sources(constant: Constant) -> Iterator[Constant]:
    """Yield the constants that a constant is computed from, each once; itself where it is not."""
    seen: set[Constant] = set()
    pending = [constant]
    while pending:
        item = pending.pop()
        if item in seen:
            continue
        seen.add(item)
        if item.recipe is None:
            yield item
        else:
            pending += [v for v in reversed(item.recipe[0].operands) if isinstance(v, Constant)]


def find_paths(constant: Constant) -> list[str]:
    """Return the names of the tensors that a constant is computed from, each once."""
    paths: dict[str, None] = {}
    for source in find_sources(constant):
        paths.update(dict.fromkeys(source.paths))
    return list(paths)
