"""Which Keras functions a row of `pointwise` calls: found by recording it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch2keras.declarations.registry import IGNORED, Lowering
from torch2keras.keras_graph.graph import Call, Input
from torch2keras.lower.recorder import Recorder, recording

KINDS = {"float32": "floats", "int32": "integers", "bool": "bools"}
"""The types that a row may tell apart, the usual one first."""


def recorded_calls(lowering: Lowering) -> str:
    """The Keras calls of an op with its default arguments: "keras.ops.abs; of bools nothing"."""
    kinds: dict[str, list[str]] = {}
    for dtype, kind in KINDS.items():
        kinds.setdefault(_names(_calls(lowering, dtype)), []).append(kind)
    usual, *others = kinds
    return "; ".join([usual, *(f"of {' and '.join(kinds[names])} {names}" for names in others)])


def _calls(lowering: Lowering, dtype: str) -> Sequence[Call]:
    """What is recorded of tensors of a dtype; numbers without a default are 1."""
    arguments = [a for a in lowering.op._schema.arguments if a.name not in IGNORED]
    tensors = [a.name for a in arguments if str(a.type) == "Tensor"]
    recorder = Recorder(tuple(Input(name, (2, 3), dtype) for name in tensors), "float32")
    given: dict[str, Any] = {
        a.name: a.default_value if a.has_default_value() else 1 for a in arguments
    }
    given |= zip(tensors, recorder.tensors, strict=True)
    with recording(recorder):
        lowering.convert(*given.values())
    return recorder.calls


def _names(calls: Sequence[Call]) -> str:
    """Each function once, in the order of the calls; a layer with its configuration."""
    names = [f"keras.{call.target}{_arguments(call)}" for call in calls]
    return ", ".join(dict.fromkeys(names)) or "nothing"


def _arguments(call: Call) -> str:
    if not call.is_layer:
        return ""
    return f"({', '.join(f'{key}={value!r}' for key, value in call.config.items())})"
