"""What an elementwise step computes, told by its values: a lambda has no name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from torch2keras.runtime.arrays import to_numpy
from torch2keras.twins.float64_steps import Float64Steps, widen
from torch2keras.twins.steps import LayerGraph, LayerStep

GRID = np.linspace(-8.0, 8.0, 161)
"""Where functions are compared; 0 is one of the places."""

TOLERANCE = 1e-6
"""Keras keeps slopes and the factors of gelu in float32."""

LEAKY = "leaky_relu"

GELU, TANH_GELU = "gelu", "gelu_tanh"

NAMED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "identity": lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    GELU: F.gelu,
    TANH_GELU: lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "sigmoid": F.sigmoid,
    "hard_sigmoid": F.hardsigmoid,
    "hard_sigmoid of Keras 2 (0.2 x + 0.5)": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "hard_silu": F.hardswish,
    "tanh": F.tanh,
    "hard_tanh": F.hardtanh,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "log_sigmoid": F.logsigmoid,
    "exp": torch.exp,
    "square": torch.square,
    "abs": torch.abs,
}
"""PyTorch's functions, by the names that Keras has for them."""


@dataclass(frozen=True)
class NamedFunction:
    """An elementwise function; `parameter` is the slope or factor that it has."""

    name: str
    parameter: float | None = None

    def is_near(self, other: NamedFunction) -> bool:
        """Whether it is the other function, but for the rounding of its parameter."""
        one, two = self.parameter or 0.0, other.parameter or 0.0
        return self.name == other.name and abs(one - two) <= TOLERANCE * max(abs(one), abs(two))

    def __str__(self) -> str:
        if self.parameter is None:
            return self.name
        return f"{self.name} with {self.parameter:.4g}"


UNKNOWN = "another function"


@cache
def _table() -> dict[str, np.ndarray]:
    x = torch.from_numpy(GRID)
    return {name: function(x).numpy() for name, function in NAMED.items()}


def name_values(values: np.ndarray) -> NamedFunction:
    """Return the function that has these values on the grid."""
    for name, known in _table().items():
        if np.allclose(values, known, rtol=TOLERANCE, atol=TOLERANCE):
            return NamedFunction(name)
    positive, negative = GRID >= 0, GRID < 0
    if np.allclose(values[positive], GRID[positive], rtol=TOLERANCE, atol=TOLERANCE):
        slope = values[negative] / GRID[negative]
        if np.allclose(slope, slope[0], rtol=TOLERANCE, atol=TOLERANCE):
            return NamedFunction(LEAKY, float(slope[0]))
        factor = values[negative] / np.expm1(GRID[negative])
        if np.allclose(factor, factor[0], rtol=TOLERANCE, atol=TOLERANCE):
            return NamedFunction("elu", float(factor[0]))
    factor = values / np.where(GRID == 0, 1.0, GRID)
    if np.allclose(factor[GRID != 0], factor[0], rtol=TOLERANCE) and abs(values[80]) < TOLERANCE:
        return NamedFunction("times", float(factor[0]))
    return NamedFunction(UNKNOWN)


def identify_step(graph: LayerGraph, step: LayerStep) -> NamedFunction | None:
    """Return which elementwise function a step is; None where it is none, or has weights."""
    if len(step.inputs) != 1 or len(step.outputs) != 1:
        return None
    if graph.shapes[step.inputs[0]] != graph.shapes[step.outputs[0]]:
        return None
    if getattr(step.operation, "weights", None):
        return None
    some = np.random.default_rng(0).permutation(GRID.size)[: GRID.size // 2]
    try:
        values = _run(step, GRID)
        alone = _run(step, GRID[some])
    except Exception:  # noqa: BLE001 - a step of fixed sizes refuses the grid
        return None
    if values.shape != GRID.shape or not np.allclose(values[some], alone, equal_nan=True):
        return None
    return name_values(values)


def identify_function(function: Callable[[Any], Any]) -> NamedFunction:
    """Return which function an activation of Keras is."""
    return name_values(to_numpy(function(widen(GRID))))


def _run(step: LayerStep, values: np.ndarray) -> np.ndarray:
    (result,) = Float64Steps().run(step, {step.inputs[0]: widen(values[np.newaxis])})
    (row,) = to_numpy(result)
    return np.asarray(row)
