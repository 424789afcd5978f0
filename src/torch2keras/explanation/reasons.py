"""Why each argument of a Keras layer is what it is: one table, and the longer story of padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from torch2keras.keras_graph.graph import LayerSpec

Explain = Callable[[nn.Module, Any], str]
"""Returns the reason for an argument, given the PyTorch layer and the argument's value."""


LENGTHS_TRIED = 64
"""The lengths at which Keras's "same" is compared with a padding; one differs soon or none does."""


@dataclass(frozen=True)
class Reason:
    """Why one argument of one Keras layer has its value."""

    layer: str
    argument: str
    value: Any
    text: str


def give_reasons(layer: nn.Module, keras_layer: LayerSpec) -> list[Reason]:
    """Return a reason for each argument of the Keras layer that stands for a PyTorch layer."""
    reasons = []
    for argument, value in keras_layer.config.items():
        if argument == "padding":
            text = explain_padding(layer, keras_layer.cls, value)
        else:
            text = _explain_argument(layer, argument, value)
        reasons.append(Reason(keras_layer.cls, argument, value, text))
    return reasons


def _explain_argument(layer: nn.Module, argument: str, value: Any) -> str:
    text = ""
    if argument in TABLE:
        text = TABLE[argument](layer, value)
    return text or f"as {type(layer).__name__} computes it"


# The rows of the table that are more than a sentence.


def _is_attribute(*names: str) -> Explain:
    """Return the reason that the value is the first of these attributes that the layer has."""

    def explain(layer: nn.Module, _: Any) -> str:
        for name in names:
            if hasattr(layer, name):
                return f"{name}={getattr(layer, name)!r} of {type(layer).__name__}"
        return ""

    return explain


def _depends_on_value(if_true: str, if_false: str) -> Explain:
    """Return one of two sentences, by the truth of the value."""

    def explain(_: nn.Module, value: Any) -> str:
        if value:
            return if_true
        return if_false

    return explain


def _is_always(sentence: str) -> Explain:
    return lambda layer, value: sentence


def _explain_filters(layer: nn.Module, value: Any) -> str:
    channels, groups = getattr(layer, "out_channels", value), getattr(layer, "groups", 1)
    if channels == value:
        return f"out_channels={channels}"
    return f"out_channels / groups = {channels} / {groups}: one layer a group"


def _explain_momentum(layer: nn.Module, _: Any) -> str:
    momentum = getattr(layer, "momentum", None)
    return (
        f"1 - {momentum}: PyTorch weighs the new batch by momentum, Keras the old average; "
        "Keras's default is 0.99"
    )


def _explain_depth_multiplier(layer: nn.Module, value: Any) -> str:
    text = f"out_channels / in_channels = {value}: groups equals in_channels, so it is depthwise"
    if isinstance(layer, nn.Conv3d):
        text += (
            "; on frames, a layer for each place in depth: "
            "Keras's Conv3D of groups is slow on processors"
        )
    return text


def _explain_axis(_: nn.Module, value: Any) -> str:
    return f"stored dimension {value}: the one that PyTorch's layer works on, channels last"


def _explain_epsilon(_: nn.Module, value: Any) -> str:
    return f"eps of PyTorch; Keras's default is 1e-3, not {value}"


def _explain_activation(layer: nn.Module, _: Any) -> str:
    return f"the same function as {type(layer).__name__}"


TABLE: Mapping[str, Explain] = {
    "filters": _explain_filters,
    "kernel_size": _is_attribute("kernel_size"),
    "pool_size": _is_attribute("kernel_size"),
    "strides": _is_attribute("stride"),
    "dilation_rate": _is_attribute("dilation"),
    "groups": _is_attribute("num_groups", "groups"),
    "units": _is_attribute("hidden_size", "out_features"),
    "return_sequences": _depends_on_value(
        "PyTorch gives every step; Keras's default is the last one", ""
    ),
    "return_state": _depends_on_value("the last states are read", "nothing reads the last states"),
    "reset_after": _is_always(
        "PyTorch multiplies by the reset gate after the product with the state"
    ),
    "input_dim": _is_attribute("num_embeddings"),
    "output_dim": _is_attribute("embedding_dim"),
    "rate": _is_attribute("p"),
    "negative_slope": _is_attribute("negative_slope"),
    "momentum": _explain_momentum,
    "epsilon": _explain_epsilon,
    "use_bias": _depends_on_value(
        "PyTorch's layer has a bias",
        "PyTorch's layer has none, or it is added once, elsewhere",
    ),
    "center": _depends_on_value("beta is PyTorch's bias", "PyTorch's layer has no bias"),
    "scale": _depends_on_value("gamma is PyTorch's weight", "PyTorch's layer has no weight"),
    "axis": _explain_axis,
    "depth_multiplier": _explain_depth_multiplier,
    "output_padding": _is_always(
        "0: without it Keras returns max(kernel, stride) - kernel elements more"
    ),
    "target_shape": _is_always("the same elements in order; -1 is the dynamic size"),
    "cropping": _is_always(
        "PyTorch's padding shortens the result of a transposed convolution at both ends"
    ),
    "activation": _explain_activation,
}
"""Keras argument -> what gives its reason; an empty text stands for the usual one."""


# Padding: the place where translations go wrong without an error.


def explain_padding(layer: nn.Module, keras_class: str, value: Any) -> str:
    """Return why a Keras layer of this class has this padding."""
    if keras_class.startswith("ZeroPadding"):
        left = _first_number(value)
        return f"PyTorch pads {left} zeros on the left at every length; {_why_not_same(layer)}"
    if value == "same":
        return (
            "stride 1 and 2*padding = dilation*(kernel_size-1): "
            "Keras pads exactly so at every length"
        )
    if value == "causal":
        return (
            "all padding is on the left: dilation*(kernel_size-1) elements, which is Keras's causal"
        )
    if "Transpose" in keras_class:
        return (
            '"valid" gives the whole result, to be cropped; '
            'Keras\'s "same" crops other elements for many strides'
        )
    if _first_number(getattr(layer, "padding", 0)):
        return '"valid": the padding stands in the layer before'
    return "PyTorch's default padding is 0"


def _first_number(value: Any) -> Any:
    """Return the number of the first spatial dimension."""
    while isinstance(value, tuple | list) and value:
        value = value[0]
    return value


def _why_not_same(layer: nn.Module) -> str:
    """Return the first length at which Keras's "same" pads otherwise than the layer.

    At a length L "same" pads (ceil(L / stride) - 1) * stride + reach - L elements, the smaller half
    of them on the left; reach = dilation * (kernel - 1) + 1
    (https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2).
    """
    kernel, stride = _spatial_number(layer, "kernel_size"), _spatial_number(layer, "stride")
    pad, dilation = _spatial_number(layer, "padding"), _spatial_number(layer, "dilation") or 1
    if kernel is None or stride is None or pad is None:
        return 'Keras\'s "same" depends on the length'
    reach = dilation * (kernel - 1) + 1
    for length in range(reach + 1, reach + LENGTHS_TRIED):
        steps = -(-length // stride)
        total = max((steps - 1) * stride + reach - length, 0)
        left, right = total // 2, total - total // 2
        if (left, right) != (pad, pad):
            return f'"same" would pad ({left}, {right}) at length {length}'
    return '"same" is equal here only by the choice of length'


def _spatial_number(layer: nn.Module, attribute: str) -> int | None:
    """Return an attribute of a layer in its first spatial dimension; None where it is no number."""
    number = _first_number(getattr(layer, attribute, None))
    if isinstance(number, int):
        return number
    return None
