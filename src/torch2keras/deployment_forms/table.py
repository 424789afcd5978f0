"""The deployment table: other converters of ATen ops, for a graph that is only run.

A form declares nothing: it has the axes of the op's own lowering, so the same plan of orders serves
both, and the ports stay as they are. Where it does not apply it calls that converter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import keras

from torch2keras.declarations.context import Context
from torch2keras.declarations.registry import (
    CONTEXT,
    Converter,
    Lowering,
    OpOverload,
    check_converter,
    check_names,
    registry,
)
from torch2keras.graph.symbolic import static_size
from torch2keras.lower.recorder import Recorded, recorder

FORMS: dict[OpOverload, Converter] = {}
"""The converter for deployment, by op."""


def form(*ops: OpOverload) -> Callable[[Converter], Converter]:
    """Return a decorator that registers a converter of these ops for deployment.

    Its parameters are those that `lowering` would take.
    Raises TypeError where it does not fit an op's schema or declaration, KeyError for an op that
    has no lowering.
    """

    def register(convert: Converter) -> Converter:
        for op in ops:
            names = check_converter(op, convert)
            axes = tuple(name for name in names if name != CONTEXT)
            check_names(op, convert, axes, registry.lowerings[op].torch)
            FORMS[op] = convert
        return convert

    return register


def deployment_lowerings() -> Mapping[OpOverload, Lowering]:
    """Return the lowerings of all ops, by the deployment's converters where there are some."""
    chosen = dict(registry.lowerings)
    for op, convert in FORMS.items():
        names = check_converter(op, convert)
        chosen[op] = replace(
            chosen[op],
            convert=convert,
            axis_names=tuple(name for name in names if name != CONTEXT),
            asks_context=CONTEXT in names,
        )
    return chosen


def record_form(name: str, context: Context, *args: Any, **kwargs: Any) -> Recorded:
    """Record a call of the rule for "forms.NAME", which makes the first result of the node.

    The first argument that is a value says the dtype.
    """
    shape = tuple(map(static_size, context.shapes[0]))

    def describe(x: Any, *_: Any, **__: Any) -> keras.KerasTensor:
        return keras.KerasTensor(shape, x.dtype)

    return recorder().op(f"forms.{name}", describe, args, kwargs)
