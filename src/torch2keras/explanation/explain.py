"""What to write in Keras for one PyTorch layer, and why."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from torch2keras.conversion.ports import Port
from torch2keras.errors import InputError
from torch2keras.explanation.example_shape import CLASS_RANK, example_inputs
from torch2keras.explanation.parse_layer import parse_layer
from torch2keras.explanation.reasons import Reason, give_reasons
from torch2keras.explanation.weight_copies import WeightCopy, copy_weights
from torch2keras.keras_graph.graph import KerasGraph, LayerSpec
from torch2keras.keras_graph.source_code import statements
from torch2keras.layout.port_orders import dimension_letters
from torch2keras.pipeline import convert
from torch2keras.runtime.isolation import isolate_process
from torch2keras.runtime.progress import Progress, ignore_stage
from torch2keras.runtime.run_alone import run_alone
from torch2keras.runtime.typed_errors import raise_typed_errors
from torch2keras.verification.metric import MEANING_RTOL
from torch2keras.verification.results import Verification

INDENT = "    "


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
        """Return plain data, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join(_page_lines(self))


@run_alone
@raise_typed_errors
def explain(
    layer: nn.Module,
    input_shape: tuple[int, ...] | None = None,
    *,
    progress: Progress = ignore_stage,
) -> Explanation:
    """Explain one PyTorch layer, or a short Sequential, in Keras code with reasons.

    `input_shape` is in PyTorch's order; without one, a shape that fits the layer is found.
    `progress` is called with the name of each stage as it begins.
    The layer is converted and verified, so what is explained is what was measured.
    Raises InputError where no input fits, and what `convert` raises.
    """
    if not isinstance(layer, nn.Module):
        raise InputError(
            f"{layer!r} is no nn.Module",
            [("next", "give a layer, for example nn.Conv1d(3, 16, 5)")],
        )
    inputs = example_inputs(layer, input_shape)
    layout = _choose_layout(layer, inputs)
    converted = convert(layer, inputs, layout=layout, name="explained", progress=progress)
    graph, verification = converted.conversion.lowered.graph, converted.verification
    assert verification is not None
    return Explanation(
        layer=repr(layer),
        code=tuple(statements(graph)),
        reasons=tuple(_collect_reasons(layer, graph)),
        weights=tuple(copy_weights(graph)),
        inputs=_both_sides(converted.inputs),
        outputs=_both_sides(converted.outputs),
        difference=_largest_error(verification),
        meaning=verification.worst("S") * MEANING_RTOL,
        notes=tuple(note for note in converted.report.notes if "train mode" not in note),
    )


@run_alone
@raise_typed_errors
@isolate_process()
def explain_text(
    text: str,
    input_shape: tuple[int, ...] | None = None,
    *,
    progress: Progress = ignore_stage,
) -> Explanation:
    """Explain a layer written as text such as "nn.Conv1d(3, 16, 5)".

    The text is parsed and never evaluated. Raises InputError where it is no layer.
    """
    return explain(parse_layer(text), input_shape, progress=progress)


def _choose_layout(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> str | dict[str, str]:
    """Return the layout to explain a layer with: channels last where it names its rank.

    A layer that would take any order, such as BatchNorm1d, would else keep PyTorch's.
    """
    names = dimension_letters(inputs[0].ndim)
    if not CLASS_RANK.search(type(layer).__name__) or len(names) < 3:
        return "keras"
    parameter = next(iter(inspect.signature(layer.forward).parameters))
    batch, channels, *spatial = names
    return {parameter: " ".join([batch, *spatial, channels])}


def _collect_reasons(layer: nn.Module, graph: KerasGraph) -> Iterator[Reason]:
    """Yield the reasons of all layers; those of equal layers (one for each group) once."""
    modules: dict[str, nn.Module] = dict(layer.named_modules())
    seen = set()
    for call in graph.calls:
        if not call.is_layer:
            continue
        module = modules.get(call.origin.path, layer)
        for reason in give_reasons(module, _unwrap(call.layer)):
            if repr(reason) not in seen:
                seen.add(repr(reason))
                yield reason


def _unwrap(layer: LayerSpec) -> LayerSpec:
    """Return the layer within a `Bidirectional`, and any other layer itself."""
    inner = layer.config.get("layer")
    if isinstance(inner, LayerSpec):
        return inner
    return layer


def _both_sides(ports: Sequence[Port]) -> tuple[Side, ...]:
    return tuple(Side(p.name, p.torch_shape, p.keras_shape, p.order) for p in ports)


def _largest_error(verification: Verification) -> float:
    """Return the largest error of the model as it is saved."""
    differences = [check.difference for check in verification.checks]
    return max((d.max_abs for d in differences if d.tier == "N"), default=0.0)


# The text of an explanation.


def _page_lines(explanation: Explanation) -> Iterator[str]:
    yield explanation.layer
    yield from _section("in Keras", explanation.code)
    yield from _section("why", map(_reason_line, explanation.reasons))
    if explanation.weights:
        yield from _section("weights (NumPy)", map(_weight_line, explanation.weights))
    sides = (*explanation.inputs, *explanation.outputs)
    yield from _section("shapes", map(_side_line, sides))
    saved = f"float32: at most {explanation.difference:.1e} from PyTorch"
    meaning = f"float64: {explanation.meaning:.1e} of the largest value"
    yield from _section("difference", [f"{saved}; {meaning}", *explanation.notes])


def _section(title: str, lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    yield ""
    yield title
    for line in lines:
        yield INDENT + line


def _reason_line(reason: Reason) -> str:
    return f"{reason.layer}.{reason.argument} = {reason.value!r}: {reason.text}"


def _weight_line(weight: WeightCopy) -> str:
    return f"{weight.keras} = {weight.expression:<42} # {list(weight.shape)}: {weight.axes}"


def _side_line(side: Side) -> str:
    torch_side = f"PyTorch {_shape_text(side.torch_shape)}"
    return f"{side.name:<8} {torch_side}   Keras {_shape_text(side.keras_shape)}   ({side.order})"


def _shape_text(shape: Sequence[int | None]) -> str:
    """Return `(batch, 3, ?)`: a dynamic first dimension is the batch, any other a question mark."""
    sizes = ["?" if size is None else str(size) for size in shape]
    if sizes and shape[0] is None:
        sizes[0] = "batch"
    return f"({', '.join(sizes)})"
