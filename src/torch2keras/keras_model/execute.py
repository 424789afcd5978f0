"""Runs the calls of a KerasGraph on tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from torch2keras.errors import LoweringError
from torch2keras.keras_graph.graph import GETITEM, Call, KerasGraph, Literal, Ref, map_refs
from torch2keras.keras_model.float64 import FLOAT64_OPS, dtype_substitutes
from torch2keras.keras_model.keras_settings import say_channels_last


def run_graph(
    graph: KerasGraph,
    inputs: Sequence[Any],
    layer_of: Callable[[Call], Callable[..., Any]],
    dtype: str | None = None,
    *,
    keep: bool = True,
) -> Mapping[int, Any]:
    """Execute the calls on real tensors, and return all values by number, or only the outputs.

    `layer_of` gives what a layer's call calls; `dtype` is exchanged for the graph's float dtype;
    unless to `keep` them, values are dropped behind their last use.
    Raises LoweringError where Keras refuses a call, with its place in the user's module.
    """
    (values,) = run_in_step(graph, [inputs], layer_of, dtype, keep=keep)
    return values


def run_in_step(
    graph: KerasGraph,
    sets: Sequence[Sequence[Any]],
    layer_of: Callable[[Call], Callable[..., Any]],
    dtype: str | None = None,
    *,
    keep: bool = True,
) -> list[Mapping[int, Any]]:
    """Execute the calls on several sets of inputs, each call on all sets before the next call.

    So layers that are filled when they are called are filled once for all sets. All else, and what
    is raised, is as for `run_graph`.
    """
    swap = dtype_substitutes(graph.float_dtype, dtype)
    runs: list[dict[int, Any]] = [dict(enumerate(inputs)) for inputs in sets]
    last_read = graph.last_reads()
    for place, call in enumerate(graph.calls):
        try:
            for values in runs:
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
            for index in set(call.reads()).difference(graph.outputs):
                if last_read[index] == place:
                    for values in runs:
                        del values[index]  # or all of them would be in memory at once
    return list(runs)


def run_call(
    call: Call,
    values: dict[int, Any],
    layer_of: Callable[[Call], Callable[..., Any]],
    swap: Mapping[str, str],
) -> None:
    """Execute one call, and let its results join the values; `swap` is from dtype to dtype."""

    def resolve(item: Ref | Literal) -> Any:
        if isinstance(item, Ref):
            return values[item.index]
        return item.weight.array(swap.get(item.weight.dtype, item.weight.dtype))

    args = map_refs(call.args, resolve)
    kwargs = {key: map_refs(value, resolve) for key, value in call.kwargs.items()}
    if call.is_layer:
        result = layer_of(call)(*args, **kwargs)
    else:
        result = _run_op(call.target, args, kwargs, swap)
    results = result if isinstance(result, list | tuple) else (result,)
    values.update(zip(call.outputs, results, strict=True))


def _run_op(
    target: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], swap: Mapping[str, str]
) -> Any:
    """Execute an op, in other types where it names one that is exchanged."""
    if target == GETITEM:
        return operator.getitem(*args)
    if target == "ops.cast" and len(args) == 2:
        args = (args[0], swap.get(args[1], args[1]))
    kwargs = dict(kwargs)
    dtype = kwargs.get("dtype")
    if isinstance(dtype, str):
        kwargs["dtype"] = swap.get(dtype, dtype)
    if target in FLOAT64_OPS and "float64" in swap.values():
        return FLOAT64_OPS[target](*args, **kwargs)
    function = getattr(keras.ops, target.removeprefix("ops."))
    return function(*args, **say_channels_last(function, kwargs))
