"""Matrix products: linear, matmul, bmm, addmm, bilinear, einsum."""

from __future__ import annotations

import torch

from torch2keras.keras_graph import Weight
from torch2keras.recorder import call, layers, ops
from torch2keras.registry import lowering

aten = torch.ops.aten


@lowering(aten.linear.default, torch="... i, o i, o -> ... o", keras="... i, i o, o -> ... o")
def linear(x, weight, bias=None):
    """`Dense`."""
    if not isinstance(weight, Weight) or not (bias is None or isinstance(bias, Weight)):
        y = ops.matmul(x, weight)
        return y if bias is None else y + bias
    return call(layers.Dense(units=weight.shape[1], use_bias=bias is not None), x, kernel=weight, bias=bias)
