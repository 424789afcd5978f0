"""Which Keras functions a row of `pointwise` calls: found by recording it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch2keras.declarations.registry import IGNORED, Lowering
from torch2keras.keras_graph.graph import Call, Input
from torch2keras.lower.recorder import Recorder, record_to

KINDS = {"float32": "floats", "int32": "integers", "bool": "bools"}
"""The types that a row may tell apart, the usual one first."""


def describe_calls(lowering: Lowering) -> str:
    """Return the Keras calls of an op: "keras.ops.abs; of bools nothing".

    They are those of its default arguments; a number without a default is 1.
    """
    kinds: dict[str, list[str]] = {}
    for dtype, kind in KINDS.items():
        functions = _functions_text(_record_calls(lowering, dtype))
        kinds.setdefault(functions, []).append(kind)
    usual, *others = kinds
    exceptions = [f"of {' and '.join(kinds[functions])} {functions}" for functions in others]
    return "; ".join([usual, *exceptions])


def _record_calls(lowering: Lowering, dtype: str) -> Sequence[Call]:
    """Return what an op records of tensors of a dtype."""
    arguments = [a for a in lowering.op._schema.arguments if a.name not in IGNORED]
    tensors = [a.name for a in arguments if str(a.type) == "Tensor"]
    recorder = Recorder(tuple(Input(name, (2, 3), dtype) for name in tensors), "float32")
    given: dict[str, Any] = {}
    for argument in arguments:
        given[argument.name] = 1
        if argument.has_default_value():
            given[argument.name] = argument.default_value
    given |= zip(tensors, recorder.tensors, strict=True)
    with record_to(recorder):
        lowering.convert(*given.values())
    return recorder.calls


def _functions_text(calls: Sequence[Call]) -> str:
    """Return each function once, in the order of the calls; a layer with its configuration."""
    return ", ".join(dict.fromkeys(map(_function_text, calls))) or "nothing"


def _function_text(call: Call) -> str:
    if not call.is_layer:
        return f"keras.{call.target}"
    arguments = [f"{key}={value!r}" for key, value in call.config.items()]
    return f"keras.{call.target}({', '.join(arguments)})"
