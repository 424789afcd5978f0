"""Activations: a layer where stock Keras has one that is the same function, else its formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from torch2keras.declarations.registry import lowering, pointwise
from torch2keras.errors import LoweringError
from torch2keras.lower.recorder import call, layers, ops
from torch2keras.workarounds import float64_formulas

aten = torch.ops.aten


def activation(name: str) -> Callable[[Any], Any]:
    """Return a function that applies the layer `Activation(name)`, a new one at each call.

    Keras names a layer once, and each call is to have the name of its module.
    """
    return lambda x: layers.Activation(activation=name)(x)


def relu(x: Any) -> Any:
    """A `ReLU` layer; layers compute with floats, so integers take `keras.ops.relu`."""
    return layers.ReLU()(x) if x.is_float else ops.relu(x)


def relu6(x: Any) -> Any:
    """A `ReLU` layer with the maximum 6."""
    return hardtanh(x, 0, 6)


def leaky_relu_layer(x: Any, negative_slope: float = 0.01) -> Any:
    """`LeakyReLU`; in float64 its formula, since TensorFlow rounds the slope to float32."""
    if x.dtype == "float64":
        return float64_formulas.exact_leaky_relu(ops, x, negative_slope)
    return layers.LeakyReLU(negative_slope=negative_slope)(x)


def gelu_layer(x: Any, approximate: str = "none") -> Any:
    """`Activation("gelu")`, in float64 its formula; approximated by tanh `keras.ops.gelu`."""
    if x.dtype == "float64":
        return float64_formulas.exact_gelu(ops, x, approximate)
    if approximate == "tanh":
        return ops.gelu(x, approximate=True)
    return layers.Activation(activation="gelu")(x)


def elu(x: Any, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Any:
    """The layer `ELU`; with the other scales their formula."""
    if scale == 1 and input_scale == 1:
        return layers.ELU(alpha=alpha)(x)
    below = alpha * ops.expm1(ops.minimum(x, 0.0) * input_scale)
    return scale * ops.where(ops.greater(x, 0), x, below)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """`Activation("celu")`; with another alpha `keras.ops.celu`."""
    if alpha == 1:
        return layers.Activation(activation="celu")(x)
    return ops.celu(x, alpha)


def softplus(x: Any, beta: float = 1, threshold: float = 20) -> Any:
    """The logarithm of 1 + exp(beta x) over beta; x itself where beta x is above the threshold."""
    if beta == 1 and threshold >= 20:
        return layers.Activation(activation="softplus")(x)
    return ops.where(ops.greater(x * beta, threshold), x, ops.softplus(x * beta) / beta)


def hardtanh(x: Any, min_val: float = -1, max_val: float = 1) -> Any:
    """Clipped to [min_val, max_val]; a `ReLU` layer where that begins at zero."""
    if min_val == 0 and x.is_float:
        return layers.ReLU(max_value=float(max_val))(x)
    return ops.clip(x, min_val, max_val)


def softshrink(x: Any, lambd: float = 0.5) -> Any:
    """Nearer to zero by `lambd`, at most to zero."""
    return x - ops.clip(x, -lambd, lambd)


def hardshrink(x: Any, lambd: float = 0.5) -> Any:
    """Zero where the size of x is at most `lambd`, else x."""
    return ops.where(ops.less_equal(ops.abs(x), lambd), 0.0, x)


def threshold(x: Any, threshold: float, value: float) -> Any:
    """The value where x is at most the threshold, else x."""
    return ops.where(ops.less_equal(x, threshold), value, x)


def rrelu(x: Any, lower: float = 0.125, upper: float = 1 / 3, training: bool = False) -> Any:
    """In eval mode a leaky ReLU of the mean slope. Raises LoweringError where it is random."""
    if training:
        raise LoweringError(
            "rrelu with random slopes has no stock layer", [("next", "call it with training=False")]
        )
    return leaky_relu_layer(x, (lower + upper) / 2)


pointwise(
    {
        aten.relu.default: relu,
        aten.relu6.default: relu6,
        aten.leaky_relu.default: leaky_relu_layer,
        aten.rrelu.default: rrelu,
        aten.elu.default: elu,
        aten.celu.default: celu,
        aten.selu.default: activation("selu"),
        aten.gelu.default: gelu_layer,
        aten.silu.default: activation("silu"),
        aten.mish.default: activation("mish"),
        aten.softplus.default: softplus,
        aten.softshrink.default: softshrink,
        aten.hardshrink.default: hardshrink,
        aten.hardtanh.default: hardtanh,
        aten.hardsigmoid.default: activation("hard_sigmoid"),
        aten.hardswish.default: activation("hard_silu"),
        aten.log_sigmoid.default: activation("log_sigmoid"),
        aten.threshold.default: threshold,
        aten.sigmoid.default: activation("sigmoid"),
        aten.tanh.default: activation("tanh"),
    }
)


@lowering(aten.glu.default, axes="... [dim'] -> ... [dim']")
def glu(x, dim=-1):
    """`keras.ops.glu`; along a dynamic dimension, of which it asks the size, its formula."""
    if x.shape[dim] is not None:
        return ops.glu(x, axis=dim)
    value, gate = ops.split(x, 2, axis=dim)
    return value * ops.sigmoid(gate)


def prelu_axes(args: Mapping[str, Any]) -> str:
    """One slope for all, or one for each entry of dimension 1."""
    rank, slopes = args["self"].type.rank, args["weight"].type
    if slopes.rank == 0:
        return "..., -> ..."
    if slopes.shape == (1,) or rank < 2:
        return "..., 1 -> ..."
    rest = " ".join(f"d{i}" for i in range(2, rank))
    return f"n c {rest}, c -> n c {rest}"


@lowering(aten.prelu.default, axes=prelu_axes)
def prelu(x, weight, *, c=None):
    """`PReLU`, its slopes shared along all dimensions but that of the channels.

    A layer has no slopes for the batch.
    """
    shape = [1] * x.ndim
    if c is not None:
        shape[c] = x.shape[c]
    if not weight.is_constant or c == 0 or not x.ndim:
        return ops.where(ops.greater(x, 0), x, x * weight.reshape(*shape))
    shared_axes = [d for d in range(1, x.ndim) if d != c]
    return call(layers.PReLU(shared_axes=shared_axes), x, alpha=weight.reshape(*shape[1:]))
