"""The facts of a report, as dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from torch2keras.keras_graph.graph import Call

TIERS = {"S": "float64", "N": "as saved"}
"""What the letters of the metric's tiers mean to a reader."""


@dataclass(frozen=True)
class KerasCall:
    """A stock layer with its name, or a stock op, whose name is empty."""

    kind: str
    name: str = ""


@dataclass(frozen=True)
class ModuleRow:
    """A module of the user's, and what Keras computes in its place."""

    path: str
    cls: str
    source: str
    """The first line of the user's that it comes from, as "net.py:41"; empty within torch.nn."""
    keras: tuple[KerasCall, ...]
    """Nothing where the module only renames axes."""


@dataclass(frozen=True)
class Parameters:
    """The numbers of scalars on both sides. Keras's frozen ones hold buffers and constants too."""

    torch_trainable: int
    torch_frozen: int
    torch_buffers: int
    keras_trainable: int
    keras_frozen: int
    folded: Mapping[str, tuple[str, ...]]
    """Keras weight -> the parameters that it is computed from (weight_norm)."""
    tied: tuple[tuple[str, ...], ...]
    """Names of one and the same parameter."""
    unused: tuple[str, ...]
    """Parameters that no output depends on."""


@dataclass(frozen=True)
class Transpose:
    """A transpose that is left: a value that is written in one order and read in another."""

    value: str
    type: str
    written: str
    read: str
    readers: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class State:
    """A value that forward keeps from call to call: an input and an output of the model."""

    input: str
    output: str
    """Gives what the input takes at the next call."""
    attribute: str
    """Where the module keeps it, as "encoder.cache['k']"."""
    initial: np.ndarray
    """What the input takes at the first call, in the order of the Keras model."""


@dataclass(frozen=True)
class RandomInput:
    """An input for the numbers that an operation of forward draws."""

    input: str
    distribution: str
    op: str
    source: str
    """The line of the user's, as "net.py:41"."""


@dataclass(frozen=True)
class Tier:
    """The worst check of one tier."""

    tier: str
    share: float
    """Its error as a share of what is allowed."""
    probe: str
    output: str
    max_abs: float


@dataclass(frozen=True)
class Verified:
    """What was compared, and the worst check of each tier."""

    tiers: tuple[Tier, ...]
    probes: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]
    """Each set of inputs, with its shapes in PyTorch's order."""


def kind_of_call(call: Call) -> str:
    """Return the layer or op of a call as a reader knows it: "Conv1D", "Activation('relu')"."""
    if not call.is_layer:
        return call.target
    kind = call.target.removeprefix("layers.")
    if kind == "Activation":
        return f"{kind}({call.config['activation']!r})"
    return kind
