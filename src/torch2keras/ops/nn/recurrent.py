"""Recurrence: LSTM, GRU and plain RNN layers, in one direction or both, of packed sequences too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from torch2keras.custom_ops.packed_sequences import PACKED_ADVICE
from torch2keras.custom_ops.recurrent import STATE_COUNTS, recurrent
from torch2keras.declarations.registry import Refusal, lowering, registry
from torch2keras.errors import LoweringError
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import as_tensor, call, layers
from torch2keras.workarounds.bfloat16_orthogonal import choose_initializer

aten = torch.ops.aten


@dataclass(frozen=True)
class Kind:
    """How Keras has one of PyTorch's recurrent layers."""

    layer: str
    gates: tuple[int, ...]
    """Keras's order of the gates, by their numbers in PyTorch."""
    config: Mapping[str, Any] = field(default_factory=dict)


KINDS = {
    "lstm": Kind("LSTM", (0, 1, 2, 3)),
    "gru": Kind("GRU", (1, 0, 2), {"reset_after": True}),
    "rnn_tanh": Kind("SimpleRNN", (0,)),
    "rnn_relu": Kind("SimpleRNN", (0,), {"activation": "relu"}),
}

CELLS = {1: ("cell",), 2: ("forward_layer.cell", "backward_layer.cell")}
"""The attributes that hold the weights of each direction, by the number of directions."""


def recurrent_torch(args: Mapping[str, Any]) -> str:
    """The gates stand one after the other, so their order matters."""
    return f"n t' c, n h', g' c, g' h', {bias_axes(args)}, n t' -> {result_axes(args)}"


def recurrent_keras(args: Mapping[str, Any]) -> str:
    """Kernels of (inputs, gates)."""
    return f"n t' c, n h', c g', h' g', {bias_axes(args)}, n t' -> {result_axes(args)}"


def bias_axes(args: Mapping[str, Any]) -> str:
    """One row of biases; a GRU has two."""
    if args["kind"] == "gru":
        return "r' g'"
    return "g'"


def result_axes(args: Mapping[str, Any]) -> str:
    """The sequence and the last states."""
    states = STATE_COUNTS[args["kind"]] * len(args["kernels"])
    return ", ".join(["n t' d'", *["n h'"] * states])


@lowering(recurrent.default, torch=recurrent_torch, keras=recurrent_keras)
def recurrent_layer(x, states, kernels, recurrent_kernels, biases, mask, kind, *, context):
    """`LSTM`, `GRU` or `SimpleRNN`, in both directions within `Bidirectional`; masked if packed."""
    reads_sequence, *reads_states = context.used
    keras = KINDS[kind]
    layer = getattr(layers, keras.layer)(
        units=recurrent_kernels[0].shape[0], **keras.config, **configure_mask(mask),
        **choose_initializer(recurrent_kernels[0].dtype),
        return_sequences=reads_sequence, return_state=any(reads_states), use_bias=bool(biases),
    )  # fmt: skip
    if len(kernels) > 1:
        layer = layers.Bidirectional(layer=layer)
    tensors = {"kernel": kernels, "recurrent_kernel": recurrent_kernels, "bias": biases}
    weights = name_cell_weights(tensors, keras.gates)
    initial_states = [list(states)] if states else []
    y = call(layer, x, *initial_states, **pass_mask(mask), **weights)
    sequence, *last = y if any(reads_states) else (y, *[None] * len(reads_states))
    return sequence if reads_sequence else None, *last


def configure_mask(mask: Operand | None) -> dict[str, Any]:
    """What the layer gives beyond the end of a packed sequence: zeros."""
    if mask is None:
        return {}
    return {"zero_output_for_mask": True}


def pass_mask(mask: Operand | None) -> dict[str, Operand]:
    """The mask of packed sequences by its name, as a value."""
    if mask is None:
        return {}
    return {"mask": as_tensor(mask)}


def name_cell_weights(
    tensors: Mapping[str, Sequence[Operand]], gates: tuple[int, ...]
) -> dict[str, Operand]:
    """The weights of each direction by the names of the layer's attributes."""
    cells = CELLS[len(tensors["kernel"])]
    weights = {}
    for name, directions in tensors.items():
        for cell, weight in zip(cells, directions, strict=False):
            weights[f"{cell}.{name}"] = order_gates(weight, gates)
    return weights


def order_gates(weight: Operand, gates: tuple[int, ...]) -> Operand:
    """A weight whose last dimension has the gates in Keras's order.

    Raises LoweringError where the model computes it.
    """
    if not weight.is_constant:
        raise LoweringError(
            "the weights of this recurrent layer are computed by the model, "
            "and a Keras layer holds its weights",
            [("next", "run the steps in a loop of your own, with the cell's arithmetic")],
        )
    *rows, units = weight.shape
    split = weight.reshape(*rows, len(gates), units // len(gates))
    return split.take(len(rows), gates).reshape(*weight.shape)


PROJECTED = Refusal(
    "Keras's LSTM has no projections (proj_size)", "use one without, and a Linear layer behind it"
)

ONLY_MODULES = "only modules are kept whole, at any length"

PACKED = Refusal("only layers of PyTorch's take packed sequences", PACKED_ADVICE)

UNREAD = Refusal(
    "packed sequences are kept for nn.LSTM, nn.GRU and nn.RNN, and the module has none of them",
    "work on the padded tensor, with the mask torch.arange(x.shape[1]) < lengths.unsqueeze(1)",
)


def _advise_module(name: str) -> Refusal:
    """Return the refusal of a recurrent function that a module also is."""
    return Refusal(ONLY_MODULES, f"use torch.nn.{name} in place of the function")


registry.refused |= {
    aten.lstm.input: PROJECTED,
    aten.gru.input: _advise_module("GRU"),
    aten.rnn_tanh.input: _advise_module("RNN"),
    aten.rnn_relu.input: _advise_module("RNN"),
    aten.lstm.data: PACKED,
    aten.gru.data: PACKED,
    aten.rnn_tanh.data: PACKED,
    aten.rnn_relu.data: PACKED,
    aten._pack_padded_sequence.default: UNREAD,
    aten._pad_packed_sequence.default: UNREAD,
}
