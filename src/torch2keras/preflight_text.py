"""An inspection as a page of plain text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from rich.filesize import decimal

from torch2keras.memory import Memory
from torch2keras.preflight import Inspection, OpRow
from torch2keras.report_text import counts_text, labelled, number, place, ports_text, table, transposes_text


def preflight_text(inspection: Inspection) -> str:
    """The page: ports, ops, parameters, transposes, memory, notes, and the refusals at its end."""
    parts = [
        [f"{inspection.name}: {_verdict(inspection)}"],
        [*ports_text("inputs", inspection.inputs), *ports_text("outputs", inspection.outputs)],
        list(_ops(inspection.ops)),
        [
            *labelled("parameters", counts_text(inspection.parameters)),
            *labelled("transposes", transposes_text(inspection.transposes)),
            *labelled("memory", _memory(inspection.memory)),
            *itertools.chain.from_iterable(labelled("note", note) for note in inspection.notes),
        ],
        *([refusal] for refusal in inspection.refusals),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _verdict(inspection: Inspection) -> str:
    ops = number(len(inspection.ops), "op")
    return f"{ops}, none refused" if inspection.ok else f"{len(inspection.refusals)} of {ops} refused"


def _ops(rows: Sequence[OpRow]) -> Iterator[str]:
    cells = [(row.module or "(itself)", row.op.removeprefix("aten."), _becomes(row), place(row.source)) for row in rows]
    return table([("module", "op", "Keras", "source"), *cells])


def _becomes(row: OpRow) -> str:
    if row.refused:
        return f"REFUSED: {row.refused}"
    return " + ".join(row.keras) or "- (only renames axes)"


def _memory(memory: Memory) -> str:
    weights, values, peak = map(decimal, (memory.weights, memory.values, memory.peak))
    return f"{peak} for a call on the example: {weights} of weights, {values} of values alive at once"
