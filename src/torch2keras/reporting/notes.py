"""The notes of a report: what a user should know, each a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from torch2keras.conversion.record import Conversion
from torch2keras.errors import list_names
from torch2keras.keras_graph.graph import KerasGraph, find_recurrent_layers
from torch2keras.keras_graph.weight import Weight
from torch2keras.ops.blocks.convolution import MOST_GROUPS
from torch2keras.reporting.facts import Parameters
from torch2keras.verification.results import Verification

NAMES_SHOWN = 3


def write_notes(
    conversion: Conversion, parameters: Parameters, verification: Verification | None
) -> Iterator[str]:
    """Yield the notes on the capture, the weights, further training and the verification."""
    graph = conversion.lowered.graph
    bias_sums = list(_bias_sums(graph))
    yield from conversion.captured.notes
    if conversion.captured.strict:
        yield "torch.export took the module only with strict=True."
    yield from _weight_notes(graph, parameters, bias_sums)
    yield from _batch_norm_notes(conversion)
    yield from _recurrence_notes(graph, bias_sums)
    yield from _group_notes(graph)
    if verification is not None:
        yield from verification.notes


def _weight_notes(
    graph: KerasGraph, parameters: Parameters, bias_sums: Sequence[str]
) -> Iterator[str]:
    """Yield what became of parameters that are not one weight each."""
    for weight, names in parameters.folded.items():
        if weight not in bias_sums:
            yield f"{weight} is computed from {', '.join(names)}; in Keras it is one weight."
    for names in parameters.tied:
        equal = " = ".join(names)
        yield f"{equal}: one parameter, and one weight in Keras where one layer reads it."
    for name, count in _find_overlaps(graph):
        yield (
            f"{name} is held in {count} Keras weights that share elements: "
            "equal now, and training moves them apart, which state_dict then refuses."
        )
    if parameters.unused:
        unused = ", ".join(parameters.unused)
        yield f"No output depends on {unused}; they are not in the Keras model."


def _batch_norm_notes(conversion: Conversion) -> Iterator[str]:
    """Yield what further training does to batch normalization otherwise than in PyTorch."""
    trained, frozen, still = [], [], []
    for call in conversion.lowered.graph.calls:
        if call.target != "layers.BatchNormalization":
            continue
        is_fixed = call.origin.path in conversion.captured.training.fixed
        if not call.trainable and not is_fixed:
            frozen.append(call.name)
        has_no_momentum = call.origin.path in conversion.facts.without_momentum
        if has_no_momentum:
            still.append(call.name)
        elif call.trainable:
            trained.append(call.name)
    if trained:
        yield (
            f"Further training of {_join_names(trained)}: Keras moves the running variance with a "
            "batch's biased variance, PyTorch with the unbiased one, n/(n-1) times as large for n "
            "numbers a channel."
        )
    if frozen:
        yield (
            f"The parameters of {_join_names(frozen)} are frozen, so these layers are: in "
            "training, Keras normalizes with their running statistics and leaves them as they "
            "are, PyTorch with those of the batch."
        )
    if still:
        yield (
            f"The running statistics of {_join_names(still)} stay as they are in Keras: it has no "
            "cumulative average."
        )


def _recurrence_notes(graph: KerasGraph, bias_sums: Sequence[str]) -> Iterator[str]:
    """Yield how biases of recurrent layers are trained, and what makes these layers fast."""
    if bias_sums:
        yield (
            f"{_join_names(bias_sums)}: the sum of bias_ih and bias_hh, which moves half as far as "
            "PyTorch's two at the same learning rate. Once trained, state_dict gives it as "
            "bias_ih, and zeros as bias_hh."
        )
    if looping := find_recurrent_layers(graph.calls):
        yield (
            f"{_join_names(looping)}: step by step. On a CPU, TensorFlow is up to 6 times as fast "
            "where XLA compiles the model, anew for each shape. Keras leaves that off there: "
            "predict goes by model.jit_compile = True, fit by compile(jit_compile=True), which "
            "a saved model keeps, a graph by tf.function(jit_compile=True)."
        )


def _group_notes(graph: KerasGraph) -> Iterator[str]:
    """Yield what it costs to train convolutions of many groups on a processor."""
    layers = [call for call in graph.calls if call.is_layer]
    grouped = [c.name for c in layers if c.layer.config.get("groups", 1) > MOST_GROUPS]
    if grouped:
        yield (
            f"{_join_names(grouped)}: more than {MOST_GROUPS} groups in one layer. On a CPU, "
            "TensorFlow and JAX compute its gradient 30 to 450 times as slowly as PyTorch's; "
            "train on a GPU, or on Keras's PyTorch backend."
        )


def _bias_sums(graph: KerasGraph) -> Iterator[str]:
    """Yield the biases of recurrent layers in which PyTorch's two are summed."""
    for call, attribute, weight in graph.weights():
        if not attribute.endswith("cell.bias") or weight.constant.recipe is None:
            continue
        node, _ = weight.constant.recipe
        if node.op is torch.ops.aten.add.Tensor:
            yield f"{call.name}.{attribute}"


def _find_overlaps(graph: KerasGraph) -> Iterator[tuple[str, int]]:
    """Yield the parameters with an element in several Keras weights, and the number of these."""
    holders: dict[str, list[Weight]] = {}
    for _, _, weight in graph.weights():
        if weight.trainable and weight.constant.paths:
            holders.setdefault(weight.constant.paths[0], []).append(weight)
    for name, weights in holders.items():
        if len(weights) < 2:
            continue
        elements = np.concatenate([weight.numbers().numpy().ravel() for weight in weights])
        if len(np.unique(elements)) < len(elements):
            yield name, len(weights)


def _join_names(names: Sequence[str]) -> str:
    """Return the first names, each once, and how many more there are."""
    return list_names(list(dict.fromkeys(names)), most=NAMES_SHOWN)
