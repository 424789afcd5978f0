"""How each weight of a Keras layer is made of PyTorch's tensors, in NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from torch2keras.graph.ir import Constant
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.keras_graph.source_code import weight_text

KERNEL_AXES = {
    "Depthwise": "(channels*m, 1, *k) -> (*k, channels, m)",
    "Transpose": "(in, out, *k) -> (*k, out, in)",
    "Conv": "(out, in/groups, *k) -> (*k, in/groups, out)",
    "Dense": "(out, in) -> (in, out)",
}
"""Part of a layer's name -> what the axes of its kernel become; the first that fits holds."""


UNCHANGED = "as it is"


@dataclass(frozen=True)
class WeightCopy:
    """How one Keras weight is made of the PyTorch tensor."""

    keras: str
    torch: str
    expression: str
    """A NumPy expression of `state`, the module's state_dict."""
    shape: tuple[int, ...]
    axes: str
    """What each axis of the PyTorch tensor becomes."""


def copy_weights(graph: KerasGraph) -> Iterator[WeightCopy]:
    """Yield how each weight of the graph's layers is made."""
    for call, attribute, weight in graph.weights():
        constant, keras_class = weight.constant, call.layer.cls
        if constant.paths:
            name = constant.paths[0]
            source = f'state["{name}"]'
        else:
            name = source = _formula_text(constant)
        yield WeightCopy(
            keras=f"{keras_class}.{attribute}",
            torch=name,
            expression=weight_text(weight, source),
            shape=weight.shape,
            axes=_axes_text(keras_class, attribute),
        )


def _axes_text(keras_class: str, attribute: str) -> str:
    if attribute == "kernel":
        for part, axes in KERNEL_AXES.items():
            if part in keras_class:
                return axes
    return UNCHANGED


def _formula_text(constant: Constant) -> str:
    """Return how a weight is computed: of two biases in NumPy, of anything else by name."""
    names = [f'state["{name}"]' for name in constant.folded_from]
    if constant.recipe is not None and len(names) == 2:
        node, _ = constant.recipe
        if node.op is torch.ops.aten.add.Tensor:
            return f"({' + '.join(names)})"
        if node.op is torch.ops.aten.stack.default:
            return f"np.stack([{', '.join(names)}])"
    return f"folded({', '.join(constant.folded_from)})"
