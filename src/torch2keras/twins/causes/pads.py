"""What layers have in front of their input and behind it, as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch2keras.twins.atoms import Atom
from torch2keras.twins.steps import LayerGraph, LayerStep
from torch2keras.twins.walk import is_zero_padding

Pads = list[tuple[int, int]]
"""How much stands in front and behind, for each dimension between the batch and the channels."""


def find_pads(graph: LayerGraph, atom: Atom, sizes: Sequence[int]) -> Pads:
    """Return how many zeros a convolution has in front and behind.

    `sizes` are those of the value without the zeros of padding layers.
    """
    layer = atom.layer
    kernel = as_list(layer.kernel_size)
    pads: Pads = [(0, 0)] * len(kernel)
    made = graph.made
    step = made.get(atom.enters) if atom.enters is not None else None
    while step is not None and is_zero_padding(step):
        pads = add_pads(pads, read_pads(step, len(kernel)))
        step = made.get(step.inputs[0])
    spans = []
    for size, rate in zip(kernel, as_list(layer.dilation_rate), strict=True):
        spans.append((size - 1) * rate + 1)
    if layer.padding == "causal":
        return add_pads(pads, [(span - 1, 0) for span in spans])
    if layer.padding == "same":
        lengths = [size + sum(pad) for size, pad in zip(sizes, pads, strict=False)]
        return add_pads(pads, same_pads(lengths, spans, as_list(layer.strides)))
    return pads


def same_pads(sizes: Sequence[int], windows: Sequence[int], strides: Sequence[int]) -> Pads:
    """Return what padding="same" puts around: the odd one behind.

    The formula is TensorFlow's, https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2.
    """
    found: Pads = []
    for size, window, stride in zip(sizes, windows, strides, strict=True):
        total = max((math.ceil(size / stride) - 1) * stride + window - size, 0)
        found.append((total // 2, total - total // 2))
    return found


def add_pads(one: Pads, two: Pads) -> Pads:
    """Return two paddings around each other as one."""
    return [(a + c, b + d) for (a, b), (c, d) in zip(one, two, strict=True)]


def read_pads(step: LayerStep, dims: int) -> Pads:
    """Return what a padding step puts around each dimension between batch and channels."""
    if step.kind == "Pad":
        widths = list(step.operation.pad_width)[1 : 1 + dims]
    elif step.kind == "ZeroPadding1D":
        widths = [step.operation.padding]
    else:
        widths = list(step.operation.padding)
    pads: Pads = []
    for front, behind in widths:
        pads.append((int(front), int(behind)))
    return pads


def as_list(value: Any) -> list[int]:
    """Return a setting for each dimension."""
    if isinstance(value, int):
        return [value]
    return list(map(int, value))


def say_short(values: Sequence[int]) -> str:
    """Return a setting as one number where it is the same for each dimension."""
    return str(values[0]) if len(set(values)) == 1 else str(tuple(values))


def say_pads(pads: Pads) -> str:
    """Return paddings in words, as "1 and 2"."""
    texts = dict.fromkeys(f"{front} and {behind}" for front, behind in pads)
    return "; ".join(texts)
