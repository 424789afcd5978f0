"""What a converted model may be called with: its ranks and sizes, sizes that are equal, multiples and bounds."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import sympy

from torch2keras.capture.captured import Captured
from torch2keras.errors import InputError
from torch2keras.fx_passes.fake_values import symbolic_expression
from torch2keras.graph.ir import Graph
from torch2keras.graph.symbolic import quotient

LEAST = 2
"""torch.export takes sizes below this for special without saying so: a bound of 2 is none."""


def check_call(graph: Graph, captured: Captured, shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise InputError for inputs of these shapes, in PyTorch's order, that the module's graph does not stand for."""
    names = [value.name for value in graph.inputs]
    if len(shapes) != len(names):
        raise InputError(
            f"the model takes {len(names)} tensors, {len(shapes)} are given",
            [
                ("inputs", ", ".join(map(str, graph.inputs))),
                ("given", ", ".join(str(list(s)) for s in shapes)),
            ],
        )
    problem = next(_problems(graph, captured, shapes), None)
    if problem is not None:
        given = ", ".join(
            f"{name} {list(shape)}" for name, shape in zip(names, shapes, strict=True)
        )
        raise InputError(
            problem,
            [
                ("inputs", ", ".join(map(str, graph.inputs))),
                ("given", given),
                (
                    "why",
                    "so it was captured: by the example, by dynamic_shapes, or because forward needs it",
                ),
                (
                    "next",
                    "give other inputs, or convert once more with dynamic_shapes that allow these",
                ),
            ],
        )


def _problems(graph: Graph, captured: Captured, shapes: Sequence[tuple[int, ...]]) -> Iterator[str]:
    bounds, seen = captured.program.range_constraints, dict[Any, tuple[int, str]]()
    for value, original, shape in zip(graph.inputs, captured.user_values, shapes, strict=True):
        if len(shape) != value.type.rank:
            yield f"{value.name} has {len(shape)} dimensions, not {value.type.rank}"
            return
        for dim, (size, expected) in enumerate(zip(shape, value.type.shape, strict=True)):
            place = f"dimension {dim} of {value.name}"
            if isinstance(expected, int):
                if size != expected:
                    yield f"{place} is {size}, not {expected}"
                continue
            yield from _unlike(size, expected, place, seen)
            limits = bounds.get(symbolic_expression(original.shape[dim]))
            yield from _outside(size, limits, place) if limits is not None else ()


def _unlike(
    size: int, expected: sympy.Expr, place: str, seen: dict[Any, tuple[int, str]]
) -> Iterator[str]:
    """A size that is no multiple where it has to be one, or differs from another that it equals."""
    symbols = expected.free_symbols
    if len(symbols) != 1:
        return
    (symbol,) = symbols
    times = quotient(expected, symbol)
    if not isinstance(times, int):
        return
    if size % times:
        yield f"{place} is {size}, no multiple of {times}"
    other, where = seen.setdefault(symbol, (size // times, place))
    if other != size // times:
        yield f"{place} is {size}, {where} does not fit it"


def _outside(size: int, limits: Any, place: str) -> Iterator[str]:
    lower, upper = (
        int(limit) if isinstance(limit, sympy.Integer) else None
        for limit in (limits.lower, limits.upper)
    )
    if lower is not None and lower > LEAST and size < lower:
        yield f"{place} is {size}, less than {lower}"
    if upper is not None and upper < sys.maxsize - 1 and size > upper:
        yield f"{place} is {size}, more than {upper}"
