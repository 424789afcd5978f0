"""Verification: the converted model against the module, in float64 and in the module's own dtype.

Tier S builds the graph's layers in float64 and compares with the module in float64; tier N compares the model as it
is. Inputs are normal and wide, and the example's shape and another batch and length where these are dynamic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import sympy
import torch

from torch2keras.build import Layers, run, to_numpy
from torch2keras.double import double_precision
from torch2keras.errors import CaptureError, LoweringError, VerificationError
from torch2keras.factor import simple
from torch2keras.interpret import input_symbols, run_nodes
from torch2keras.ir import Graph, Node, Value
from torch2keras.metric import EPS, MEANING_RTOL, Difference, meaning, numerics
from torch2keras.ports import Port, port
from torch2keras.probes import DEFAULT_PROBES, probes, resized
from torch2keras.reference import run as run_module
from torch2keras.reference import run64
from torch2keras.rounding import Rounded

if TYPE_CHECKING:
    from torch2keras.converted import Conversion, Converted


@dataclass(frozen=True)
class Check:
    """One output under one probe and tier."""

    probe: str
    shapes: tuple[tuple[int, ...], ...]
    output: str
    difference: Difference


@dataclass(frozen=True)
class Verification:
    """All checks of one conversion, and what could not be checked."""

    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return all(c.difference.ok for c in self.checks)

    def worst(self, tier: str) -> float:
        """The largest error of a tier, as a share of what is allowed."""
        shares = [
            c.difference.max_abs / c.difference.bound_max
            for c in self.checks
            if c.difference.tier == tier and c.difference.bound_max
        ]
        return max(shares, default=0.0)


def verify_conversion(converted: Converted, names: Sequence[str] | None = None) -> Verification:
    """Run all checks. Raises VerificationError at the first that fails, naming the first value that diverges."""
    conversion = converted.conversion
    double = Layers(conversion.lowered.graph, "float64", in_turn=True)
    checks: list[Check] = []
    notes: list[str] = []
    for given in example_sets(conversion, names or DEFAULT_PROBES, notes):
        for check in _checks(converted, double, given):
            checks.append(check)
            if not check.difference.ok:
                raise _divergence(converted, double, check, given.tensors)
    return Verification(tuple(checks), (*notes, *_blind_notes(checks)))


def _blind_notes(checks: Sequence[Check]) -> Iterator[str]:
    """Outputs of which nothing was shown."""
    seen = {c.output for c in checks if c.difference.compared}
    for output in dict.fromkeys(c.output for c in checks if c.output not in seen):
        yield f"{output} was not compared: under no probe does it hold a finite number that is more than rounding."


def _checks(converted: Converted, double: Layers, given: Given) -> Iterator[Check]:
    _require_shapes(converted, given)
    module, tensors = converted.conversion.module, given.tensors
    args, kwargs = rebuilt(converted.conversion, tensors)
    y64 = run64(module, args, kwargs)
    with double_precision():
        k64 = [p.to_torch(y) for p, y in zip(converted.outputs, outputs64(converted, double, tensors), strict=True)]
    y_k = _run(converted, given)
    shapes = tuple(tuple(t.shape) for t in tensors)
    for number, (out, k, t, kk, exact) in enumerate(zip(converted.outputs, y_k, given.outputs, k64, y64, strict=True)):
        eps = EPS.get(out.dtype, EPS["float32"])
        same, near = meaning(kk, exact, y_t=t), numerics(k, t, exact, eps)
        if not (same.ok and near.ok):
            rounded = Rounded(module, args, kwargs, number, exact)
            same, near = rounded.meaning(same, kk, eps), near if near.ok else rounded.numerics(k, t, eps)
        yield Check(given.probe, shapes, out.name, same)
        yield Check(given.probe, shapes, out.name, near)


def _require_shapes(converted: Converted, given: Given) -> None:
    """Raises CaptureError where PyTorch's own exporter takes an output for one of another shape than forward gives.

    So it does for some ops, and where it takes sizes that are one in the example for one at all others.
    """
    graph = converted.conversion.graph
    sizes = input_symbols(graph, [widened(t) for t in given.tensors])
    values = [v for v in graph.outputs if isinstance(v, Value)]
    for value, out, t in zip(values, converted.outputs, given.outputs, strict=True):
        captured = [simple(e if isinstance(e, int) else e.xreplace(sizes)) for e in value.type.shape]
        captured = captured[:-1] if out.is_complex else captured
        if captured != list(t.shape) and all(isinstance(e, int) for e in captured):
            rows = [
                ("inputs", ", ".join(str(list(x.shape)) for x in given.tensors)),
                ("output", f"{out.name}: {captured} captured, {list(t.shape)} in what forward gives"),
                ("next", "leave dimensions out of dynamic_shapes, or reshape what forward gives"),
            ]
            raise CaptureError("torch.export captured an output of another shape than forward gives", rows)


def _run(converted: Converted, given: Given) -> list[Any]:
    """The model's own outputs. Raises LoweringError where it takes the float64 layers, but cannot be run itself."""
    try:
        return converted.run(given.tensors)
    except Exception as error:
        shapes = ", ".join(str(list(t.shape)) for t in given.tensors)
        rows = [("inputs", shapes), ("next", "leave dimensions out of dynamic_shapes, or report it with this message")]
        raise LoweringError(f"the Keras model fails when it is run: {error}", rows) from error


def outputs64(converted: Converted, double: Layers, tensors: Sequence[torch.Tensor]) -> list[np.ndarray]:
    """The outputs in float64, in Keras's order."""
    graph = converted.conversion.lowered.graph
    values = values64(converted, double, tensors, keep=False)
    return [to_numpy(values[i]) for i in graph.outputs]


def values64(
    converted: Converted, double: Layers, tensors: Sequence[torch.Tensor], *, keep: bool = True
) -> Mapping[int, Any]:
    """The values of the Keras graph in float64: all, or, unless to `keep`, its outputs."""
    graph = converted.conversion.lowered.graph
    arrays = [p.from_torch(t) for p, t in zip(converted.inputs, tensors, strict=True)]
    inputs = [
        keras.ops.convert_to_tensor(a.astype("float64") if "float" in i.dtype else a)
        for a, i in zip(arrays, graph.inputs, strict=True)
    ]
    return run(graph, inputs, double.loaded, "float64", keep=keep)


def rebuilt(conversion: Conversion, tensors: Sequence[torch.Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The example's arguments with other tensors."""
    rest = iter(tensors)
    args, kwargs = torch.utils._pytree.tree_map(
        lambda leaf: next(rest) if isinstance(leaf, torch.Tensor) else leaf, (conversion.args, dict(conversion.kwargs))
    )
    return args, kwargs


def example_tensors(conversion: Conversion) -> list[torch.Tensor]:
    """The tensors of the example, flat."""
    leaves = torch.utils._pytree.tree_leaves((conversion.args, dict(conversion.kwargs)))
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


class Growth(NamedTuple):
    """Another size of a dynamic dimension: factor * size + more."""

    factor: int
    more: int


GROWTHS = (Growth(1, 1), Growth(1, 2), Growth(2, 0), Growth(4, 0))
"""Tried in this order until the module itself accepts the sizes: an odd length for an even one comes first."""


class Given(NamedTuple):
    """One set of inputs, and what the module gives for it in its own type."""

    probe: str
    tensors: tuple[torch.Tensor, ...]
    outputs: list[np.ndarray]


def example_sets(conversion: Conversion, names: Sequence[str], notes: list[str]) -> Iterator[Given]:
    """The probes at the example's shapes, and another size of what is dynamic.

    A probe that the module refuses, or of which it makes no finite number, is exchanged for the example itself.
    """
    example = example_tensors(conversion)
    known: set[str] = set()
    for probe in probes(example, names=names):
        given, error = _attempt(conversion, probe.name, probe.tensors)
        if given:
            known.add(probe.name)
            yield given
        if not given:
            notes.append(f"The module refuses the inputs of the probe {probe.name!r}: {error}")
        if "example" not in known and not (given and _tells(given)):
            known.add("example")
            (itself,) = probes(example, names=["example"])
            given, error = _attempt(conversion, itself.name, itself.tensors)
            if given is None:
                rows = [("torch", error), ("next", "convert(..., verify=False) gives the model as it is")]
                raise VerificationError("nothing can be compared: the module does not run on its own example", rows)
            yield given
    yield from _other_size(conversion, example, notes)


def _attempt(conversion: Conversion, probe: str, tensors: tuple[torch.Tensor, ...]) -> tuple[Given | None, str]:
    """The set with the module's outputs, or None and the first line of its refusal."""
    args, kwargs = rebuilt(conversion, tensors)
    try:
        return Given(probe, tensors, run_module(conversion.module, args, kwargs)), ""
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises; a note says so
        return None, f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _tells(given: Given) -> bool:
    """Whether each output holds a number to compare."""
    return all(output.size == 0 or np.isfinite(output).any() for output in given.outputs)


def _other_size(conversion: Conversion, example: Sequence[torch.Tensor], notes: list[str]) -> Iterator[Given]:
    """The first other size of the dynamic dimensions that the module itself accepts."""
    symbols = sorted(
        {s for v in conversion.graph.inputs for e in v.type.shape if not isinstance(e, int) for s in e.free_symbols},
        key=str,
    )
    if not symbols:
        return
    growths = product(GROWTHS, repeat=len(symbols)) if len(symbols) < 3 else [(g,) * len(symbols) for g in GROWTHS]
    for growth in growths:
        other = {s: g.factor * conversion.graph.hints[s] + g.more for s, g in zip(symbols, growth, strict=True)}
        given, _ = _attempt(conversion, "another size", resized(example, _sizes(conversion.graph, other)))
        if given:
            yield given
            return
    notes.append("no other size of the dynamic dimensions was found that the module itself accepts")


def _sizes(graph: Graph, symbols: Mapping[sympy.Symbol, int]) -> list[dict[int, int]]:
    return [
        {d: int(e.xreplace(dict(symbols))) for d, e in enumerate(v.type.shape) if not isinstance(e, int)}
        for v in graph.inputs
    ]


def _divergence(
    converted: Converted, double: Layers, check: Check, tensors: Sequence[torch.Tensor]
) -> VerificationError:
    """The error for a failed check: where the two computations part."""
    rows = [
        ("output", check.output),
        ("probe", f"{check.probe}, inputs {', '.join(str(list(s)) for s in check.shapes)}"),
        ("tier", f"{check.difference.tier}: {check.difference.reason}"),
    ]
    try:
        first = first_divergence(converted, double, tensors)
    except NotImplementedError as error:  # PyTorch's max_pool1d of integers: only inside of a module
        first = None
        rows.append(("place", f"not found, since PyTorch cannot run the graph op by op: {error}"))
    if first:
        node, value, difference = first
        rows += [("op", str(node.op)), *node.origin.rows(), ("value", f"{value}: {difference.reason}")]
    rows.append(("next", "please report it with this message; convert(..., verify=False) gives the model as it is"))
    return VerificationError("the converted model does not give PyTorch's numbers", rows)


def first_divergence(
    converted: Converted, double: Layers, tensors: Sequence[torch.Tensor]
) -> tuple[Node, Value, Difference] | None:
    """The first value of the graph whose float64 result differs from PyTorch's.

    One that differs only as rounding does, measured by the operands that cancel in it, is named only where no other is.
    """
    conversion = converted.conversion
    rounding: tuple[Node, Value, Difference] | None = None
    sizes: dict[Value, float] = {}
    with double_precision():
        ours = values64(converted, double, tensors)
        for node, value, theirs in run_nodes(conversion.graph, [widened(t) for t in tensors]):
            sizes[value] = _largest(theirs)
            stored = conversion.lowered.values.get(value)
            if stored is None or any(len(g) != 1 for g in stored.form) or len(stored.form) != value.type.rank:
                continue
            place: Port = port(conversion.plan.space, value, stored.form, value.name)
            difference = meaning(place.to_torch(to_numpy(ours[stored.tensor.index])), theirs.numpy())
            if difference.ok:
                continue
            if difference.max_abs > MEANING_RTOL * max((sizes.get(v, 0.0) for v in node.operands), default=0.0):
                return node, value, difference
            rounding = rounding or (node, value, difference)
    return rounding


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """An input of the module as the graph takes it, in float64; integers and bools as they are."""
    tensor = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return tensor.double() if tensor.is_floating_point() else tensor


def _largest(tensor: torch.Tensor) -> float:
    """The largest finite absolute value; 0 of integers and bools, which have no rounding."""
    return (
        float(torch.nan_to_num(tensor, 0.0, 0.0, 0.0).abs().max())
        if tensor.is_floating_point() and tensor.numel()
        else 0.0
    )
