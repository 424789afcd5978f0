"""The report: what became of each module, which transposes are left, and how close the numbers are.

Facts first, as dataclasses; `report_text` sets them in lines.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from torch2keras.conversion.ports import Port
from torch2keras.conversion.record import Conversion
from torch2keras.graph.ir import Graph, Origin
from torch2keras.keras_graph.graph import Call
from torch2keras.reporting.facts import (
    TIERS,
    KerasCall,
    ModuleRow,
    Parameters,
    Tier,
    Transpose,
    Verified,
)
from torch2keras.reporting.notes import notes_of
from torch2keras.reporting.parameters import count_scalars, parameters_of
from torch2keras.reporting.text import (
    counts_text,
    labelled,
    module_lines,
    number,
    number_lines,
    ports_text,
    transposes_text,
)
from torch2keras.reporting.transposes import transposes_of
from torch2keras.verification.results import Check, Verification


@dataclass(frozen=True)
class Report:
    """Facts of one conversion. `str(report)` is a page of text, `report.as_dict()` plain data."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    rows: tuple[ModuleRow, ...]
    parameters: Parameters
    transposes: tuple[Transpose, ...]
    notes: tuple[str, ...]
    verified: Verified | None

    def as_dict(self) -> dict[str, Any]:
        """The report as dicts, lists, strings and numbers."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """The report as a JSON document."""
        return json.dumps(self.as_dict(), indent=2)

    def __str__(self) -> str:
        return report_text(self)


def make_report(
    conversion: Conversion, model: keras.Model, verification: Verification | None
) -> Report:
    """The report of a conversion, as it stands: with the last verification."""
    c = conversion
    calls = c.lowered.graph.calls
    parameters = parameters_of(
        c, count_scalars(model.trainable_weights), count_scalars(model.non_trainable_weights)
    )
    return Report(
        c.lowered.graph.name,
        c.inputs,
        c.outputs,
        tuple(_rows(c.graph, calls)),
        parameters,
        tuple(transposes_of(c.graph, c.plan)),
        tuple(notes_of(c, parameters, verification)),
        _verified(verification) if verification else None,
    )


def _rows(graph: Graph, calls: Sequence[Call]) -> Iterator[ModuleRow]:
    """One row a module, in the order in which they first run."""
    origins: dict[str, Origin] = {}
    made: dict[str, list[KerasCall]] = {}
    for origin in [node.origin for node in graph.nodes] + [call.origin for call in calls]:
        known = origins.setdefault(origin.path, origin)
        if origin.source and not known.source:
            origins[origin.path] = origin
        made.setdefault(origin.path, [])
    for call in calls:
        made[call.origin.path].append(KerasCall(kind_of(call), call.name))
    for path, origin in origins.items():
        yield ModuleRow(path, origin.cls, origin.source, tuple(made[path]))


def kind_of(call: Call) -> str:
    """The layer or op of a call, as a reader knows it."""
    kind = call.target.removeprefix("layers.") if call.is_layer else call.target
    return f"{kind}({call.config['activation']!r})" if kind == "Activation" else kind


def _verified(verification: Verification) -> Verified:
    probes = dict.fromkeys((check.probe, check.shapes) for check in verification.checks)
    tiers = (
        _tier(name, [c for c in verification.checks if c.difference.tier == name]) for name in TIERS
    )
    return Verified(tuple(t for t in tiers if t is not None), tuple(probes))


def _tier(name: str, checks: Sequence[Check]) -> Tier | None:
    if not checks:
        return None
    worst = max(checks, key=_share)
    return Tier(name, _share(worst), worst.probe, worst.output, worst.difference.max_abs)


def _share(check: Check) -> float:
    """The error as a share of the bound; exact results have none."""
    difference = check.difference
    if difference.max_abs == 0.0:
        return 0.0
    return difference.max_abs / difference.bound_max if difference.bound_max else float("inf")


def report_text(report: Report) -> str:
    """The page: ports, modules, parameters, transposes, numbers, notes."""
    parts = [
        [f"{report.name}: {_size(report)}"],
        [*ports_text("inputs", report.inputs), *ports_text("outputs", report.outputs)],
        list(module_lines(report.rows)),
        [
            *labelled("parameters", counts_text(report.parameters)),
            *labelled("transposes", transposes_text(report.transposes)),
            *labelled("verified", number_lines(report.verified)),
            *itertools.chain.from_iterable(labelled("note", note) for note in report.notes),
        ],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _size(report: Report) -> str:
    layers = {call.name for row in report.rows for call in row.keras if call.name}
    ops = sum(not call.name for row in report.rows for call in row.keras)
    return f"{number(len(layers), 'layer')} and {number(ops, 'op')} of stock Keras"
