"""The module and its captured graph, run on the example at other sizes, and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

import numpy as np
import sympy
import torch
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from torch2keras.capture.attempts import Exported
from torch2keras.capture.captured import Captured, user_values
from torch2keras.capture.example_inputs import Example, ExampleCall
from torch2keras.errors import InputError
from torch2keras.fx_passes.fake_values import symbolic_expression
from torch2keras.runtime.isolation import isolate_module
from torch2keras.runtime.journal import Journal, borrow, put_back

MOST_ELEMENTS = 2**12
MOST_TIMES = 16
"""Inputs that would have more elements than this, and so many times more than the example, are not
tried: what forward makes of them may fill the memory."""

LEAST_RTOL = 1e-4
ATOL = 1e-5
EPSILONS = 32
"""Numbers are close within this many roundings of their dtype, or LEAST_RTOL."""

Sizes = Mapping[Any, int]
"""The size of the example for each symbol."""


class Outcome(Enum):
    """What module and graph do at a size."""

    AGREES = auto()
    """The captured graph gives what the module gives."""
    RAISES = auto()
    """The module itself takes no such size."""
    DIFFERS = auto()
    UNTRIED = auto()
    """The inputs would be too large."""


@dataclass
class SizeTrials:
    """Trials of one captured graph. Each size is tried once."""

    call: ExampleCall
    exported: Exported
    captured: Captured
    sizes: Sizes
    outcomes: dict[tuple[Any, int], Outcome] = field(default_factory=dict)

    def try_size(self, symbol: Any, size: int) -> Outcome:
        """Return what module and graph do where a symbol has another size."""
        if (symbol, size) not in self.outcomes:
            self.outcomes[symbol, size] = self._run({**self.sizes, symbol: size})
        return self.outcomes[symbol, size]

    def _run(self, sizes: Sizes) -> Outcome:
        elements = _count_elements(self.exported, sizes)
        if elements > max(MOST_ELEMENTS, MOST_TIMES * _count_elements(self.exported, self.sizes)):
            return Outcome.UNTRIED
        example = resize_example(self.exported, sizes)
        module = self.call.module
        try:
            with isolate_module(module, seed=0):
                wanted = replace(self.call, example=example).run()
        except InputError:
            return Outcome.RAISES
        try:
            with isolate_module(module, seed=0), torch.no_grad():
                found = _run_graph(self.captured, example)
        except Exception:  # noqa: BLE001 - it does not give what the module gives
            return Outcome.DIFFERS
        if _are_close(found, pytree.tree_leaves(wanted)):
            return Outcome.AGREES
        return Outcome.DIFFERS


def find_symbols(exported: Exported) -> dict[Any, int]:
    """Return the dynamic sizes of the inputs, each with its value in the example."""
    sizes: dict[Any, int] = {}
    tensors = exported.attempt.example.tensors()
    for value, tensor in zip(user_values(exported.program), tensors, strict=True):
        for size, number in zip(value.shape, tensor.shape, strict=True):
            expression = symbolic_expression(size)
            if expression is not None and expression.is_Symbol:
                sizes[expression] = number
    return sizes


def as_integers(sizes: Sizes) -> dict[Any, sympy.Integer]:
    """Return the sizes as numbers of sympy."""
    return {symbol: sympy.Integer(size) for symbol, size in sizes.items()}


def _count_elements(exported: Exported, sizes: Sizes) -> int:
    """Return how many elements the inputs have at these sizes."""
    total = 0
    for value in user_values(exported.program):
        total += math.prod(_size_at(size, sizes) for size in value.shape)
    return total


def _size_at(size: Any, sizes: Sizes) -> int:
    """Return a size of an input where its symbols are these numbers."""
    expression = symbolic_expression(size)
    if expression is None:
        return int(size)
    return int(expression.xreplace(as_integers(sizes)))


def resize_example(exported: Exported, sizes: Sizes) -> Example:
    """Return the example with each dynamic dim repeated or cut to these sizes."""
    example = exported.attempt.example
    values = iter(user_values(exported.program))

    def resize(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        for dim, size in enumerate(next(values).shape):
            length = _size_at(size, sizes)
            if length != leaf.shape[dim]:
                leaf = leaf.index_select(dim, torch.arange(length) % leaf.shape[dim])
        return leaf

    args, kwargs = pytree.tree_map(resize, (example.args, example.kwargs))
    return Example(args, kwargs)


def _run_graph(captured: Captured, example: Example) -> list[Any]:
    program = captured.program
    state = {**program.state_dict, **program.constants}
    journal = Journal()
    with put_back(journal), journal:
        args, kwargs = example.copy_arguments()
        given = iter(pytree.tree_leaves((args, kwargs)))
        values = []
        for spec in program.graph_signature.input_specs:
            if spec.kind is InputKind.USER_INPUT:
                values.append(next(given))
            else:
                values.append(borrow(state[str(spec.target)]))
        return list(captured.graph_module(*values))


def _are_close(found: Sequence[Any], wanted: Sequence[Any]) -> bool:
    if len(found) != len(wanted):
        return False
    return all(map(_is_close, found, wanted))


def _are_equal_objects(found: Any, wanted: Any) -> bool:
    """Return whether two outputs that are no tensors are equal; not where that cannot be told."""
    try:
        return bool(found == wanted)
    except Exception:  # noqa: BLE001 - a stranger's object may answer anything
        return False


def _is_close(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, np.ndarray | np.generic) and isinstance(found, torch.Tensor):
        wanted = torch.tensor(wanted)
    if not isinstance(wanted, torch.Tensor) or not isinstance(found, torch.Tensor):
        return _are_equal_objects(found, wanted)
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return False
    rtol = LEAST_RTOL
    if wanted.is_floating_point() or wanted.is_complex():
        rtol = max(rtol, EPSILONS * torch.finfo(wanted.dtype).eps)
    return torch.allclose(found, wanted, rtol=rtol, atol=ATOL, equal_nan=True)
