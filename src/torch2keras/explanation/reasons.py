"""Why each argument of a Keras layer is what it is: one table, and the longer story of padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from torch2keras.keras_graph.graph import LayerSpec
from torch2keras.keras_graph.source.lines import simplify_argument

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
        shown = simplify_argument(argument, value)
        reasons.append(Reason(keras_layer.cls, argument, shown, text))
    return reasons


def _explain_argument(layer: nn.Module, argument: str, value: Any) -> str:
    text = ""
    if argument in TABLE:
        text = TABLE[argument](layer, value)
    return text or f"as {type(layer).__name__} computes it"


# The rows of the table that are more than a sentence.


def _is_attribute(*names: str) -> Explain:
    """Return the reason that the value is that of the first attribute of the layer that has it."""

    def explain(layer: nn.Module, value: Any) -> str:
        for name in names:
            if _is_same_number(getattr(layer, name, None), value):
                return f"{name}={getattr(layer, name)!r} of {type(layer).__name__}"
        return ""

    return explain


def _is_same_number(option: Any, value: Any) -> bool:
    """Return whether an option is the number for each dimension that a Keras layer has.

    A layer for the frames of a volume has the last of its dimensions.
    """
    given, wanted = _list_numbers(option), _list_numbers(value)
    if len(given) == 1:
        given = given * len(wanted)
    return bool(wanted) and given[-len(wanted) :] == wanted


def _list_numbers(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, tuple | list) else [value]


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


def _explain_key_dim(layer: nn.Module, _: Any) -> str:
    width, heads = getattr(layer, "embed_dim", None), getattr(layer, "num_heads", None)
    return f"embed_dim / num_heads = {width} / {heads}" if width and heads else ""


def _explain_groups(layer: nn.Module, value: Any) -> str:
    if getattr(layer, "num_features", None) == value:
        return f"num_features={value} of {type(layer).__name__}: each channel is normalized alone"
    reason = _is_attribute("num_groups", "groups")(layer, value)
    if reason and hasattr(layer, "kernel_size"):
        return f"{reason}; of few and large groups convert makes a layer each, faster on a CPU"
    return reason


def _explain_slope(layer: nn.Module, value: Any) -> str:
    if isinstance(layer, nn.RReLU):
        return f"the mean of lower={layer.lower} and upper={layer.upper}, as in eval mode"
    return _is_attribute("negative_slope")(layer, value)


def _explain_window(layer: nn.Module, value: Any) -> str:
    """Return where the window or step of a pooling comes from."""
    if hasattr(layer, "output_size"):
        return f"the length by output_size={layer.output_size!r}: windows of one size, in a row"
    return _is_attribute("kernel_size", "size")(layer, value)


def _explain_strides(layer: nn.Module, value: Any) -> str:
    if hasattr(layer, "output_size"):
        return _explain_window(layer, value)
    return _is_attribute("stride", "scale_factor")(layer, value)


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


def _explain_epsilon(_: nn.Module, __: Any) -> str:
    return "eps of PyTorch; Keras's default is 1e-3"


def _explain_activation(layer: nn.Module, _: Any) -> str:
    has_parts = any(True for _ in layer.children())
    return "" if has_parts else f"the same function as {type(layer).__name__}"


TABLE: Mapping[str, Explain] = {
    "filters": _explain_filters,
    "kernel_size": _is_attribute("kernel_size"),
    "pool_size": _explain_window,
    "strides": _explain_strides,
    "dilation_rate": _is_attribute("dilation"),
    "groups": _explain_groups,
    "units": _is_attribute("hidden_size", "out_features", "embed_dim"),
    "return_sequences": _depends_on_value(
        "PyTorch gives every step; Keras's default is the last one", ""
    ),
    "return_state": _depends_on_value("the last states are read", "nothing reads the last states"),
    "reset_after": _is_always(
        "PyTorch multiplies by the reset gate after the product with the state"
    ),
    "input_dim": _is_attribute("num_embeddings"),
    "output_dim": _is_attribute("embedding_dim"),
    "rate": _is_attribute("p", "dropout"),
    "negative_slope": _explain_slope,
    "alpha": _is_attribute("alpha"),
    "size": _is_attribute("scale_factor", "size"),
    "num_heads": _is_attribute("num_heads"),
    "key_dim": _explain_key_dim,
    "dropout": _is_attribute("dropout"),
    "keepdims": _depends_on_value("PyTorch keeps what it pools as dimensions of size 1", ""),
    "shared_axes": _is_always("the dimensions along which all places have one slope"),
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
        return f"{_say_zeros(value)}, whatever the length; {_why_not_same(layer, value)}"
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
    padding = getattr(layer, "padding", None)
    if padding is None:
        return "nothing is padded"
    if padding != "valid" and any(_list_numbers(padding)):
        return "the padding stands in the call before"
    return f"padding={padding!r} of {type(layer).__name__}"


def _say_zeros(value: Any) -> str:
    """Return how many zeros a padding adds, where that is one number for all ends."""
    numbers: set[int] = set().union(*_list_pairs(value))
    if len(numbers) == 1:
        count = numbers.pop()
        return f"PyTorch pads {count} {'zero' if count == 1 else 'zeros'} at each end"
    return "PyTorch pads so many zeros before and behind"


def _list_pairs(value: Any) -> list[tuple[int, int]]:
    """Return the zeros before and behind each dimension."""
    items = _list_numbers(value)
    if all(isinstance(item, int) for item in items):
        return [(items[0], items[-1])]
    return [tuple(item) for item in items]


def _why_not_same(layer: nn.Module, value: Any) -> str:
    """Return the first length at which Keras's "same" pads otherwise than the layer.

    At a length L "same" pads (ceil(L / stride) - 1) * stride + reach - L elements, the smaller half
    of them on the left; reach = dilation * (kernel - 1) + 1
    (https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2).
    """
    for dim, pair in enumerate(_list_pairs(value)):
        kernel, stride = _dim_number(layer, "kernel_size", dim), _dim_number(layer, "stride", dim)
        if kernel is None or stride is None:
            return 'Keras\'s "same" depends on the length'
        reach = (_dim_number(layer, "dilation", dim) or 1) * (kernel - 1) + 1
        for length in range(reach + 1, reach + LENGTHS_TRIED):
            steps = -(-length // stride)
            total = max((steps - 1) * stride + reach - length, 0)
            same = (total // 2, total - total // 2)
            if same != pair:
                return f'"same" would pad {same} at length {length}'
    return '"same" would pad so too'


def _dim_number(layer: nn.Module, attribute: str, dim: int) -> int | None:
    """Return an option of a layer in a spatial dimension; None where it is no number."""
    numbers = _list_numbers(getattr(layer, attribute, None))
    if len(numbers) == 1:
        numbers = numbers * (dim + 1)
    number = numbers[dim] if dim < len(numbers) else None
    return number if isinstance(number, int) else None
