"""The sets of inputs that are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import sympy
import torch

from torch2keras.conversion.record import Conversion
from torch2keras.errors import VerificationError
from torch2keras.graph.ir import Graph
from torch2keras.verification.example_way import OTHER_WAY, make_way_check
from torch2keras.verification.noise_inputs import (
    OWN_NUMBERS,
    draw_anew,
    record_own_numbers,
    require_own_numbers,
)
from torch2keras.verification.probes import DEFAULT_PROBES, probes, resize_tensors
from torch2keras.verification.reference import run as run_module


def replace_tensors(
    conversion: Conversion, tensors: Sequence[torch.Tensor]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The example's arguments with other tensors."""
    rest = iter(tensors)
    args, kwargs = torch.utils._pytree.tree_map(
        lambda leaf: next(rest) if isinstance(leaf, torch.Tensor) else leaf,
        (conversion.args, dict(conversion.kwargs)),
    )
    return args, kwargs


def example_tensors(conversion: Conversion) -> list[torch.Tensor]:
    """The tensors of the example, flat."""
    leaves = torch.utils._pytree.tree_leaves((conversion.args, dict(conversion.kwargs)))
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


class Growth(NamedTuple):
    """Another size of a dynamic dimension: factor * size + more."""

    factor: int
    more: int


GROWTHS = (Growth(1, 1), Growth(1, 2), Growth(2, 0), Growth(4, 0))
"""Tried in this order until the module itself accepts the sizes.

An odd length for an even one comes first.
"""


class Given(NamedTuple):
    """One set of inputs, and what the module gives for it in its own type."""

    probe: str
    tensors: tuple[torch.Tensor, ...]
    outputs: list[np.ndarray]


def example_sets(
    conversion: Conversion,
    names: Sequence[str],
    notes: list[str],
    fixed: Mapping[sympy.Symbol, int] | None = None,
) -> Iterator[Given]:
    """The probes at the example's shapes, and another size of what is dynamic.

    Sizes that are `fixed` have these numbers, and no other ones. Of the default probes "wide" is
    one row of the other batch, where the module takes that.

    A probe that the module refuses, or of which it makes no finite number, is exchanged for the
    example itself; so is one for which a traced module takes another way than for the example.
    """
    example = example_tensors(conversion)
    fixed = fixed or {}
    if fixed:
        sizes = dynamic_sizes(conversion.graph, {**conversion.graph.hints, **fixed})
        example = list(resize_tensors(example, sizes))
    takes_example_way = _make_way_check(conversion)
    both = _wide_row(conversion, example, fixed) if tuple(names) == DEFAULT_PROBES else None
    if both and takes_example_way(both):
        names = [name for name in names if name != "wide"]
    else:
        both = None
    known: set[str] = set()
    for probe in probes(example, names=names):
        given, error = _attempt(conversion, probe.name, draw_anew(conversion, probe.tensors, 0))
        if given is None:
            notes.append(f"The module refuses the inputs of the probe {probe.name!r}: {error}")
        elif not takes_example_way(given):
            notes.append(OTHER_WAY.format(probe.name))
            given = None
        else:
            known.add(probe.name)
            yield given
        if "example" not in known and not (given and _tells(given)):
            known.add("example")
            (itself,) = probes(example, names=["example"])
            given, error = _attempt(conversion, itself.name, itself.tensors)
            if given is None:
                rows = [
                    ("torch", error),
                    ("next", "convert(..., verify=False) gives the model as it is"),
                ]
                raise VerificationError(
                    "nothing can be compared: the module does not run on its own example", rows
                )
            yield given
    if both:
        yield both
    else:
        yield from _other_size(conversion, example, notes, fixed)
    if conversion.ports.draws:
        tensors, outputs = record_own_numbers(conversion, example)
        args, kwargs = replace_tensors(conversion, tensors)
        ours = run_module(conversion.module, args, kwargs)
        require_own_numbers(conversion, ours, outputs)
        yield Given(OWN_NUMBERS, tensors, outputs)


def _make_way_check(conversion: Conversion) -> Callable[[Given], bool]:
    """Return the question whether the module takes the example's way for a set of inputs."""
    if not conversion.captured.traced:
        return lambda given: True
    is_traced_result = make_way_check(conversion.captured.program.module)
    return lambda given: is_traced_result(
        *replace_tensors(conversion, given.tensors), given.outputs
    )


def _attempt(
    conversion: Conversion, probe: str, tensors: tuple[torch.Tensor, ...]
) -> tuple[Given | None, str]:
    """The set with the module's outputs, or None and the first line of its refusal."""
    args, kwargs = replace_tensors(conversion, tensors)
    try:
        return Given(probe, tensors, run_module(conversion.module, args, kwargs)), ""
    except Exception as error:  # noqa: BLE001 - the module may raise anything
        return None, f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _tells(given: Given) -> bool:
    """Whether each output holds a number to compare."""
    return all(output.size == 0 or np.isfinite(output).any() for output in given.outputs)


def _wide_row(
    conversion: Conversion, example: Sequence[torch.Tensor], fixed: Mapping[sympy.Symbol, int]
) -> Given | None:
    """Return the set of another batch of which the last row is wide.

    One run shows both: rows saturate for themselves, so the others still tell. None where an input
    has no row for each entry of a dynamic batch, or the module takes no such set.
    """
    for value in conversion.graph.inputs:
        if not value.type.shape or isinstance(value.type.shape[0], int):
            return None
    sets = map(_widen_last_row, _other_sizes(conversion, example, fixed))
    given = _attempt_each(conversion, "another size, one row wide", sets)
    return given if given and _tells(given) else None


def _widen_last_row(tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    (wide,) = probes([tensor[-1:] for tensor in tensors], names=["wide"])
    pairs = zip(tensors, wide.tensors, strict=True)
    return tuple(torch.cat([tensor[:-1], last]) for tensor, last in pairs)


def _other_size(
    conversion: Conversion,
    example: Sequence[torch.Tensor],
    notes: list[str],
    fixed: Mapping[sympy.Symbol, int],
) -> Iterator[Given]:
    """Yield the set of the first other size of the dynamic dimensions that the module accepts."""
    given = _attempt_each(conversion, "another size", _other_sizes(conversion, example, fixed))
    if given:
        yield given
    elif _list_free_symbols(conversion.graph, fixed):
        notes.append(
            "no other size of the dynamic dimensions was found that the module itself accepts"
        )


def _attempt_each(
    conversion: Conversion, probe: str, sets: Iterable[tuple[torch.Tensor, ...]]
) -> Given | None:
    """Return the first of several sets that the module accepts."""
    for tensors in sets:
        given, _ = _attempt(conversion, probe, draw_anew(conversion, tensors, 1))
        if given:
            return given
    return None


def _other_sizes(
    conversion: Conversion, example: Sequence[torch.Tensor], fixed: Mapping[sympy.Symbol, int]
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield the example with other sizes of the dynamic dimensions; nothing where there are none.

    More than two dimensions grow alike.
    """
    graph = conversion.graph
    symbols = _list_free_symbols(graph, fixed)
    if not symbols:
        return
    growths: Iterable[tuple[Growth, ...]] = ((growth,) * len(symbols) for growth in GROWTHS)
    if len(symbols) < 3:
        growths = product(GROWTHS, repeat=len(symbols))
    for growth in growths:
        other = dict(fixed)
        for symbol, (factor, more) in zip(symbols, growth, strict=True):
            other[symbol] = factor * graph.hints[symbol] + more
        yield resize_tensors(example, dynamic_sizes(graph, other))


def _list_free_symbols(graph: Graph, fixed: Mapping[sympy.Symbol, int]) -> list[sympy.Symbol]:
    return [symbol for symbol in find_input_symbols(graph) if symbol not in fixed]


def find_input_symbols(graph: Graph) -> list[sympy.Symbol]:
    """Return the symbols in the shapes of the graph's inputs, in order of their names."""
    symbols: set[sympy.Symbol] = set()
    for value in graph.inputs:
        for size in value.type.shape:
            if not isinstance(size, int):
                symbols |= size.free_symbols
    return sorted(symbols, key=str)


def dynamic_sizes(graph: Graph, symbols: Mapping[sympy.Symbol, int]) -> list[dict[int, int]]:
    """Return for each input of the graph: dynamic dimension -> its size for these symbols."""
    known = dict(symbols)
    sizes: list[dict[int, int]] = []
    for value in graph.inputs:
        shape = enumerate(value.type.shape)
        sizes.append({d: int(e.xreplace(known)) for d, e in shape if not isinstance(e, int)})
    return sizes
