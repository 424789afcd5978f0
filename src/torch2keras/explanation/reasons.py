"""Why each argument of a Keras layer is what it is: one table, and the longer story of padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from torch2keras.keras_graph.graph import Call


@dataclass(frozen=True)
class Reason:
    """One argument of one Keras layer."""

    layer: str
    argument: str
    value: Any
    text: str


def _attribute(name: str) -> Callable[[nn.Module, Any], str]:
    return lambda layer, _: (
        f"{name}={getattr(layer, name)!r} of {type(layer).__name__}" if hasattr(layer, name) else ""
    )


def _filters(layer: nn.Module, value: Any) -> str:
    channels, groups = getattr(layer, "out_channels", value), getattr(layer, "groups", 1)
    return (
        f"out_channels={channels}"
        if channels == value
        else f"out_channels / groups = {channels} / {groups}: one layer a group"
    )


def _momentum(layer: nn.Module, _: Any) -> str:
    theirs = getattr(layer, "momentum", None)
    return f"1 - {theirs}: PyTorch weighs the new batch by momentum, Keras the old average; Keras's default is 0.99"


def _epsilon(_: nn.Module, value: Any) -> str:
    return f"eps of PyTorch; Keras's default is 1e-3, not {value}"


def _bias(_: nn.Module, value: Any) -> str:
    return (
        "PyTorch's layer has a bias"
        if value
        else "PyTorch's layer has none, or it is added once, elsewhere"
    )


def _depthwise(layer: nn.Module, value: Any) -> str:
    text = f"out_channels / in_channels = {value}: groups equals in_channels, so it is depthwise"
    frames = "; on frames, a layer for each place in depth: Keras's Conv3D of groups is slow on processors"
    return text + frames * isinstance(layer, nn.Conv3d)


TABLE: Mapping[str, Callable[[nn.Module, Any], str]] = {
    "filters": _filters,
    "kernel_size": _attribute("kernel_size"),
    "pool_size": _attribute("kernel_size"),
    "strides": _attribute("stride"),
    "dilation_rate": _attribute("dilation"),
    "groups": lambda layer, _: _attribute(
        "num_groups" if hasattr(layer, "num_groups") else "groups"
    )(layer, _),
    "units": lambda layer, _: _attribute(
        "hidden_size" if hasattr(layer, "hidden_size") else "out_features"
    )(layer, _),
    "return_sequences": lambda _, value: (
        "PyTorch gives every step; Keras's default is the last one" if value else ""
    ),
    "return_state": lambda _, value: (
        "the last states are read" if value else "nothing reads the last states"
    ),
    "reset_after": lambda _, value: (
        "PyTorch multiplies by the reset gate after the product with the state"
    ),
    "input_dim": _attribute("num_embeddings"),
    "output_dim": _attribute("embedding_dim"),
    "rate": _attribute("p"),
    "negative_slope": _attribute("negative_slope"),
    "momentum": _momentum,
    "epsilon": _epsilon,
    "use_bias": _bias,
    "center": lambda layer, value: (
        "beta is PyTorch's bias" if value else "PyTorch's layer has no bias"
    ),
    "scale": lambda layer, value: (
        "gamma is PyTorch's weight" if value else "PyTorch's layer has no weight"
    ),
    "axis": lambda layer, value: (
        f"stored dimension {value}: the one that PyTorch's layer works on, channels last"
    ),
    "depth_multiplier": _depthwise,
    "output_padding": lambda layer, value: (
        "0: without it Keras returns max(kernel, stride) - kernel elements more"
    ),
    "target_shape": lambda layer, value: "the same elements in order; -1 is the dynamic size",
    "cropping": lambda layer, value: (
        "PyTorch's padding shortens the result of a transposed convolution at both ends"
    ),
    "activation": lambda layer, value: f"the same function as {type(layer).__name__}",
}
"""Keras argument -> reason, given the PyTorch layer and the value."""


def reasons(layer: nn.Module, call: Call) -> list[Reason]:
    """A reason for each argument of one layer call."""
    kind = call.target.removeprefix("layers.")
    found = []
    for argument, value in call.config.items():
        reason = TABLE.get(argument)
        text = (
            padding(layer, kind, value)
            if argument == "padding"
            else reason(layer, value)
            if reason
            else ""
        )
        found.append(
            Reason(kind, argument, value, text or f"as {type(layer).__name__} computes it")
        )
    return found


def padding(layer: nn.Module, kind: str, value: Any) -> str:
    """Why this padding: the place where translations go wrong without an error."""
    if kind.startswith("ZeroPadding"):
        left = value[0] if isinstance(value, tuple) else value
        return f"PyTorch pads {left} zeros on the left at every length; {_not_same(layer)}"
    if value == "same":
        return "stride 1 and 2*padding = dilation*(kernel_size-1): Keras pads exactly so at every length"
    if value == "causal":
        return (
            "all padding is on the left: dilation*(kernel_size-1) elements, which is Keras's causal"
        )
    if "Transpose" in kind:
        return '"valid" gives the whole result, to be cropped; Keras\'s "same" crops other elements for many strides'
    if _first(getattr(layer, "padding", 0)):
        return '"valid": the padding stands in the layer before'
    return "PyTorch's default padding is 0"


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) and value else value


def _not_same(layer: nn.Module) -> str:
    """The first length at which Keras's "same" pads other elements."""
    numbers = [
        _first(getattr(layer, n, None)) for n in ("kernel_size", "stride", "padding", "dilation")
    ]
    kernel, stride, pad, dilation = [n if isinstance(n, int) else None for n in numbers]
    if kernel is None or stride is None or pad is None:
        return 'Keras\'s "same" depends on the length'
    reach = (dilation or 1) * (kernel - 1) + 1
    for length in range(reach + 1, reach + 64):
        total = max((-(-length // stride) - 1) * stride + reach - length, 0)
        if (total // 2, total - total // 2) != (pad, pad):
            return f'"same" would pad ({total // 2}, {total - total // 2}) at length {length}'
    return '"same" is equal here only by the choice of length'
