"""The report: what became of each module, which transposes are left, and how close the numbers are.

Facts first, as dataclasses; `report_text` sets them in lines.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from torch2keras.capture.ports.module_ports import NEW
from torch2keras.conversion.ports import Port
from torch2keras.conversion.record import Conversion
from torch2keras.deployment.result import Deployment
from torch2keras.errors import InputError, show_controls
from torch2keras.graph.ir import Graph, Origin
from torch2keras.keras_graph.graph import Call
from torch2keras.keras_model.saving import require_report_path, save_text, save_texts
from torch2keras.reporting.facts import (
    TIERS,
    KerasCall,
    ModuleRow,
    Parameters,
    RandomInput,
    State,
    Tier,
    Transpose,
    Verified,
    kind_of_call,
)
from torch2keras.reporting.learning import write_learning_lines
from torch2keras.reporting.model_explorer import write_explorer_files
from torch2keras.reporting.notes import write_notes
from torch2keras.reporting.page.evidence import Evidence
from torch2keras.reporting.page.page import embed_page, render_page
from torch2keras.reporting.parameters import count_parameters, count_scalars
from torch2keras.reporting.text import (
    block_lines,
    draw_lines,
    format_count,
    label_lines,
    module_lines,
    parameters_text,
    port_lines,
    state_lines,
    transposes_text,
    verification_text,
)
from torch2keras.reporting.transposes import describe_transposes
from torch2keras.verification.results import LearningCheck, Verification


@dataclass(frozen=True)
class Report:
    """Facts of one conversion. `str(report)` is a page of text, `report.as_dict()` plain data."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    limits: tuple[str, ...]
    """What sizes of the inputs, in PyTorch's order, have to keep to, as `x.shape[1] <= 512`."""
    states: tuple[State, ...]
    draws: tuple[RandomInput, ...]
    rows: tuple[ModuleRow, ...]
    parameters: Parameters
    transposes: tuple[Transpose, ...]
    notes: tuple[str, ...]
    verified: Verified | None
    learning: tuple[LearningCheck, ...] = ()
    """Gradients and training, where these were compared."""
    evidence: Evidence | None = field(default=None, repr=False, compare=False)
    """The conversion itself, which the page shows in detail."""
    deployments: tuple[Deployment, ...] = ()
    """The files that were exported, each run by its own runtime."""
    timings: Mapping[str, float] = field(default_factory=dict, compare=False)
    """The seconds that each stage of the conversion took: capture, import, layout, lower, build,
    verify."""
    memory: Mapping[str, int] = field(default_factory=dict, compare=False)
    """The most bytes that the process had had resident "before" the conversion, and by the end of
    each stage; 0 where the system does not tell."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report as dicts, lists, strings and numbers."""
        plain = dataclasses.asdict(dataclasses.replace(self, deployments=(), evidence=None))
        del plain["evidence"]
        plain["deployments"] = [deployment.as_dict() for deployment in self.deployments]
        for state in plain["states"]:
            state["initial"] = state["initial"].tolist()
        return plain

    def to_json(self) -> str:
        """Return the report as a JSON document."""
        return json.dumps(self.as_dict(), indent=2)

    def to_html(self) -> str:
        """Return the report as one page of HTML that needs no other file and no network."""
        return render_page(self, self.evidence)

    def save(self, path: str | Path) -> Path:
        """Write the report: as a page (`.html`), as JSON (`.json`), or as text (`.txt`, `.md`).

        Raises OutputError where it cannot be written, and for another suffix.
        """
        path = Path(path)
        require_report_path(path)
        return save_text(WRITERS[path.suffix](self), path)

    def save_explorer(self, folder: str | Path) -> list[Path]:
        """Write the whole graph and each call's errors, as files for Model Explorer to draw.

        The folder, which is made, gets `graph.json`, `errors_float64.json` and
        `errors_as_saved.json`. Raises InputError where the report is without its conversion,
        OutputError where a file cannot be written.
        """
        if self.evidence is None:
            step = "take the report of the Converted itself"
            raise InputError("this report is without its conversion", [("next", step)])
        errors = self.evidence.measure()
        files = write_explorer_files(self.evidence.conversion, self.name, errors)
        texts = {f"{name}.json": json.dumps(data) for name, data in files.items()}
        return save_texts(texts, Path(folder))

    def embed(self) -> str:
        """Return the page in a frame, as a notebook shows it."""
        return embed_page(self.to_html())

    def _repr_html_(self) -> str:
        return self.embed()

    def full_text(self) -> str:
        """Return the page with every module and your lines, 100 columns wide."""
        return report_text(self, module_lines(self.rows))

    def __str__(self) -> str:
        return report_text(self, block_lines(self.rows))


WRITERS: Mapping[str, Callable[[Report], str]] = {
    ".html": Report.to_html,
    ".json": Report.to_json,
    ".txt": Report.full_text,
    ".md": Report.full_text,
}
"""What is written to a file of each suffix."""


def make_report(
    conversion: Conversion,
    model: keras.Model,
    verification: Verification | None,
    deployments: Sequence[Deployment] = (),
    evidence: Evidence | None = None,
) -> Report:
    """Return the report of a conversion as it stands: with the last verification, and exports."""
    graph, keras_graph = conversion.graph, conversion.lowered.graph
    trainable = count_scalars(model.trainable_weights)
    frozen = count_scalars(model.non_trainable_weights)
    parameters = count_parameters(conversion, trainable, frozen)
    verified = None
    if verification is not None:
        verified = summarise_verification(verification)
    return Report(
        name=keras_graph.name,
        inputs=conversion.inputs,
        outputs=conversion.outputs,
        limits=conversion.size_limits,
        states=tuple(_list_states(conversion)),
        draws=tuple(_list_draws(conversion)),
        rows=tuple(_module_rows(graph, keras_graph.calls)),
        parameters=parameters,
        transposes=tuple(describe_transposes(graph, conversion.plan)),
        notes=tuple(write_notes(conversion, parameters, verification)),
        verified=verified,
        learning=() if verification is None else verification.learning,
        evidence=evidence,
        deployments=tuple(deployments),
    )


def _list_states(conversion: Conversion) -> Iterator[State]:
    """Yield the facts of each state, in the order of the inputs, of which they are the last."""
    ports = conversion.ports.states
    inputs = conversion.inputs[len(conversion.inputs) - len(ports) :]
    for state, port in zip(ports, inputs, strict=True):
        initial = port.from_torch(state.initial)
        yield State(port.name, NEW + port.name, state.attribute, initial)


def _list_draws(conversion: Conversion) -> Iterator[RandomInput]:
    """Yield the facts of each input for random numbers."""
    for port in conversion.ports.draws:
        drawn = port.drawn
        yield RandomInput(port.name, drawn.distribution.name, drawn.op, drawn.source)


def _module_rows(graph: Graph, calls: Sequence[Call]) -> Iterator[ModuleRow]:
    """Yield one row a module, in the order in which they first run."""
    origins: dict[str, Origin] = {}
    keras_calls: dict[str, list[KerasCall]] = {}
    node_origins = [node.origin for node in graph.nodes]
    call_origins = [call.origin for call in calls]
    for origin in (*node_origins, *call_origins):
        known = origins.setdefault(origin.path, origin)
        if origin.source and not known.source:
            origins[origin.path] = origin
        keras_calls.setdefault(origin.path, [])
    for call in calls:
        keras_calls[call.origin.path].append(KerasCall(kind_of_call(call), call.name))
    for path, origin in origins.items():
        yield ModuleRow(path, origin.cls, origin.source, tuple(keras_calls[path]))


def summarise_verification(verification: Verification) -> Verified:
    """Return the worst check of each tier, and the inputs that were compared."""
    probes = dict.fromkeys((check.probe, check.shapes) for check in verification.checks)
    tiers = []
    for name in TIERS:
        checks = [check for check in verification.checks if check.difference.tier == name]
        if checks:
            worst = max(checks, key=lambda check: check.difference.share_of_bound)
            tiers.append(
                Tier(
                    name,
                    worst.difference.share_of_bound,
                    worst.probe,
                    worst.output,
                    worst.difference.max_abs,
                )
            )
    return Verified(tuple(tiers), tuple(probes))


def report_text(report: Report, table: Iterable[str]) -> str:
    """Return the page: ports, the table of modules, parameters, transposes, numbers, notes."""
    facts = [
        *label_lines("parameters", parameters_text(report.parameters)),
        *label_lines("transposes", transposes_text(report.transposes)),
        *label_lines("verified", verification_text(report.verified)),
    ]
    for note in report.notes:
        facts += label_lines("note", note)
    facts += write_learning_lines(report.learning)
    files: list[str] = []
    for deployment in report.deployments:
        files += deployment.lines()
    ports = [*port_lines("inputs", report.inputs), *port_lines("outputs", report.outputs)]
    if report.limits:
        ports += label_lines("limits", ", ".join(report.limits))
    ports += [*draw_lines(report.draws), *state_lines(report.states)]
    parts = [
        [f"{report.name}: {_size_text(report)}"],
        ports,
        list(table),
        facts,
    ]
    if files:
        parts.append(files)
    return show_controls("\n\n".join("\n".join(part) for part in parts))


def _size_text(report: Report) -> str:
    layers, ops = set(), 0
    for row in report.rows:
        for call in row.keras:
            if call.name:
                layers.add(call.name)
            else:
                ops += 1
    sizes = f"{format_count(len(layers), 'layer')} and {format_count(ops, 'op')}"
    return f"{sizes} of stock Keras"
