"""The table of supported ops, read off the registry."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch2keras.ops  # noqa: F401 - fills the registry
from torch2keras.declarations.registry import Declaration, Lowering, registry
from torch2keras.errors import InputError
from torch2keras.reporting.recorded_calls import recorded_calls

BY_ARGUMENTS = "by arguments"


PINNED = "as in PyTorch"


@dataclass(frozen=True)
class OpRow:
    """One ATen op, what it becomes, and which of its axes are the same."""

    op: str
    keras: str
    axes: str
    keras_order: str
    """The order in which a kernel wants them; empty for an op that works in any."""
    note: str

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return dataclasses.asdict(self)


def find_ops(name: str = "") -> tuple[OpRow, ...]:
    """All ops whose name contains `name`, sorted. Raises InputError where there is none."""
    rows = [
        OpRow(str(op), "nothing", "", "", f"{note}, no data moves")
        for op, note in _structural().items()
    ]
    rows += [_lowered(lowering) for lowering in registry.lowerings.values()]
    found = tuple(sorted((row for row in rows if name in row.op), key=lambda row: row.op))
    if not found:
        close = difflib.get_close_matches(
            name, {n for row in rows for n in (row.op, row.op.split(".")[1])}, n=4, cutoff=0.6
        )
        raise InputError(
            f"no supported op is called {name!r}",
            [("close", ", ".join(close)), ("next", "torch2keras ops lists all of them")],
        )
    return found


def format_op_list(rows: Sequence[OpRow]) -> str:
    """One line an op, so that grep finds all of it."""
    widths = [max(len(row.op) for row in rows), max(len(row.axes) for row in rows)]
    return "\n".join(
        f"{row.op:<{widths[0]}}  {row.axes:<{widths[1]}}  {row.keras}".rstrip() for row in rows
    )


def format_op_details(rows: Sequence[OpRow]) -> str:
    """A block an op, with all that is known of it."""
    return "\n\n".join("\n".join(_block(row)) for row in rows)


def _block(row: OpRow) -> Iterator[str]:
    yield row.op
    for label, text in (
        ("Keras", row.keras),
        ("axes", row.axes),
        ("kernel", row.keras_order),
        ("note", row.note),
    ):
        if text:
            yield f"  {label:<7} {text}"


def _structural() -> dict[Any, str]:
    return (
        dict.fromkeys(registry.views, "regroups dimensions")
        | dict.fromkeys(registry.permutes, "reorders dimensions")
        | dict.fromkeys(registry.aliases, "gives its argument")
    )


def _lowered(lowering: Lowering) -> OpRow:
    return OpRow(
        str(lowering.op),
        lowering.summary.replace("`", "").rstrip(".") or recorded_calls(lowering),
        PINNED if lowering.torch is None else _declared(lowering.torch),
        _declared(lowering.keras),
        lowering.when,
    )


def _declared(declaration: Declaration | None) -> str:
    if declaration is None:
        return ""
    return BY_ARGUMENTS if callable(declaration) else declaration
