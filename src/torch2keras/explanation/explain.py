"""What to write in Keras for a PyTorch layer, block or net, and why."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from torch2keras.conversion.ports import Port
from torch2keras.errors import InputError
from torch2keras.explanation.construction import construct, rewrite_layer
from torch2keras.explanation.example_inputs import (
    CLASS_RANK,
    Given,
    batch_dimension,
    example_inputs,
)
from torch2keras.explanation.parse_layer import parse_layer
from torch2keras.explanation.reasons import Reason, give_reasons
from torch2keras.explanation.result import Explanation, Side
from torch2keras.explanation.script import name_class, write_script
from torch2keras.explanation.weight_copies import (
    list_fixed_tensors,
    list_weight_copies,
    unwrap_layer,
)
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.keras_graph.source.lines import default_arguments, simplify_argument
from torch2keras.layout.port_orders import dimension_letters
from torch2keras.ops.blocks.convolution import keep_groups_together
from torch2keras.pipeline import convert
from torch2keras.runtime.isolation import isolate_process
from torch2keras.runtime.progress import Progress, ignore_stage
from torch2keras.runtime.run_alone import run_alone
from torch2keras.runtime.typed_errors import raise_typed_errors
from torch2keras.verification.metric import MEANING_RTOL
from torch2keras.verification.results import Verification


@run_alone
@raise_typed_errors
@isolate_process()
def explain(
    layer: nn.Module,
    inputs: Given | None = None,
    *,
    progress: Progress = ignore_stage,
) -> Explanation:
    """Explain a PyTorch layer, block or net: as Keras code that runs, with reasons.

    `inputs` are a shape in PyTorch's order, a shape for each input, or example tensors; without
    any, shapes that fit the layer are looked for. The module is converted and verified, so what is
    explained is what was measured. `str()` of what is returned is a Python file: the model, and
    the copying of the weights of `layer`, the PyTorch module. `progress` is called with the name
    of each stage as it begins.
    Raises InputError where no input fits, and what `convert` raises.
    """
    return _explain(layer, inputs, "", progress)


@run_alone
@raise_typed_errors
@isolate_process()
def explain_text(
    text: str,
    inputs: Given | None = None,
    *,
    progress: Progress = ignore_stage,
) -> Explanation:
    """Explain a layer written as text such as "nn.Conv1d(3, 16, 5)".

    The text is parsed and never evaluated. Raises InputError where it is no layer.
    """
    layer = parse_layer(text)
    return _explain(layer, inputs, rewrite_layer(text), progress)


def _explain(
    layer: nn.Module,
    given: Given | None,
    text: str,
    progress: Progress,
) -> Explanation:
    """Return the explanation of a module; `text` constructs it, if it was given as such."""
    if not isinstance(layer, nn.Module):
        raise InputError(
            f"{layer!r} is no nn.Module",
            [("next", "give a layer, for example nn.Conv1d(3, 16, 5)")],
        )
    inputs = example_inputs(layer, given)
    layout = _choose_layout(layer, inputs)
    batch = batch_dimension(layer)
    shapes = None
    if batch and all(x.ndim > batch for x in inputs):
        dynamic = torch.export.Dim("batch")
        shapes = tuple({batch: dynamic} for _ in inputs)
    with keep_groups_together():
        converted = convert(layer, inputs, layout=layout, dynamic_shapes=shapes, progress=progress)
    graph, verification = converted.conversion.lowered.graph, converted.verification
    assert verification is not None
    name = text or construct(layer)
    construction = name
    if not text and list_fixed_tensors(layer, graph):
        construction = ""  # another layer has other numbers than those in the model
    return Explanation(
        layer=name or name_class(layer),
        code=write_script(converted.source(), layer, graph, construction),
        reasons=tuple(_collect_reasons(layer, graph)),
        weights=tuple(list_weight_copies(layer, graph)),
        inputs=_both_sides(converted.inputs),
        outputs=_both_sides(converted.outputs),
        difference=_largest_error(verification),
        meaning=verification.worst("S") * MEANING_RTOL,
        notes=tuple(note for note in converted.report.notes if "train mode" not in note),
    )


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
    """Yield the reasons for what the code says of all layers; those of equal layers once.

    What is Keras's default is left out, as in the code, but for a padding.
    """
    modules: dict[str, nn.Module] = dict(layer.named_modules())
    seen = set()
    for call in graph.calls:
        if not call.is_layer:
            continue
        module = modules.get(call.origin.path, layer)
        spec = unwrap_layer(call.layer)
        defaults = default_arguments(spec.cls)
        for reason in give_reasons(module, spec):
            default = simplify_argument(reason.argument, defaults.get(reason.argument))
            is_default = reason.argument in defaults and reason.value == default
            if repr(reason) in seen or (is_default and reason.argument != "padding"):
                continue
            seen.add(repr(reason))
            yield reason


def _both_sides(ports: Sequence[Port]) -> tuple[Side, ...]:
    sides = []
    for port in ports:
        shapes = port.torch_shape, port.keras_shape
        sides.append(Side(port.name, *shapes, port.order, port.permutation))
    return tuple(sides)


def _largest_error(verification: Verification) -> float:
    """Return the largest error of the model as it is saved."""
    differences = [check.difference for check in verification.checks]
    return max((d.max_abs for d in differences if d.tier == "N"), default=0.0)
