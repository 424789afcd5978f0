"""Dims that were to be dynamic and are not, each with its cause; and how to ask for fewer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from torch2keras.capture.attempts import Exported
from torch2keras.capture.captured import user_values
from torch2keras.capture.example_inputs import Example, ExampleCall
from torch2keras.capture.sizes.asked_dims import AskedDim
from torch2keras.capture.sizes.dynamic_shapes import leave_out_dims
from torch2keras.capture.sizes.size_limits import Limit
from torch2keras.capture.sizes.size_trials import Outcome
from torch2keras.errors import InputError, list_names
from torch2keras.fx_passes.fake_values import size_as_number, symbolic_expression

ZERO_OR_ONE = "torch.export fixes sizes 0 and 1"
UNKNOWN = "forward needs this size"
WHAT_IT_DOES = {
    Outcome.DIFFERS: "gives something else for size",
    Outcome.RAISES: "raises an error for size",
    Outcome.UNTRIED: "goes another way, which was not tried, for size",
}


def find_lost_dims(asked: Sequence[AskedDim], exported: Exported) -> list[AskedDim]:
    """Return the dims that are numbers in the exported program."""
    values = user_values(exported.program)
    return [one for one in asked if size_as_number(values[one.position].shape[one.dim]) is not None]


def is_lost_in_python(lost: Sequence[AskedDim], exported: Exported) -> bool:
    """Whether forward itself makes a number of a size that was lost, as `int(n)` and `len(x)` do.

    Dynamo reads such lines without running them, and keeps the size.
    """
    values = user_values(exported.program)
    for one in lost:
        cause = exported.uses.find_cause(_symbol_of(values[one.position].shape[one.dim]))
        if cause is not None and cause.is_number_in_python:
            return True
    return False


def _symbol_of(size: Any) -> Any:
    """Return the symbol that a size was before it became a number; None where it never was one."""
    return size.node._expr if isinstance(size, torch.SymInt) else None  # noqa: SLF001


def note_lost_dims(
    asked: Sequence[AskedDim],
    exported: Exported,
    reason: str,
    limits: Mapping[AskedDim, Limit],
) -> list[str]:
    """Return a sentence on each dim that was to be dynamic and is not, with its cause.

    The cause is the branch in `limits` for it, what is known of its symbol, or else `reason`.
    """
    values = user_values(exported.program)
    names: dict[tuple[int, int, str], list[str]] = {}
    for one in find_lost_dims(asked, exported):
        size = values[one.position].shape[one.dim]
        limit = limits.get(one)
        why = explain_limit(limit) if limit else _explain(size, exported, reason)
        names.setdefault((one.dim, int(size), why), []).append(one.name)
    notes = []
    for (dim, number, why), owners in names.items():
        subject = f"Dim {dim} of {list_names(owners)} is fixed to {number}, the example's size"
        notes.append(f"{subject}: {why.rstrip('.')}.")
    return notes


def explain_limit(limit: Limit) -> str:
    """Return why a branch on a size, or what an op takes it for, fixes it."""
    if limit.outcome is Outcome.AGREES:
        return f"in torch.export an op takes no other size, though forward takes {limit.size}"
    return f"forward {WHAT_IT_DOES[limit.outcome]} {limit.size}, by a branch at {limit.place}"


def _explain(size: Any, exported: Exported, reason: str) -> str:
    cause = exported.uses.find_cause(_symbol_of(size))
    if cause is None:
        return reason or (ZERO_OR_ONE if int(size) < 2 else UNKNOWN)
    if cause.is_number_in_python:
        return f"forward makes a Python number of it at {cause.place}"
    return f"an op takes no other size at {cause.place}"


def match_limits(
    asked: Sequence[AskedDim], exported: Exported, limits: Sequence[Limit]
) -> dict[AskedDim, Limit]:
    """Return the limit of each dim whose size has one."""
    values = user_values(exported.program)
    matched = {}
    for one in asked:
        expression = symbolic_expression(values[one.position].shape[one.dim])
        for limit in limits:
            if expression is not None and limit.symbol in expression.free_symbols:
                matched[one] = limit
    return matched


def fix_dims(call: ExampleCall, example: Example, dims: Iterable[AskedDim]) -> Example:
    """Return the example with these dims static, all of them where it was doubled."""
    if example.doubled:
        return call.example
    tensors = call.example.tensors()
    left_out = {(id(tensors[one.position]), one.dim) for one in dims}
    return replace(example, shapes=leave_out_dims(example.shapes or {}, call.bound, left_out))


def require_fixable(limits: Mapping[AskedDim, Limit]) -> None:
    """Raise InputError where a size that a caller asks for by name depends on a branch."""
    for one, limit in limits.items():
        if not one.may_be_fixed:
            raise InputError(
                "the module cannot keep these dynamic_shapes",
                [
                    ("module", limit.place.module),
                    ("source", str(limit.place.line or "")),
                    ("why", f"dim {one.dim} of {one.name}: {explain_limit(limit)}"),
                    (
                        "next",
                        "use Dim.AUTO for this dim, which fixes it, or a Dim with min and max",
                    ),
                ],
            )
