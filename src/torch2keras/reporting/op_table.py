"""The table of supported ops, read off the registry."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch2keras.ops  # noqa: F401 - fills the registry
from torch2keras.declarations.registry import STRUCTURAL, Declaration, Lowering, registry
from torch2keras.errors import InputError
from torch2keras.op_facts import KIND_OF, OpKind
from torch2keras.reporting.recorded_calls import describe_calls

BY_ARGUMENTS = "by arguments"
"""What is said of a declaration that depends on the arguments of a call."""


PINNED = "as in PyTorch"
"""What is said of an op without a declaration."""


@dataclass(frozen=True)
class SupportedOp:
    """One ATen op, what it becomes, and which of its axes are the same."""

    op: str
    keras: str
    axes: str
    keras_order: str
    """The order in which a kernel wants them; empty for an op that works in any."""
    note: str

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return dataclasses.asdict(self)


def find_ops(name: str = "") -> tuple[SupportedOp, ...]:
    """Return all ops whose name contains `name`, in any case, sorted.

    Where there is none, it is a name of Keras: those that become it. Raises InputError where that
    has none either.
    """
    rows = [*_structural_rows(), *map(_lowering_row, registry.lowerings.values())]
    found = [row for row in rows if name.lower() in row.op.lower()]
    if not found:
        word = re.escape(name.rpartition(".")[2])
        becomes = re.compile(rf"\b{word}\b", re.IGNORECASE)
        found = [row for row in rows if becomes.search(row.keras)]
    if not found:
        raise _no_op(name, rows)
    return tuple(sorted(found, key=lambda row: row.op))


STRUCTURES = {
    OpKind.REGROUPS: "regroups dimensions",
    OpKind.PERMUTES: "reorders dimensions",
    OpKind.COPIES: "gives its argument",
}


def _structural_rows() -> Iterator[SupportedOp]:
    """Yield the ops that only rename axes."""
    for op in STRUCTURAL:
        yield SupportedOp(str(op), "nothing", "", "", f"{STRUCTURES[KIND_OF[op]]}, no data moves")


def _lowering_row(lowering: Lowering) -> SupportedOp:
    axes = PINNED
    if lowering.torch is not None:
        axes = _declaration_text(lowering.torch)
    return SupportedOp(
        op=str(lowering.op),
        keras=_keras_text(lowering),
        axes=axes,
        keras_order=_declaration_text(lowering.keras),
        note=lowering.when,
    )


def _keras_text(lowering: Lowering) -> str:
    """Return the author's summary; without one what is called, or at least the converter's name."""
    if lowering.summary:
        return lowering.summary.replace("`", "").rstrip(".")
    if lowering.tabled:
        return describe_calls(lowering)
    return str(lowering.convert.__name__)


def _declaration_text(declaration: Declaration | None) -> str:
    if declaration is None:
        return ""
    if callable(declaration):
        return BY_ARGUMENTS
    return declaration


def _no_op(name: str, rows: Sequence[SupportedOp]) -> InputError:
    """Return the error for a name of no op, with the names that are close to it."""
    names = dict[str, None]()
    for row in rows:
        names |= dict.fromkeys([row.op, row.op.split(".")[1]])
    close = difflib.get_close_matches(name.lower(), names, n=4, cutoff=0.6)
    return InputError(
        f"no supported op is called {name!r}",
        [("close", ", ".join(close)), ("next", "torch2keras ops lists all of them")],
    )


def format_op_list(rows: Sequence[SupportedOp]) -> str:
    """Return one line an op, so that grep finds all of it."""
    op_width = max(len(row.op) for row in rows)
    axes_width = max(len(row.axes) for row in rows)
    lines = [f"{row.op:<{op_width}}  {row.axes:<{axes_width}}  {row.keras}" for row in rows]
    return "\n".join(map(str.rstrip, lines))


def format_op_details(rows: Sequence[SupportedOp]) -> str:
    """Return a block an op, with all that is known of it."""
    return "\n\n".join(map(_format_block, rows))


def _format_block(row: SupportedOp) -> str:
    facts = {"Keras": row.keras, "axes": row.axes, "kernel": row.keras_order, "note": row.note}
    lines = [f"  {label:<7} {text}" for label, text in facts.items() if text]
    return "\n".join([row.op, *lines])
