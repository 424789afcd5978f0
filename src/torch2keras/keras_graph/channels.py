"""The number of channels of values, as far as Keras knows it too when the model is built.

The code may ask for it: `if x.shape[-1] != filters`. Only what follows from the layers' own
configurations is taken for known, so that the answer is the same in each model that is built.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch2keras.keras_graph.graph import Call, KerasGraph, Ref

MADE = {
    "layers.Conv1D": "filters",
    "layers.Conv2D": "filters",
    "layers.Conv3D": "filters",
    "layers.Conv1DTranspose": "filters",
    "layers.Conv2DTranspose": "filters",
    "layers.Conv3DTranspose": "filters",
    "layers.Dense": "units",
    "layers.Embedding": "output_dim",
}
"""The layers that make a number of channels, and the argument that tells it."""

KEPT = frozenset(
    [
        "layers.Activation",
        "layers.BatchNormalization",
        "layers.Dropout",
        "layers.ELU",
        "layers.GroupNormalization",
        "layers.LayerNormalization",
        "layers.LeakyReLU",
        "layers.ReLU",
        *(f"layers.ZeroPadding{rank}D" for rank in (1, 2, 3)),
        *(f"layers.MaxPooling{rank}D" for rank in (1, 2, 3)),
        *(f"layers.AveragePooling{rank}D" for rank in (1, 2, 3)),
        *(f"layers.GlobalAveragePooling{rank}D" for rank in (1, 2, 3)),
    ]
)
"""The layers whose result has as many channels as what they read."""

JOINED = frozenset(["ops.add", "ops.multiply", "ops.subtract"])
"""The ops whose result has the channels of what they read, where these are as many."""


def find_channels(graph: KerasGraph) -> dict[int, int]:
    """Return the number of channels, the last size, of those values of which it is known."""
    channels: dict[int, int] = {}
    for number, port in enumerate(graph.inputs):
        size = port.shape[-1] if len(port.shape) > 1 else None
        if size is not None:
            channels[number] = size
    for call in graph.calls:
        size = _channels_of(call, channels)
        if size is not None and len(call.outputs) == 1:
            channels[call.outputs[0]] = size
    return channels


def _channels_of(call: Call, channels: Mapping[int, int]) -> int | None:
    """Return how many channels the result of a call has, given those of what it reads."""
    if call.target in MADE:
        return int(call.config[MADE[call.target]])
    if call.target not in KEPT | JOINED:
        return None
    sizes = set()
    for argument in call.args:
        sizes.add(channels.get(argument.index) if isinstance(argument, Ref) else None)
    return sizes.pop() if len(sizes) == 1 else None
