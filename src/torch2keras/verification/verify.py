"""Verification: the converted model against the module, in float64 and in the module's own dtype.

Tier S builds the graph's layers in float64 and compares with the module in float64; tier N compares
the model as it is. Inputs are normal and wide, and the example's shape and another batch and length
where these are dynamic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sympy
import torch
from torch import nn

from torch2keras.conversion.record import Conversion
from torch2keras.errors import CaptureError, LoweringError
from torch2keras.graph.interpreter import measure_symbols
from torch2keras.graph.ir import Size, Value
from torch2keras.graph.symbolic import simplify_size
from torch2keras.keras_graph.mixed_precision import POLICIES
from torch2keras.keras_model.layers import Layers
from torch2keras.runtime.cached_functions import forget_results
from torch2keras.runtime.free_memory import trim_memory
from torch2keras.runtime.isolation import isolate_process
from torch2keras.verification.divergence import divergence_error
from torch2keras.verification.float64_keras import outputs64, widen_input
from torch2keras.verification.float64_torch import Shadowing
from torch2keras.verification.gradients import verify_gradients
from torch2keras.verification.input_sets import (
    Given,
    example_sets,
    replace_tensors,
)
from torch2keras.verification.learning.verify_training import verify_training
from torch2keras.verification.metric import meaning
from torch2keras.verification.output_check import Answers, find_precision
from torch2keras.verification.probes import DEFAULT_PROBES
from torch2keras.verification.random_rounding import RandomRuns, Rounded
from torch2keras.verification.reference import run64, run_mixed
from torch2keras.verification.repeated_calls import require_repeatable
from torch2keras.verification.results import Check, Verification
from torch2keras.verification.state_steps import name_call, run_row, split_calls
from torch2keras.verification.uncompared import list_uncompared
from torch2keras.workarounds.float64_promotion import double_precision

Run = Callable[[Sequence[torch.Tensor]], list[Any]]
"""The Keras model on flat inputs, in PyTorch's order on both sides."""


@isolate_process()
def verify_conversion(
    conversion: Conversion,
    run: Run,
    names: Sequence[str] | None = None,
    *,
    with_gradients: bool = False,
    optimizers: Sequence[torch.optim.Optimizer] = (),
) -> Verification:
    """Run all checks of a conversion.

    `run` gives the Keras model's outputs on flat inputs, both in PyTorch's order. Gradients are
    compared where the module has what may make them differ, or `with_gradients`; both sides are
    trained by each of the `optimizers`, of the module's parameters.
    Raises VerificationError at the first that fails, naming the first value that diverges.
    """
    double = Layers(conversion.lowered.graph, "float64", in_turn=True)
    checks: list[Check] = []
    notes: list[str] = []
    sets = list(example_sets(conversion, names or DEFAULT_PROBES, notes))
    _require_repeatable(conversion, sets[0])
    for given in sets:
        _require_shapes(conversion, given)
    in_float64 = _run_in_float64(conversion, double, sets)
    trim_memory()
    for given, keras64 in zip(sets, in_float64, strict=True):
        for check in _checks(conversion, run, given, keras64):
            checks.append(check)
            if not check.difference.ok:
                raise divergence_error(conversion, double, check, given.tensors)
        trim_memory()
    for check, given in _check_steps(conversion, run, double):
        checks.append(check)
        if not check.difference.ok:
            raise divergence_error(conversion, double, check, given.tensors)
    policy = conversion.lowered.graph.policy
    eps = {port.name: find_precision(port, policy) for port in conversion.outputs}
    gradients = verify_gradients(conversion, asked=with_gradients)
    training = verify_training(conversion, optimizers)
    notes += [*list_uncompared(checks, eps), *gradients.notes, *training.notes]
    return Verification(tuple(checks), tuple(notes), (*gradients.checks, *training.checks))


def _require_repeatable(conversion: Conversion, given: Given) -> None:
    """Raise VerificationError where the module's numbers depend on earlier calls of it."""
    args, kwargs = replace_tensors(conversion, given.tensors)
    example = (conversion.args, conversion.kwargs)
    require_repeatable(conversion.module, (args, kwargs), example, given.outputs)


def _checks(
    conversion: Conversion, run: Run, given: Given, keras64: Sequence[np.ndarray]
) -> Iterator[Check]:
    """Yield both tiers' check of each output on one set of inputs.

    `keras64` are the outputs of the Keras graph in float64.
    """
    args, kwargs = replace_tensors(conversion, given.tensors)
    torch64, gives_numpy = _run_module64(conversion.module, args, kwargs)
    if not _agree(keras64, torch64):
        torch64 = _forget_narrow(conversion, given, keras64) or torch64
    keras_own = _run(run, given)
    policy = conversion.lowered.graph.policy
    own = given.outputs
    if policy:
        own = run_mixed(conversion.module, args, kwargs, dtype=POLICIES[policy])
    runs = RandomRuns(conversion.module, args, kwargs)
    for number, port in enumerate(conversion.outputs):
        theirs, exact = own[number], torch64[number]
        answers = Answers(keras64[number], keras_own[number], theirs, exact)
        rounded = Rounded(runs, number, exact)
        yield from answers.check(given, port, rounded, gives_numpy=gives_numpy, policy=policy)


def _run_module64(
    module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None
) -> tuple[list[np.ndarray], bool]:
    """Return what the module gives in float64, and whether it reads a tensor as an array.

    The copies of its weights in float64 are gone when it returns.
    """
    arithmetic = Shadowing()
    outputs = run64(module, args, kwargs, shadowing=arithmetic)
    return outputs, arithmetic.gives_numpy


def _agree(keras64: Sequence[np.ndarray], torch64: Sequence[np.ndarray]) -> bool:
    return all(meaning(ours, theirs).ok for ours, theirs in zip(keras64, torch64, strict=True))


def _forget_narrow(
    conversion: Conversion, given: Given, keras64: Sequence[np.ndarray]
) -> list[np.ndarray] | None:
    """Return what the module gives in float64 where it remembers nothing of narrower runs.

    None where it remembers nothing, or that is not what Keras gives either.
    """
    args, kwargs = replace_tensors(conversion, given.tensors)
    with forget_results(conversion.module) as found:
        torch64 = run64(conversion.module, args, kwargs) if found else []
    return torch64 if found and _agree(keras64, torch64) else None


def _check_steps(conversion: Conversion, run: Run, double: Layers) -> Iterator[tuple[Check, Given]]:
    """Yield the checks of a model whose state goes from call to call, with what is given.

    The first state is that of the report; the module is called in a row as it is.
    """
    states = conversion.ports.states
    if not states:
        return
    row = run_row(conversion)
    exact, gives_numpy = _run_module64(row.module, row.calls)
    state: list[Any] = [port.initial for port in states]
    state64 = state
    outputs = conversion.outputs[: -len(states)]
    runs = RandomRuns(row.module, row.calls, {})
    for step, (tensors, theirs) in enumerate(split_calls(row)):
        given = name_call(step, tensors, state, theirs)
        own = _run(run, given)
        in_float64 = name_call(step, tensors, state64, theirs)
        (wide,) = _run_in_float64(conversion, double, [in_float64])
        state, state64 = own[-len(states) :], wide[-len(states) :]
        for place, port in enumerate(outputs):
            number = step * len(outputs) + place
            answers = Answers(wide[place], own[place], theirs[place], exact[number])
            rounded = Rounded(runs, number, exact[number])
            for check in answers.check(given, port, rounded, gives_numpy=gives_numpy):
                yield check, given


def _run_in_float64(
    conversion: Conversion, double: Layers, sets: Sequence[Given]
) -> list[list[np.ndarray]]:
    """Return the outputs of the Keras graph in float64 for each set, in PyTorch's order."""
    with double_precision():
        runs = outputs64(conversion, double, [given.tensors for given in sets])
    double.forget()  # in float64 a few of them hold as much as the model
    in_order = []
    for outputs in runs:
        ports = zip(conversion.outputs, outputs, strict=True)
        in_order.append([port.to_torch(output) for port, output in ports])
    return in_order


def _require_shapes(conversion: Conversion, given: Given) -> None:
    """Raise CaptureError where torch.export has an output of another shape than forward gives.

    So it does for some ops, and where it takes sizes that are one in the example for one at all
    others.
    """
    graph = conversion.graph
    symbols = measure_symbols(graph, [widen_input(tensor) for tensor in given.tensors])
    values = [value for value in graph.outputs if isinstance(value, Value)]
    for value, port, output in zip(values, conversion.outputs, given.outputs, strict=True):
        captured = _measure_shape(value.type.shape, symbols)
        if port.is_complex:
            captured.pop()
        is_known = all(isinstance(size, int) for size in captured)
        if captured == list(output.shape) or not is_known:
            continue
        told = f"{port.name}: {captured} captured, {list(output.shape)} in what forward gives"
        raise CaptureError(
            "torch.export captured an output of another shape than forward gives",
            [
                ("inputs", _describe_shapes(given)),
                ("output", told),
                ("next", "leave dimensions out of dynamic_shapes, or reshape what forward gives"),
            ],
        )


def _measure_shape(shape: Sequence[Size], symbols: Mapping[sympy.Symbol, int]) -> list[Size]:
    """Return a shape with numbers in place of its symbols, where these are known."""
    sizes: list[Size] = []
    for size in shape:
        known = size if isinstance(size, int) else size.xreplace(symbols)
        sizes.append(simplify_size(known))
    return sizes


def _shapes(given: Given) -> list[list[int]]:
    return [list(tensor.shape) for tensor in given.tensors]


def _describe_shapes(given: Given) -> str:
    return ", ".join(map(str, _shapes(given)))


def _run(run: Run, given: Given) -> list[Any]:
    """The model's own outputs.

    Raises LoweringError where it takes the float64 layers, but cannot be run itself.
    """
    try:
        return run(given.tensors)
    except Exception as error:
        rows = [
            ("inputs", _describe_shapes(given)),
            ("next", "leave dimensions out of dynamic_shapes, or report it with this message"),
        ]
        raise LoweringError(f"the Keras model fails when it is run: {error}", rows) from error
