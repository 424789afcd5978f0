"""What a conversion will do, before it does it: no weight is copied and no Keras model is built."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.filesize import decimal
from torch import nn

from torch2keras.conversion.ports import Port
from torch2keras.conversion.record import Conversion
from torch2keras.lower.lower import Survey
from torch2keras.pipeline import captured_by, lowered, may_fix_batch, request, with_fixed_batch
from torch2keras.reporting.facts import Parameters, Transpose
from torch2keras.reporting.memory import Memory, predicted_memory
from torch2keras.reporting.notes import notes_of
from torch2keras.reporting.parameters import parameters_of
from torch2keras.reporting.report import kind_of
from torch2keras.reporting.text import (
    counts_text,
    labelled,
    number,
    place,
    ports_text,
    table,
    transposes_text,
)
from torch2keras.reporting.transposes import transposes_of
from torch2keras.runtime.isolation import unchanged
from torch2keras.runtime.progress import Progress, silent


@dataclass(frozen=True)
class OpRow:
    """One op of the captured module, and what it becomes."""

    module: str
    source: str
    op: str
    keras: tuple[str, ...]
    """Stock layers and ops; none where the op only renames axes."""
    refused: str
    """Why it cannot be converted; empty where it can."""


@dataclass(frozen=True)
class Inspection:
    """What a conversion would do. `str(inspection)` is a page of text, `as_dict()` plain data."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    ops: tuple[OpRow, ...]
    refusals: tuple[str, ...]
    """The whole message of each refused op."""
    parameters: Parameters
    transposes: tuple[Transpose, ...]
    memory: Memory
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether no op is refused. Verification comes only with the conversion."""
        return not self.refusals

    def as_dict(self) -> dict[str, Any]:
        """The inspection as dicts, lists, strings and numbers."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """The inspection as a JSON document."""
        return json.dumps(self.as_dict(), indent=2)

    def __str__(self) -> str:
        from torch2keras.inspection import preflight_text

        return preflight_text(self)


def inspect(
    module: nn.Module,
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    layout: str | Mapping[str, str] = "keras",
    capture: Literal["export", "trace"] = "export",
    name: str | None = None,
    progress: Progress = silent,
) -> Inspection:
    """Say what `convert` with these arguments would make of each op, what it refuses and where; copy no weight.

    Raises InputError for a module or inputs that cannot be used, CaptureError where torch.export cannot take the
    module, UnsupportedOpError for control flow. Refused ops are not raised: they stand in the result.
    """
    with unchanged():
        ask = request(module, args, kwargs, dynamic_shapes, layout, name)
        captured, survey = captured_by(ask, capture, progress), Survey()
        conversion = lowered(ask, captured, progress, survey)
        if survey.refusals and may_fix_batch(ask, captured):
            first, again = next(iter(survey.refusals.values())), Survey()
            other = lowered(ask, with_fixed_batch(ask, first.headline), progress, again)
            if not again.refusals:  # as convert does it
                conversion, survey = other, again
        return _inspection(conversion, survey)


def _inspection(conversion: Conversion, survey: Survey) -> Inspection:
    graph = conversion.lowered.graph
    weights = [weight for _, _, weight in graph.weights()]
    counts = [
        sum(math.prod(w.shape) for w in weights if w.trainable is learnt)
        for learnt in (True, False)
    ]
    parameters = parameters_of(conversion, *counts)
    return Inspection(
        graph.name,
        conversion.inputs,
        conversion.outputs,
        tuple(_rows(survey)),
        tuple(f"{type(error).__name__}: {error.message}" for error in survey.refusals.values()),
        parameters,
        tuple(transposes_of(conversion.graph, conversion.plan)),
        predicted_memory(conversion.graph, graph),
        tuple(notes_of(conversion, parameters, None)),
    )


def _rows(survey: Survey) -> Iterator[OpRow]:
    for node, calls in survey.calls.items():
        error = survey.refusals.get(node)
        kinds = () if error else tuple(kind_of(call) for call in calls)
        reason = (dict(error.rows).get("why") or error.headline) if error else ""
        yield OpRow(node.origin.path, node.origin.source, str(node.op), kinds, reason)


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
    return (
        f"{ops}, none refused" if inspection.ok else f"{len(inspection.refusals)} of {ops} refused"
    )


def _ops(rows: Sequence[OpRow]) -> Iterator[str]:
    cells = [
        (row.module or "(itself)", row.op.removeprefix("aten."), _becomes(row), place(row.source))
        for row in rows
    ]
    return table([("module", "op", "Keras", "source"), *cells])


def _becomes(row: OpRow) -> str:
    if row.refused:
        return f"REFUSED: {row.refused}"
    return " + ".join(row.keras) or "- (only renames axes)"


def _memory(memory: Memory) -> str:
    weights, values, peak = map(decimal, (memory.weights, memory.values, memory.peak))
    return (
        f"{peak} for a call on the example: {weights} of weights, {values} of values alive at once"
    )
