"""The notes of a report: what a user should know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from torch2keras.conversion.record import Conversion
from torch2keras.keras_graph.graph import Call, KerasGraph, find_recurrent_layers
from torch2keras.keras_graph.weight import Weight
from torch2keras.reporting.facts import Parameters
from torch2keras.verification.results import Verification


def notes_of(
    conversion: Conversion, parameters: Parameters, verification: Verification | None
) -> Iterator[str]:
    """What the user should know, each a sentence."""
    yield from conversion.captured.notes
    if conversion.captured.strict:
        yield "torch.export took the module only with strict=True."
    sums = list(_bias_sums(conversion.lowered.graph))
    for weight, names in parameters.folded.items():
        if weight not in sums:
            yield f"{weight} is computed from {', '.join(names)}; in Keras it is one weight."
    for names in parameters.tied:
        yield f"{' = '.join(names)}: one parameter, and one weight in Keras where one layer reads it."
    for name, count in _apart(conversion.lowered.graph):
        yield f"{name} is held in {count} Keras weights that share elements: equal now, and training moves them apart."
    if parameters.unused:
        yield f"No output depends on {', '.join(parameters.unused)}; they are not in the Keras model."
    yield from _batch_norm_notes(conversion)
    yield from _recurrence_notes(conversion.lowered.graph, sums)
    yield from (verification.notes if verification else ())


def _batch_norm_notes(conversion: Conversion) -> Iterator[str]:
    """What further training does to batch normalization otherwise than in PyTorch."""
    norms = [
        call
        for call in conversion.lowered.graph.calls
        if call.target == "layers.BatchNormalization"
    ]
    still = [call.name for call in norms if _has_cumulative_average(conversion.module, call)]
    if free := [call.name for call in norms if call.trainable and call.name not in still]:
        yield (
            f"Further training of {_some(free)}: Keras moves the running variance with a batch's biased variance, "
            "PyTorch with the unbiased one, n/(n-1) times as large for n numbers a channel."
        )
    if frozen := [call.name for call in norms if not call.trainable]:
        yield (
            f"The parameters of {_some(frozen)} are frozen, so these layers are: in training, Keras normalizes with "
            "their running statistics and leaves them as they are, PyTorch with those of the batch."
        )
    if still:
        yield f"The running statistics of {_some(still)} stay as they are in Keras: it has no cumulative average."


def _has_cumulative_average(module: nn.Module, call: Call) -> bool:
    """Whether a batch normalization is one with momentum=None."""
    own = dict(module.named_modules()).get(call.origin.path)
    return own is not None and getattr(own, "momentum", 0.1) is None


def _recurrence_notes(graph: KerasGraph, sums: Sequence[str]) -> Iterator[str]:
    """How the biases of recurrent layers are trained, and what makes these layers fast."""
    if sums:
        yield (
            f"{_some(sums)}: the sum of bias_ih and bias_hh, which moves half as far as PyTorch's two at the same "
            "learning rate. Once trained, state_dict gives it as bias_ih, and zeros as bias_hh."
        )
    if looping := find_recurrent_layers(graph.calls):
        yield (
            f"{_some(looping)}: step by step. On a CPU, TensorFlow is 2 to 8 times as fast with jit_compile=True: "
            "model.predict and fit do so by themselves, tf.function and a SavedModel only when told."
        )


def _bias_sums(graph: KerasGraph) -> Iterator[str]:
    """The biases of recurrent layers in which PyTorch's two are summed."""
    for call, attribute, weight in graph.weights():
        recipe = weight.constant.recipe
        if recipe and attribute.endswith("cell.bias") and recipe[0].op is torch.ops.aten.add.Tensor:
            yield f"{call.name}.{attribute}"


def _apart(graph: KerasGraph) -> Iterator[tuple[str, int]]:
    """Parameters of which an element stands in several Keras weights, and in how many."""
    held: dict[str, list[Weight]] = {}
    for _, _, weight in graph.weights():
        if weight.trainable and weight.constant.paths:
            held.setdefault(weight.constant.paths[0], []).append(weight)
    for name, weights in held.items():
        numbers = np.concatenate([weight.numbers().numpy().ravel() for weight in weights])
        if len(weights) > 1 and len(np.unique(numbers)) < len(numbers):
            yield name, len(weights)


def _some(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:3]) + (f" and {len(unique) - 3} more" if len(unique) > 3 else "")
