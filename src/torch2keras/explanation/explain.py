"""explain: what to write in Keras for one PyTorch layer, and why."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from torch2keras.converted import Converted
from torch2keras.errors import InputError
from torch2keras.explanation.example_shape import CLASS_RANK, example_inputs
from torch2keras.explanation.parse_layer import parse_layer
from torch2keras.explanation.reasons import Reason, reasons
from torch2keras.graph.ir import Constant
from torch2keras.keras_graph.graph import Call, KerasGraph, LayerSpec
from torch2keras.keras_graph.source_code import statements, weight_text
from torch2keras.layout.port_orders import dimension_letters
from torch2keras.pipeline import convert


@dataclass(frozen=True)
class WeightCopy:
    """How one Keras weight is made of the PyTorch tensor."""

    keras: str
    torch: str
    expression: str
    shape: tuple[int, ...]
    axes: str
    """What each axis of the PyTorch tensor becomes."""


@dataclass(frozen=True)
class Side:
    """One port on both sides; None is dynamic."""

    name: str
    torch_shape: tuple[int | None, ...]
    keras_shape: tuple[int | None, ...]
    order: str


@dataclass(frozen=True)
class Explanation:
    """One layer, explained; `str()` is the text, `as_dict()` the same as data."""

    layer: str
    code: tuple[str, ...]
    reasons: tuple[Reason, ...]
    weights: tuple[WeightCopy, ...]
    inputs: tuple[Side, ...]
    outputs: tuple[Side, ...]
    difference: float
    """The largest error against PyTorch in float32, over all probes, in the unit of the output."""
    meaning: float
    """The same in float64, relative to the largest value."""
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.layer}", "", "in Keras"]
        lines += [f"    {line}" for line in self.code]
        lines += ["", "why"]
        lines += [f"    {r.layer}.{r.argument} = {r.value!r}: {r.text}" for r in self.reasons]
        if self.weights:
            lines += ["", "weights (NumPy)"]
            lines += [
                f"    {w.keras} = {w.expression:<42} # {list(w.shape)}: {w.axes}"
                for w in self.weights
            ]
        lines += ["", "shapes"]
        for side in (*self.inputs, *self.outputs):
            lines.append(
                f"    {side.name:<8} PyTorch {_shape(side.torch_shape)}   "
                f"Keras {_shape(side.keras_shape)}   ({side.order})"
            )
        lines += ["", "difference"]
        lines.append(
            f"    float32: at most {self.difference:.1e} from PyTorch; float64: {self.meaning:.1e} of the largest value"
        )
        lines += [f"    {note}" for note in self.notes]
        return "\n".join(lines)


def _shape(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('batch' if s is None and i == 0 else '?' if s is None else str(s) for i, s in enumerate(shape))})"


def explain(layer: nn.Module, input_shape: tuple[int, ...] | None = None) -> Explanation:
    """Explain one PyTorch layer (or a short Sequential): the Keras code, the reasons, the weights, the proof.

    `input_shape` is in PyTorch's order; without one, a shape that fits the layer is found. The layer is converted and
    verified, so what is explained is what was measured.
    Raises InputError where no input fits, and what `convert` raises.
    """
    if not isinstance(layer, nn.Module):
        raise InputError(
            f"{layer!r} is no nn.Module",
            [("next", "give a layer, for example nn.Conv1d(3, 16, 5)")],
        )
    inputs = example_inputs(layer, input_shape)
    converted = convert(layer, inputs, layout=_channels_last(layer, inputs), name="explained")
    graph = converted.conversion.lowered.graph
    checks = converted.verification.checks if converted.verification else ()
    numbers = [c.difference for c in checks]
    relative = [d.max_abs / (d.bound_max / 1e-9) for d in numbers if d.tier == "S" and d.bound_max]
    return Explanation(
        repr(layer),
        tuple(statements(graph)),
        tuple(_reasons(layer, graph)),
        tuple(_weights(converted)),
        tuple(Side(p.name, p.torch_shape, p.keras_shape, p.order) for p in converted.inputs),
        tuple(Side(p.name, p.torch_shape, p.keras_shape, p.order) for p in converted.outputs),
        float(np.max([d.max_abs for d in numbers if d.tier == "N"], initial=0.0)),
        float(np.max(relative, initial=0.0)),
        tuple(n for n in converted.report.notes if "train mode" not in n),
    )


def explain_text(text: str, input_shape: tuple[int, ...] | None = None) -> Explanation:
    """As `explain`, for a layer written as text such as "nn.Conv1d(3, 16, 5)", which is parsed and never evaluated."""
    return explain(parse_layer(text), input_shape)


def _channels_last(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> str | dict[str, str]:
    """A layer that would take any order, such as BatchNorm1d, is explained with channels last, as Keras has it."""
    names = dimension_letters(inputs[0].ndim)
    if not CLASS_RANK.search(type(layer).__name__) or len(names) < 3:
        return "keras"
    parameter = next(iter(inspect.signature(layer.forward).parameters))
    return {parameter: " ".join([names[0], *names[2:], names[1]])}


def _reasons(layer: nn.Module, graph: KerasGraph) -> Iterator[Reason]:
    """The reasons of all layers; those of equal layers (one for each group) once."""
    seen = set()
    for call in graph.calls:
        for reason in (
            reasons(_module_of(layer, call.origin.path), without_wrapper(call))
            if call.is_layer
            else ()
        ):
            if repr(reason) not in seen:
                seen.add(repr(reason))
                yield reason


def _module_of(layer: nn.Module, path: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(layer.named_modules())
    return modules.get(path, layer)


AXES = {
    ("Conv", "kernel"): "(out, in/groups, *k) -> (*k, in/groups, out)",
    ("Depthwise", "kernel"): "(channels*m, 1, *k) -> (*k, channels, m)",
    ("Transpose", "kernel"): "(in, out, *k) -> (*k, out, in)",
    ("Dense", "kernel"): "(out, in) -> (in, out)",
}
"""What the axes of a kernel become, by the kind of layer."""


def without_wrapper(call: Call) -> Call:
    """Of `Bidirectional`, the layer in it."""
    inner = call.config.get("layer")
    return (
        replace(call, target=f"layers.{inner.cls}", config=inner.config)
        if isinstance(inner, LayerSpec)
        else call
    )


def _folded(constant: Constant) -> str:
    """How a weight is computed from parameters: two biases in NumPy, anything else by name."""
    names = [f'state["{name}"]' for name in constant.folded_from]
    op = constant.recipe[0].op if constant.recipe and len(names) == 2 else None
    if op is torch.ops.aten.add.Tensor:
        return f"({' + '.join(names)})"
    if op is torch.ops.aten.stack.default:
        return f"np.stack([{', '.join(names)}])"
    return f"folded({', '.join(constant.folded_from)})"


def _weights(converted: Converted) -> list[WeightCopy]:
    copies = []
    for call, attribute, weight in converted.conversion.lowered.graph.weights():
        constant = weight.constant
        name = constant.paths[0] if constant.paths else _folded(constant)
        kind = call.target.removeprefix("layers.")
        axes = next(
            (text for (part, a), text in reversed(AXES.items()) if part in kind and a == attribute),
            "as it is",
        )
        expression = weight_text(weight, f'state["{name}"]' if constant.paths else name)
        copies.append(WeightCopy(f"{kind}.{attribute}", name, expression, weight.shape, axes))
    return copies
