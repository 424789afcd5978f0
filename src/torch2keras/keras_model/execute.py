"""Runs the calls of a KerasGraph on tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from torch2keras.errors import LoweringError
from torch2keras.keras_graph.graph import Call, KerasGraph, Literal, Ref, map_refs
from torch2keras.keras_model.float64 import FLOAT64_OPS, dtype_substitutes


def run_graph(
    graph: KerasGraph,
    inputs: Sequence[Any],
    layer_of: Callable[[Call], Callable[..., Any]],
    dtype: str | None = None,
    *,
    keep: bool = True,
) -> Mapping[int, Any]:
    """Execute the calls on real tensors; all values by number, or, unless to `keep`, its outputs."""
    swap = dtype_substitutes(graph.float_dtype, dtype)
    values: dict[int, Any] = dict(enumerate(inputs))
    last_read = graph.last_reads()
    for n, call in enumerate(graph.calls):
        try:
            run_call(call, values, layer_of, swap)
        except Exception as error:
            next_step = (
                "report it with this message; convert(..., verify=False) gives the model as it is"
            )
            raise LoweringError(
                f"keras.{call.target} fails when it is run: {error}",
                [*call.origin.rows(), ("next", next_step)],
            ) from error
        if not keep:
            for i in {i for i in call.reads() if last_read[i] == n}.difference(graph.outputs):
                del values[i]  # or all of them would be in memory at once
    return values


def run_call(
    call: Call,
    values: dict[int, Any],
    layer_of: Callable[[Call], Callable[..., Any]],
    swap: Mapping[str, str],
) -> None:
    """Execute one call; its results join the values."""

    def resolve(item: Ref | Literal) -> Any:
        if isinstance(item, Ref):
            return values[item.index]
        return item.weight.array(swap.get(item.weight.dtype, item.weight.dtype))

    args = [map_refs(a, resolve) for a in call.args]
    kwargs = {k: map_refs(v, resolve) for k, v in call.kwargs.items()}
    result = (
        layer_of(call)(*args, **kwargs) if call.is_layer else _op(call.target, args, kwargs, swap)
    )
    results = result if isinstance(result, list | tuple) else (result,)
    values |= dict(zip(call.outputs, results, strict=True))


def _op(target: str, args: list[Any], kwargs: Mapping[str, Any], swap: Mapping[str, str]) -> Any:
    kwargs = {
        k: swap.get(v, v) if k == "dtype" and isinstance(v, str) else v for k, v in kwargs.items()
    }
    if target == "getitem":
        return operator.getitem(*args)
    if target == "ops.cast":
        args = [args[0], swap.get(args[1], args[1])]
    if target in FLOAT64_OPS and "float64" in swap.values():
        return FLOAT64_OPS[target](*args, **kwargs)
    return getattr(keras.ops, target.removeprefix("ops."))(*args, **kwargs)
