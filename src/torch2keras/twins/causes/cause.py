"""Cause: why a twin differs from its module, in words, with the layers of both sides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from torch2keras.errors import list_names


class CauseKind(StrEnum):
    """What is another in the twin."""

    PADDING = "padding"
    CAUSAL_PADDING = "causal padding"
    STRIDES = "strides"
    DILATION = "dilation"
    EPSILON = "epsilon"
    MOMENTUM = "momentum"
    SLOPE = "slope"
    GATE_ORDER = "gate order"
    RECURRENT_ACTIVATION = "recurrent activation"
    RESET_AFTER = "reset_after"
    TANH_GELU = "tanh gelu"
    ACTIVATION = "activation"
    POOLING = "pooling"
    COUNT_INCLUDE_PAD = "count_include_pad"
    CEIL_MODE = "ceil_mode"
    FLATTEN_ORDER = "flatten order"
    DIMENSION_ORDER = "order of dimensions"
    BIAS = "bias"
    AXIS = "axis"
    DROPOUT = "dropout"
    STEP = "another step"
    SETTING = "setting"
    WEIGHT = "weight"
    SIZE = "size"
    UNKNOWN = "unknown"


IN_TRAINING = (CauseKind.MOMENTUM, CauseKind.DROPOUT)
"""What changes training alone, and no result of inference."""


@dataclass(frozen=True)
class Cause:
    """One likely cause."""

    kind: CauseKind
    torch: str
    """The path of the module's layer."""
    keras: str
    """The name of the twin's layer."""
    text: str
    """What is another, and how to mend it."""
    error: float | None = None
    """How far the values part there, relative to the largest; None where none was compared."""
    also: tuple[str, ...] = ()
    """The twin's other layers of which the same is true."""

    @property
    def in_training(self) -> bool:
        """Whether it changes training alone."""
        return self.kind in IN_TRAINING

    def as_dict(self) -> dict[str, Any]:
        """Return the cause as JSON has it; an infinite error, for other shapes, is None."""
        row = asdict(self)
        row["kind"] = self.kind.value
        row["also"] = list(self.also)
        if self.error == float("inf"):
            row["error"] = None
        return row

    def __str__(self) -> str:
        where = f"{self.torch or '(the module itself)'} | {self.keras}"
        likewise = ""
        if self.also:
            likewise = f", and so {list_names(self.also, most=2)}"
        return f"{where}: {self.text}{say_error(self.error)}{likewise}"


def say_error(error: float | None) -> str:
    """Return how far values part, in words; nothing where none was compared."""
    if error is None:
        return ""
    if error == float("inf"):
        return " (shapes differ there)"
    return f" (values part by {error:.1e} of the largest there)"


def drop_repeated(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """Return the causes, each once, with the layers of which the same is true.

    A step that several layers read is found from each of them.
    """
    found: dict[tuple[str, str], dict[str, Cause]] = {}
    for cause in causes:
        found.setdefault((cause.kind, cause.text), {}).setdefault(cause.keras, cause)
    once = []
    for by_layer in found.values():
        first, *others = by_layer.values()
        once.append(replace(first, also=tuple(cause.keras for cause in others)))
    return tuple(once)
