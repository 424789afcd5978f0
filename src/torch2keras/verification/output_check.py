"""One output as four runs give it: is it the same function, and as near as rounding allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from torch2keras.conversion.ports import Port
from torch2keras.keras_graph.mixed_precision import POLICIES
from torch2keras.verification.input_sets import Given
from torch2keras.verification.metric import EPS, meaning, numerics
from torch2keras.verification.random_rounding import Rounded
from torch2keras.verification.results import Check

NUMPY_RTOL = 64
"""How many units of its type's precision the module in float64 may be off where NumPy computes.

`z.astype(np.float32)` rounds there too, which nothing in PyTorch does.
"""


def find_precision(port: Port, policy: str = "") -> float:
    """Return the distance from 1 to the next number in the type that an output is computed in."""
    return EPS.get(POLICIES.get(policy, port.dtype), EPS["float32"])


@dataclass(frozen=True, eq=False)
class Answers:
    """One output, in PyTorch's order."""

    keras64: np.ndarray
    """The Keras graph's in float64."""
    keras_own: np.ndarray
    """The Keras model's as it is."""
    theirs: np.ndarray
    """The module's in its own type."""
    exact: np.ndarray
    """The module's in float64."""

    def check(
        self,
        given: Given,
        port: Port,
        rounded: Rounded,
        *,
        gives_numpy: bool,
        policy: str = "",
    ) -> tuple[Check, Check]:
        """Return the checks of meaning and of numerics on a set of inputs.

        `rounded` is asked where one of them fails; `policy` is the model's of mixed precision.
        """
        eps = find_precision(port, policy)
        same, numpy_rtol = meaning(self.keras64, self.exact, y_t=self.theirs), None
        if not same.ok and gives_numpy:
            numpy_rtol = NUMPY_RTOL * eps
            same = meaning(self.keras64, self.exact, numpy_rtol, y_t=self.theirs)
        near = numerics(self.keras_own, self.theirs, self.exact, eps)
        if not (same.ok and near.ok):
            same = rounded.meaning(same, self.keras64, eps)
            if not near.ok:
                near = rounded.numerics(self.keras_own, self.theirs, eps)
        shapes = tuple(tuple(tensor.shape) for tensor in given.tensors)
        return (
            Check(given.probe, shapes, port.name, same, numpy_rtol),
            Check(given.probe, shapes, port.name, near),
        )
