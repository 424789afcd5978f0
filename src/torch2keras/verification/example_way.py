"""Which inputs a module treats as it treats the example, where a trace has frozen its branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from torch2keras.verification.reference import run as run_module

RELATIVE_TOLERANCE = 1e-3
"""Above what the roundings of one order of operations differ by from those of another."""

OTHER_WAY = (
    "The inputs of the probe {!r} are not compared: for them the module takes another way than for "
    "the example, and the converted model keeps to the example's."
)


def make_way_check(
    program: Callable[[], nn.Module],
) -> Callable[[Sequence[Any], Mapping[str, Any], Sequence[np.ndarray]], bool]:
    """Return the question whether a module's outputs are those of the example's operations.

    `program` makes the module that runs the traced operations, in PyTorch; it is made once.
    """
    made: list[nn.Module] = []

    def takes_example_way(
        args: Sequence[Any], kwargs: Mapping[str, Any], outputs: Sequence[np.ndarray]
    ) -> bool:
        if not made:
            made.append(program())
        try:
            traced = run_module(made[0], args, kwargs)
        except Exception:  # noqa: BLE001 - a frozen number need not fit other inputs
            return False
        return len(traced) == len(outputs) and all(map(_is_close, traced, outputs))

    return takes_example_way


def _is_close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    if ours.shape != theirs.shape:
        return False
    finite = np.abs(theirs[np.isfinite(theirs)])
    scale = float(finite.max()) if finite.size else 0.0
    return np.allclose(
        ours, theirs, rtol=RELATIVE_TOLERANCE, atol=RELATIVE_TOLERANCE * scale, equal_nan=True
    )
