"""Activations: a layer where stock Keras has one that is the same function, else its formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from torch2keras.declarations.registry import lowering, pointwise
from torch2keras.errors import LoweringError
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import call, layers, ops
from torch2keras.workarounds import float64_formulas

aten = torch.ops.aten


def activation(name: str) -> Callable[[Any], Any]:
    """The layer `Activation(name)`, made at each call: a layer with a name of its own stands for one module."""
    return lambda x: layers.Activation(activation=name)(x)


def relu(x: Any) -> Any:
    """A `ReLU` layer; layers compute with floats, so integers take the op."""
    return layers.ReLU()(x) if "float" in x.dtype else ops.relu(x)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """`LeakyReLU`; in float64 its formula, since TensorFlow rounds the slope to float32."""
    if x.dtype == "float64":
        return float64_formulas.leaky_relu(ops, x, negative_slope)
    return layers.LeakyReLU(negative_slope=negative_slope)(x)


def gelu(x: Any, approximate: str = "none") -> Any:
    """`Activation("gelu")`, in float64 its formula; stock Keras has no layer of the approximation by tanh."""
    if x.dtype == "float64":
        return float64_formulas.gelu(ops, x, approximate)
    return (
        ops.gelu(x, approximate=True)
        if approximate == "tanh"
        else layers.Activation(activation="gelu")(x)
    )


def elu(x: Any, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Any:
    """`ELU`; with the other scales their formula."""
    if scale == 1 and input_scale == 1:
        return layers.ELU(alpha=alpha)(x)
    below = alpha * ops.expm1(ops.minimum(x, 0.0) * input_scale)
    return scale * ops.where(ops.greater(x, 0), x, below)


def softplus(x: Any, beta: float = 1, threshold: float = 20) -> Any:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold."""
    if beta == 1 and threshold >= 20:
        return layers.Activation(activation="softplus")(x)
    return ops.where(ops.greater(x * beta, threshold), x, ops.softplus(x * beta) / beta)


def hardtanh(x: Any, min_val: float = -1, max_val: float = 1) -> Any:
    """Clipped to [min_val, max_val]; a `ReLU` layer where that begins at zero."""
    if min_val == 0 and "float" in x.dtype:
        return layers.ReLU(max_value=float(max_val))(x)
    return ops.clip(x, min_val, max_val)


def softshrink(x: Any, lambd: float = 0.5) -> Any:
    """Nearer to zero by `lambd`, at most to zero."""
    return x - ops.clip(x, -lambd, lambd)


def rrelu(x: Any, lower: float = 0.125, upper: float = 1 / 3, training: bool = False) -> Any:
    """In eval mode a leaky ReLU of the mean slope. Raises LoweringError where it is random."""
    if training:
        raise LoweringError(
            "rrelu with random slopes has no stock layer", [("next", "call it with training=False")]
        )
    return leaky_relu(x, (lower + upper) / 2)


pointwise(
    {
        aten.relu.default: relu,
        aten.relu6.default: lambda x: hardtanh(x, 0, 6),
        aten.leaky_relu.default: leaky_relu,
        aten.rrelu.default: rrelu,
        aten.elu.default: elu,
        aten.celu.default: lambda x, alpha=1.0: (
            activation("celu")(x) if alpha == 1 else ops.celu(x, alpha)
        ),
        aten.selu.default: activation("selu"),
        aten.gelu.default: gelu,
        aten.silu.default: activation("silu"),
        aten.mish.default: activation("mish"),
        aten.softplus.default: softplus,
        aten.softshrink.default: softshrink,
        aten.hardshrink.default: lambda x, lambd=0.5: ops.where(
            ops.less_equal(ops.abs(x), lambd), 0.0, x
        ),
        aten.hardtanh.default: hardtanh,
        aten.hardsigmoid.default: activation("hard_sigmoid"),
        aten.hardswish.default: activation("hard_silu"),
        aten.log_sigmoid.default: activation("log_sigmoid"),
        aten.threshold.default: lambda x, threshold, value: ops.where(
            ops.less_equal(x, threshold), value, x
        ),
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
    if slopes.shape in ((), (1,)) or rank < 2:
        return "..., 1 -> ..." if slopes.rank else "..., -> ..."
    rest = "".join(f" d{i}" for i in range(2, rank))
    return f"n c{rest}, c -> n c{rest}"


@lowering(aten.prelu.default, axes=prelu_axes)
def prelu(x, weight, *, c=None):
    """`PReLU`, its slopes shared along all dimensions but that of the channels; a layer has no slopes for the batch."""
    shape = tuple(size if d == c else 1 for d, size in enumerate(x.shape))
    if not isinstance(weight, Weight):
        return ops.where(ops.greater(x, 0), x, x * ops.reshape(weight, shape))
    if c == 0 or not x.ndim:
        return ops.where(ops.greater(x, 0), x, x * weight.reshape(*shape))
    return call(
        layers.PReLU(shared_axes=[d for d in range(1, x.ndim) if d != c]),
        x,
        alpha=weight.reshape(*shape[1:]),
    )
