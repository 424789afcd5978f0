"""Verification: the converted model against the module, in float64 and in the module's own dtype.

Tier S builds the graph's layers in float64 and compares with the module in float64; tier N compares the model as it
is. Inputs are normal and wide, and the example's shape and another batch and length where these are dynamic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from torch2keras.conversion.record import Conversion
from torch2keras.errors import CaptureError, LoweringError
from torch2keras.graph.interpreter import measure_symbols
from torch2keras.graph.ir import Value
from torch2keras.graph.symbolic import simplify_size
from torch2keras.keras_model.layers import Layers
from torch2keras.runtime.isolation import isolate_process
from torch2keras.verification.divergence import divergence_error
from torch2keras.verification.float64_keras import outputs64, widened
from torch2keras.verification.input_sets import Given, example_sets, rebuilt
from torch2keras.verification.metric import EPS, meaning, numerics
from torch2keras.verification.probes import DEFAULT_PROBES
from torch2keras.verification.random_rounding import Rounded
from torch2keras.verification.reference import run64
from torch2keras.verification.results import Check, Verification
from torch2keras.workarounds.float64_promotion import double_precision

Run = Callable[[Sequence[torch.Tensor]], list[Any]]
"""The Keras model on flat inputs, in PyTorch's order on both sides."""


@isolate_process()
def verify_conversion(
    conversion: Conversion, run: Run, names: Sequence[str] | None = None
) -> Verification:
    """Run all checks; `run` gives the Keras model's outputs on flat inputs, both in PyTorch's order.

    Raises VerificationError at the first that fails, naming the first value that diverges.
    """
    double = Layers(conversion.lowered.graph, "float64", in_turn=True)
    checks: list[Check] = []
    notes: list[str] = []
    for given in example_sets(conversion, names or DEFAULT_PROBES, notes):
        for check in _checks(conversion, run, double, given):
            checks.append(check)
            if not check.difference.ok:
                raise divergence_error(conversion, double, check, given.tensors)
    return Verification(tuple(checks), (*notes, *_blind_notes(checks)))


def _blind_notes(checks: Sequence[Check]) -> Iterator[str]:
    """Outputs of which nothing was shown."""
    seen = {c.output for c in checks if c.difference.compared}
    for output in dict.fromkeys(c.output for c in checks if c.output not in seen):
        yield f"{output} was not compared: under no probe does it hold a finite number that is more than rounding."


def _checks(conversion: Conversion, run: Run, double: Layers, given: Given) -> Iterator[Check]:
    _require_shapes(conversion, given)
    module, tensors = conversion.module, given.tensors
    args, kwargs = rebuilt(conversion, tensors)
    y64 = run64(module, args, kwargs)
    with double_precision():
        k64 = [
            p.to_torch(y)
            for p, y in zip(conversion.outputs, outputs64(conversion, double, tensors), strict=True)
        ]
    y_k = _run(run, given)
    shapes = tuple(tuple(t.shape) for t in tensors)
    for number, (out, k, t, kk, exact) in enumerate(
        zip(conversion.outputs, y_k, given.outputs, k64, y64, strict=True)
    ):
        eps = EPS.get(out.dtype, EPS["float32"])
        same, near = meaning(kk, exact, y_t=t), numerics(k, t, exact, eps)
        if not (same.ok and near.ok):
            rounded = Rounded(module, args, kwargs, number, exact)
            same, near = (
                rounded.meaning(same, kk, eps),
                near if near.ok else rounded.numerics(k, t, eps),
            )
        yield Check(given.probe, shapes, out.name, same)
        yield Check(given.probe, shapes, out.name, near)


def _require_shapes(conversion: Conversion, given: Given) -> None:
    """Raises CaptureError where PyTorch's own exporter takes an output for one of another shape than forward gives.

    So it does for some ops, and where it takes sizes that are one in the example for one at all others.
    """
    graph = conversion.graph
    sizes = measure_symbols(graph, [widened(t) for t in given.tensors])
    values = [v for v in graph.outputs if isinstance(v, Value)]
    for value, out, t in zip(values, conversion.outputs, given.outputs, strict=True):
        captured = [
            simplify_size(e if isinstance(e, int) else e.xreplace(sizes)) for e in value.type.shape
        ]
        captured = captured[:-1] if out.is_complex else captured
        if captured != list(t.shape) and all(isinstance(e, int) for e in captured):
            rows = [
                ("inputs", ", ".join(str(list(x.shape)) for x in given.tensors)),
                (
                    "output",
                    f"{out.name}: {captured} captured, {list(t.shape)} in what forward gives",
                ),
                ("next", "leave dimensions out of dynamic_shapes, or reshape what forward gives"),
            ]
            raise CaptureError(
                "torch.export captured an output of another shape than forward gives", rows
            )


def _run(run: Run, given: Given) -> list[Any]:
    """The model's own outputs. Raises LoweringError where it takes the float64 layers, but cannot be run itself."""
    try:
        return run(given.tensors)
    except Exception as error:
        shapes = ", ".join(str(list(t.shape)) for t in given.tensors)
        rows = [
            ("inputs", shapes),
            ("next", "leave dimensions out of dynamic_shapes, or report it with this message"),
        ]
        raise LoweringError(f"the Keras model fails when it is run: {error}", rows) from error
