"""Conditions on the sizes of inputs, written as Python: `x.shape[0] <= 16`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sympy
from torch.utils._sympy.printers import PythonPrinter

from torch2keras.capture.captured import Captured
from torch2keras.fx_passes.fake_values import symbolic_expression
from torch2keras.graph.ir import Graph
from torch2keras.graph.symbolic import size_quotient


def write_conditions(graph: Graph, captured: Captured) -> tuple[str, ...]:
    """Return the conditions that sizes have to keep to, by the names of the inputs."""
    names = _name_symbols(graph, captured)
    return tuple(_write(condition, names) for condition in captured.size_conditions)


def find_broken_conditions(
    graph: Graph, captured: Captured, shapes: Sequence[tuple[int, ...]]
) -> Iterator[str]:
    """Yield the conditions that shapes of all inputs, in their order, do not keep to."""
    names = _name_symbols(graph, captured)
    sizes: dict[Any, sympy.Integer] = {}
    for symbol, (position, dim, factor) in _locate_symbols(captured).items():
        sizes[symbol] = sympy.Integer(shapes[position][dim] // factor)
    for condition in captured.size_conditions:
        if condition.xreplace(sizes) == sympy.false:
            yield _write(condition, names)


def _name_symbols(graph: Graph, captured: Captured) -> dict[Any, sympy.Symbol]:
    """Return what stands for each symbol in text, as a symbol of that name."""
    names = {}
    for symbol, (position, dim, factor) in _locate_symbols(captured).items():
        size = f"{graph.inputs[position].name}.shape[{dim}]"
        names[symbol] = sympy.Symbol(size if factor == 1 else f"({size} // {factor})", integer=True)
    return names


def _locate_symbols(captured: Captured) -> dict[Any, tuple[int, int, int]]:
    """Return the first input and dim whose size is a symbol, or a multiple of it, and the factor.

    A dim that is the symbol itself comes before one that is a multiple.
    """
    places: dict[Any, tuple[int, int, int]] = {}
    for position, value in enumerate(captured.user_values):
        for dim, size in enumerate(value.shape):
            expression = symbolic_expression(size)
            if expression is None or len(expression.free_symbols) != 1:
                continue
            (symbol,) = expression.free_symbols
            factor = size_quotient(expression, symbol)
            known = places.get(symbol)
            if isinstance(factor, int) and (known is None or factor < known[2]):
                places[symbol] = position, dim, factor
    return places


def _write(condition: Any, names: Mapping[Any, sympy.Symbol]) -> str:
    return str(PythonPrinter().doprint(condition.xreplace(dict(names))))
