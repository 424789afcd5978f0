"""What a converted model may be called with: ranks, sizes, equal sizes, multiples and bounds.

A module's graph holds for the sizes that torch.export proved it for; Keras would compute on with
others, and be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sympy

from torch2keras.capture.captured import Captured
from torch2keras.conversion.size_conditions_text import find_broken_conditions
from torch2keras.errors import InputError
from torch2keras.graph.ir import Graph
from torch2keras.graph.symbolic import size_quotient

Shape = tuple[int, ...]

FirstSizes = dict[Any, tuple[int, str]]
"""Symbol -> the number that the first dimension with it gave it, and which dimension that was."""

WHY = "so it was captured: by the example, by dynamic_shapes, or because forward needs it"
NEXT = "give other inputs, or convert once more with dynamic_shapes that allow these"


def check_call(graph: Graph, captured: Captured, shapes: Sequence[Shape]) -> None:
    """Check the shapes of all inputs, in PyTorch's order, against those that the graph stands for.

    Raises InputError where there are more or fewer inputs, or a shape does not fit.
    """
    inputs = ", ".join(map(str, graph.inputs))
    if len(shapes) != len(graph.inputs):
        given = ", ".join(str(list(shape)) for shape in shapes)
        raise InputError(
            f"the model takes {len(graph.inputs)} tensors, {len(shapes)} are given",
            [("inputs", inputs), ("given", given)],
        )
    problem = next(_find_problems(graph, captured, shapes), None)
    if problem is None:
        return
    pairs = zip(graph.inputs, shapes, strict=True)
    given = ", ".join(f"{value.name} {list(shape)}" for value, shape in pairs)
    raise InputError(
        problem,
        [
            ("inputs", inputs),
            ("given", given),
            ("why", WHY),
            ("next", NEXT),
        ],
    )


def _find_problems(graph: Graph, captured: Captured, shapes: Sequence[Shape]) -> Iterator[str]:
    """Yield what does not fit, input by input, dimension by dimension."""
    first_sizes: FirstSizes = {}
    for value, shape in zip(graph.inputs, shapes, strict=True):
        if len(shape) != value.type.rank:
            yield f"{value.name} has {len(shape)} dimensions, not {value.type.rank}"
            return
        for dim, (size, expected) in enumerate(zip(shape, value.type.shape, strict=True)):
            place = f"dimension {dim} of {value.name}"
            if not isinstance(expected, int):
                yield from _find_unequal(size, expected, place, first_sizes)
            elif size != expected:
                yield f"{place} is {size}, not {expected}"
    for condition in find_broken_conditions(graph, captured, shapes):
        yield f"the inputs do not keep to {condition}"


def _find_unequal(
    size: int, expected: sympy.Expr, place: str, first_sizes: FirstSizes
) -> Iterator[str]:
    """Yield a message where a size is not the multiple, or not the equal, that it has to be.

    An expression that is no multiple of one symbol is not checked.
    """
    symbols = expected.free_symbols
    if len(symbols) != 1:
        return
    (symbol,) = symbols
    factor = size_quotient(expected, symbol)
    if not isinstance(factor, int):
        return
    if size % factor:
        yield f"{place} is {size}, no multiple of {factor}"
    number = size // factor
    first_number, first_place = first_sizes.setdefault(symbol, (number, place))
    if first_number != number:
        yield f"{place} is {size}, {first_place} does not fit it"
