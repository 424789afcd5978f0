"""Recurrence: LSTM, GRU and plain RNN layers, in one direction or both; packed sequences are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.custom_ops.recurrent import PACKED_ADVICE, STATE_COUNTS, recurrent
from torch2keras.declarations.registry import lowering, registry
from torch2keras.errors import LoweringError
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import call, layers

aten = torch.ops.aten


# Keras's layer, its arguments, and the order of PyTorch's gates in it
LAYERS: Mapping[str, tuple[str, Mapping[str, Any], tuple[int, ...]]] = {
    "lstm": ("LSTM", {}, (0, 1, 2, 3)),
    "gru": ("GRU", {"reset_after": True}, (1, 0, 2)),
    "rnn_tanh": ("SimpleRNN", {}, (0,)),
    "rnn_relu": ("SimpleRNN", {"activation": "relu"}, (0,)),
}


CELLS = {1: ("cell",), 2: ("forward_layer.cell", "backward_layer.cell")}


def results(args: Mapping[str, Any]) -> str:
    """The sequence and the last states."""
    return ", ".join(["n t' d'", *["n h'"] * (STATE_COUNTS[args["kind"]] * len(args["kernels"]))])


def torch_axes(args: Mapping[str, Any]) -> str:
    """The gates stand one after the other, so their order matters; a GRU has two rows of biases."""
    return f"n t' c, n h', g' c, g' h', {'r' + chr(39) + ' ' if args['kind'] == 'gru' else ''}g' -> {results(args)}"


def keras_axes(args: Mapping[str, Any]) -> str:
    """Kernels of (inputs, gates)."""
    return f"n t' c, n h', c g', h' g', {'r' + chr(39) + ' ' if args['kind'] == 'gru' else ''}g' -> {results(args)}"


@lowering(recurrent.default, torch=torch_axes, keras=keras_axes)
def recurrent_layer(x, states, kernels, recurrent_kernels, biases, kind, *, context):
    """`LSTM`, `GRU` or `SimpleRNN`, in both directions within `Bidirectional`."""
    cls, config, gates = LAYERS[kind]
    tensors = {"kernel": kernels, "recurrent_kernel": recurrent_kernels, "bias": biases}
    weights = {
        f"{cell}.{name}": ordered(weight, gates)
        for name, of in tensors.items()
        for cell, weight in zip(CELLS[len(kernels)], of, strict=False)
    }
    shown = {
        "return_sequences": context.used[0],
        "return_state": any(context.used[1:]),
        "use_bias": bool(biases),
    }
    layer = getattr(layers, cls)(units=recurrent_kernels[0].shape[0], **config, **shown)
    layer = layer if len(kernels) == 1 else layers.Bidirectional(layer=layer)
    y = call(layer, x, *([list(states)] if states else []), **weights)
    y, *last = y if any(context.used[1:]) else (y,)
    return (y if context.used[0] else None, *(last or [None] * len(context.used[1:])))


def ordered(weight: Any, gates: tuple[int, ...]) -> Weight:
    """A weight whose last dimension has the gates in Keras's order. Raises LoweringError for one that is computed."""
    if not isinstance(weight, Weight):
        raise LoweringError(
            "the weights of this recurrent layer are computed by the model, and a Keras layer holds its weights",
            [("next", "run the steps in a loop of your own, with the cell's arithmetic")],
        )
    split = weight.reshape(*weight.shape[:-1], len(gates), weight.shape[-1] // len(gates))
    return split.take(weight.ndim - 1, gates).reshape(*weight.shape)


PROJECTED = (
    "Keras's LSTM has no projections (proj_size); use one without, and a Linear layer behind it"
)


AS_MODULE = "only modules are kept whole, at any length; use torch.nn.{} in place of the function"


registry.refused |= {
    aten.lstm.input: PROJECTED,
    aten.gru.input: AS_MODULE.format("GRU"),
    **dict.fromkeys((aten.rnn_tanh.input, aten.rnn_relu.input), AS_MODULE.format("RNN")),
    **dict.fromkeys(
        (aten.lstm.data, aten.gru.data, aten.rnn_tanh.data, aten.rnn_relu.data), PACKED_ADVICE
    ),
    **dict.fromkeys(
        (aten._pack_padded_sequence.default, aten._pad_packed_sequence.default), PACKED_ADVICE
    ),
}
