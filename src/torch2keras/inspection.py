"""What a conversion will do, before a weight is copied or a Keras model is built."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from rich.filesize import decimal
from torch import nn
from torch.export import ExportedProgram

from torch2keras.conversion.ports import Port
from torch2keras.conversion.record import Conversion
from torch2keras.conversion.request import RequestOptions, build_request, take_request_options
from torch2keras.errors import Torch2KerasError, show_controls
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.keras_model.saving import require_report_path, save_text
from torch2keras.lower.lower import Survey
from torch2keras.pipeline import TRANSLATION, Work, run_stages
from torch2keras.reporting.facts import Parameters, Transpose, kind_of_call
from torch2keras.reporting.memory import Memory, predict_memory
from torch2keras.reporting.notes import write_notes
from torch2keras.reporting.page.inspection_page import render_inspection
from torch2keras.reporting.page.page import embed_page
from torch2keras.reporting.parameters import count_parameters
from torch2keras.reporting.text import (
    format_count,
    label_lines,
    parameters_text,
    port_lines,
    shorten_path,
    table_lines,
    transposes_text,
)
from torch2keras.reporting.transposes import describe_transposes
from torch2keras.runtime.isolation import isolate_process
from torch2keras.runtime.progress import Stage
from torch2keras.runtime.run_alone import run_alone
from torch2keras.runtime.typed_errors import raise_typed_errors


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
        """Return the inspection as dicts, lists, strings and numbers."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """Return the inspection as a JSON document."""
        return json.dumps(self.as_dict(), indent=2)

    def to_html(self) -> str:
        """Return the inspection as one page of HTML that needs no other file and no network."""
        return render_inspection(self)

    def save(self, path: str | Path) -> Path:
        """Write the inspection: as a page (`.html`), JSON (`.json`) or text (`.txt`, `.md`).

        Raises OutputError where it cannot be written, and for another suffix.
        """
        path = Path(path)
        require_report_path(path)
        return save_text(WRITERS[path.suffix](self), path)

    def _repr_html_(self) -> str:
        return embed_page(self.to_html())

    def __str__(self) -> str:
        return inspection_text(self)


WRITERS: Mapping[str, Callable[[Inspection], str]] = {
    ".html": Inspection.to_html,
    ".json": Inspection.to_json,
    ".txt": Inspection.__str__,
    ".md": Inspection.__str__,
}
"""What is written to a file of each suffix."""


@take_request_options
@run_alone
@raise_typed_errors
def inspect(
    module: nn.Module | ExportedProgram,
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    **options: Unpack[RequestOptions],
) -> Inspection:
    """Say what `convert` with these arguments would make of each op, and what it would refuse.

    No weight is copied and no Keras model is built.

    Raises InputError for a module or inputs that cannot be used, CaptureError where torch.export
    cannot take the module, UnsupportedOpError for control flow. Refused ops are not raised: they
    stand in the result.
    """
    with isolate_process():
        survey = Survey()
        work = Work(build_request(module, args, kwargs, **options), survey)
        run_stages(work, Stage.CAPTURE, *TRANSLATION)
        if survey.refusals and work.may_fix_sizes:
            refusal = next(iter(survey.refusals.values()))
            fixed_survey = Survey()
            fixed = Work(work.request, fixed_survey, fixed_because=refusal.headline)
            run_stages(fixed, Stage.CAPTURE, *TRANSLATION)
            if not fixed_survey.refusals:  # so does convert
                work, survey = fixed, fixed_survey
        return _make_inspection(work.conversion, survey)


def _make_inspection(conversion: Conversion, survey: Survey) -> Inspection:
    graph = conversion.lowered.graph
    trainable = _count_scalars(graph, trainable=True)
    frozen = _count_scalars(graph, trainable=False)
    parameters = count_parameters(conversion, trainable, frozen)
    refusals = tuple(f"{type(e).__name__}: {e.message}" for e in survey.refusals.values())
    return Inspection(
        name=graph.name,
        inputs=conversion.inputs,
        outputs=conversion.outputs,
        ops=tuple(_op_rows(survey)),
        refusals=refusals,
        parameters=parameters,
        transposes=tuple(describe_transposes(conversion.graph, conversion.plan)),
        memory=predict_memory(conversion.graph, graph),
        notes=tuple(write_notes(conversion, parameters, None)),
    )


def _count_scalars(graph: KerasGraph, *, trainable: bool) -> int:
    count = 0
    for _, _, weight in graph.weights():
        if weight.trainable is trainable:
            count += math.prod(weight.shape)
    return count


def _op_rows(survey: Survey) -> Iterator[OpRow]:
    for node, calls in survey.calls.items():
        path, source, op = node.origin.path, node.origin.source, str(node.op)
        error = survey.refusals.get(node)
        if error is None:
            kinds = tuple(kind_of_call(call) for call in calls)
            yield OpRow(path, source, op, kinds, refused="")
        else:
            yield OpRow(path, source, op, keras=(), refused=_reason(error))


def _reason(error: Torch2KerasError) -> str:
    return dict(error.rows).get("why") or error.headline


# The text of an inspection.


def inspection_text(inspection: Inspection) -> str:
    """Return the page: ports, ops, parameters, transposes, memory, notes and the refusals."""
    ports = [*port_lines("inputs", inspection.inputs), *port_lines("outputs", inspection.outputs)]
    facts = [
        *label_lines("parameters", parameters_text(inspection.parameters)),
        *label_lines("transposes", transposes_text(inspection.transposes)),
        *label_lines("memory", _memory_text(inspection.memory)),
    ]
    for note in inspection.notes:
        facts += label_lines("note", note)
    parts = [
        f"{inspection.name}: {_verdict(inspection)}",
        "\n".join(ports),
        "\n".join(_op_lines(inspection.ops)),
        "\n".join(facts),
        *inspection.refusals,
    ]
    return show_controls("\n\n".join(parts))


def _verdict(inspection: Inspection) -> str:
    ops = format_count(len(inspection.ops), "op")
    if inspection.ok:
        return f"{ops}, none refused"
    return f"{len(inspection.refusals)} of {ops} refused"


def _op_lines(rows: Sequence[OpRow]) -> Iterator[str]:
    cells = [("module", "op", "Keras", "source")]
    for row in rows:
        op = row.op.removeprefix("aten.").removesuffix(".default")
        cells.append((row.module or "(itself)", op, _becomes(row), shorten_path(row.source)))
    return table_lines(cells)


def _becomes(row: OpRow) -> str:
    if row.refused:
        return f"REFUSED: {row.refused}"
    return " + ".join(row.keras) or "- (only renames axes)"


def _memory_text(memory: Memory) -> str:
    weights, values = decimal(memory.weights), decimal(memory.values)
    of_what = f"{weights} of weights, {values} of values alive at once"
    return f"{decimal(memory.peak)} for a call on the example: {of_what}"
