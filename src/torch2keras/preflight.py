"""What a conversion will do, before it does it: no weight is copied and no Keras model is built."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from torch2keras.converted import Conversion
from torch2keras.global_state import unchanged
from torch2keras.lower import Survey
from torch2keras.memory import Memory, predicted_memory
from torch2keras.pipeline import captured_by, lowered, may_fix_batch, request, with_fixed_batch
from torch2keras.ports import Port
from torch2keras.progress import Progress, silent
from torch2keras.report import Parameters, Transpose, kind_of, notes_of, parameters_of, transposes_of


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
        from torch2keras.preflight_text import preflight_text

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
    counts = [sum(math.prod(w.shape) for w in weights if w.trainable is learnt) for learnt in (True, False)]
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
