"""Which sizes of the inputs a file has: fixed numbers, or any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy

from torch2keras.capture.sizes.batch_dims import is_time_first
from torch2keras.conversion.record import Conversion
from torch2keras.conversion.size_conditions_text import find_broken_conditions
from torch2keras.errors import InputError
from torch2keras.graph.ir import Graph, Size
from torch2keras.graph.symbolic import static_size

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class FileSizes:
    """The sizes of a file's inputs, and what follows from them."""

    fixed: Mapping[sympy.Symbol, int]
    """The sizes of the module that are numbers in the file."""
    torch_shapes: tuple[Shape, ...]
    """Of each input, in PyTorch's order; None where any size is taken."""
    keras_shapes: tuple[Shape, ...]
    batch: int | None
    """The size of the batch; None where any is taken."""
    notes: tuple[str, ...] = ()

    @property
    def is_dynamic(self) -> bool:
        """Whether a size of an input is not fixed."""
        return any(None in shape for shape in self.torch_shapes)

    def output_shapes(self, conversion: Conversion) -> list[Shape]:
        """Return the shape of each output in PyTorch's order."""
        values = conversion.graph.output_values()
        return [_measure(value.type.shape, self.fixed) for value in values]


def find_batch_symbols(graph: Graph) -> list[sympy.Symbol]:
    """Return the symbols of the batch: that of the first dim of an input, or the only one.

    Another one that is the first dim of an input, and no later dim of any, is a batch too: inputs
    that are never brought together have one each. There is none where every size is fixed.
    """
    first: list[sympy.Symbol] = []
    later: set[sympy.Symbol] = set()
    for value in graph.inputs:
        for dim, size in enumerate(value.type.shape):
            if isinstance(size, int):
                continue
            found = sorted(size.free_symbols, key=str)
            if dim > 0:
                later.update(found)
            elif len(found) == 1 and found[0] not in first:
                first += found
    if not first:
        return list(later) if len(later) == 1 else []
    return [symbol for symbol in first if symbol == first[0] or symbol not in later]


def fix_sizes(conversion: Conversion, batch: int | None) -> FileSizes:
    """Return the sizes of the inputs for a batch of this size, or of any.

    Raises InputError where the module was not converted for it.
    """
    graph = conversion.graph
    symbols = find_batch_symbols(graph)
    fixed: dict[sympy.Symbol, int] = {}
    notes: list[str] = []
    if not symbols:
        notes += _keep_example_batch(graph, batch)
        batch = _find_example_batch(graph)
    elif batch is not None:
        notes += _name_time(conversion, symbols[0], batch)
        fixed = {symbol: _solve_batch(graph, symbol, batch) for symbol in symbols}
    shapes = tuple(_measure(value.type.shape, fixed) for value in graph.inputs)
    _require_captured(conversion, shapes)
    stored = []
    for port, shape in zip(conversion.inputs, shapes, strict=True):
        stored.append(tuple(shape[dim] for dim in port.permutation))
    return FileSizes(fixed, shapes, tuple(stored), batch, tuple(notes))


def _name_time(conversion: Conversion, symbol: sympy.Symbol, batch: int) -> list[str]:
    """Return the note that what is fixed may be the time, where a layer takes that first."""
    first = conversion.graph.inputs[0]
    is_first = bool(first.type.shape) and first.type.shape[0] == symbol
    if not (is_first and is_time_first(conversion.module)):
        return []
    note = (
        f"The first dimension of {first.name} is fixed to {batch}. Where it is the time, and not "
        "the batch, convert with dynamic_shapes that name the batch alone."
    )
    return [note]


def _find_example_batch(graph: Graph) -> int | None:
    """Return the first size of the first input that has one."""
    for value in graph.inputs:
        if value.type.shape:
            return static_size(value.type.shape[0])
    return None


def _keep_example_batch(graph: Graph, batch: int | None) -> list[str]:
    """Return the note that the batch is the example's, where another one is asked for."""
    captured = _find_example_batch(graph)
    if captured is None or batch == captured:
        return []
    if batch is not None and batch > 1:
        raise InputError(
            f"a batch of {batch} is asked for, and the model has a batch of {captured} alone",
            [
                ("why", "torch.export could not prove a dynamic batch; the report says why"),
                ("next", f"convert with an example of batch {batch}"),
            ],
        )
    return [f"The first size is {captured}, as in the example: it was not captured as dynamic."]


def _solve_batch(graph: Graph, symbol: sympy.Symbol, batch: int) -> int:
    """Return what the symbol measures where the size that it stands in is the batch."""
    for value in graph.inputs:
        for size in value.type.shape:
            if isinstance(size, int) or size.free_symbols != {symbol}:
                continue
            number = (batch - size.subs(symbol, 0)) / size.coeff(symbol)
            if number == int(number) and number > 0:
                return int(number)
            raise InputError(
                f"no batch of {batch}: the first size of {value.name} is {size}",
                [("next", "give another batch, or None")],
            )
    raise AssertionError(symbol)


def _measure(shape: tuple[Size, ...], fixed: Mapping[sympy.Symbol, int]) -> Shape:
    sizes: list[int | None] = []
    for size in shape:
        known = size if isinstance(size, int) else size.xreplace(dict(fixed))
        sizes.append(static_size(known))
    return tuple(sizes)


def _require_captured(conversion: Conversion, shapes: tuple[Shape, ...]) -> None:
    """Raise InputError where the fixed sizes break what the module was captured for."""
    known = []
    for shape in shapes:
        if None in shape:
            return  # what remains dynamic is held to the limits when it is called
        known.append(tuple(size for size in shape if size is not None))
    broken = list(find_broken_conditions(conversion.graph, conversion.captured, known))
    if broken:
        raise InputError(
            f"this batch breaks a limit of the module's sizes: {broken[0]}",
            [("next", "give another batch")],
        )
