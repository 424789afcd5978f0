"""How near a quantised file is to the module, and which layers lose most."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from torch2keras.deployment.comparison import Boundary
from torch2keras.deployment.processes import run_child, run_file, write_arrays
from torch2keras.deployment.refusals import find_calls
from torch2keras.deployment.tracing import TracedModel
from torch2keras.runtime.arrays import as_real
from torch2keras.verification.input_sets import Given

MOST_DECIBELS = 200.0
"""What is told of equal numbers."""

WORST_DECIBELS = -200.0
"""What is told where a number is not finite, or of another shape."""

MEASURED = 8
"""The number of sets that a file is run on."""


class LayerLoss(NamedTuple):
    """What one operator adds to the error of what it reads."""

    module: str
    """A path that `keep_float` takes; of an op in the outermost forward its name scope."""
    decibels: float
    """The signal-to-noise ratio of what it gives."""
    loss: float
    """How much less that is than of what it reads."""


def measure_snr(
    traced: TracedModel, boundary: Boundary, file: Path, sets: Sequence[Given], ways: Sequence[str]
) -> dict[str, float]:
    """Return the signal-to-noise ratio of each output over all sets, in dB, of the worst way.

    Raises DeploymentError for what the runtime refuses.
    """
    sets = sets[:MEASURED]
    found = run_file("run_litert.py", file, traced, [boundary.store(s) for s in sets], ways)
    worst: dict[str, float] = {}
    for place, name in enumerate(traced.output_names):
        theirs = [given.outputs[place] for given in sets]
        for way in ways:
            ours = [boundary.restore(place, outputs[way][place]) for outputs in found]
            worst[name] = min(worst.get(name, MOST_DECIBELS), compute_snr(ours, theirs))
    return worst


def compute_snr(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """Return 10 log10(sum theirs^2 / sum (ours - theirs)^2), within [-200, 200]."""
    signal = noise = 0.0
    for our, their in zip(ours, theirs, strict=True):
        a, b = as_real(np.asarray(our)), as_real(np.asarray(their))
        if a.shape != b.shape:
            return WORST_DECIBELS
        wide, exact = a.astype(np.float64), b.astype(np.float64)
        signal += float(np.sum(exact**2))
        noise += float(np.sum((wide - exact) ** 2))
    if not np.isfinite(noise):
        return WORST_DECIBELS
    if noise == 0.0:
        return MOST_DECIBELS
    if signal == 0.0:
        return WORST_DECIBELS
    return float(np.clip(10 * np.log10(signal / noise), WORST_DECIBELS, MOST_DECIBELS))


def find_losses(
    traced: TracedModel,
    names: Mapping[str, str],
    files: tuple[Path, Path],
    arrays: Sequence[np.ndarray],
) -> list[LayerLoss]:
    """Return the operators of a quantised file that lose most, beside the float file.

    `names` is from the name of a tensor to the name scope of what makes it, where the first tells
    nothing. What is of no call of the model is left out. Raises DeploymentError for what the
    runtime refuses.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_arrays(folder / "set_0.npz", arrays)
        request = {"float": str(files[0].absolute()), "quantized": str(files[1].absolute())}
        run_child("compare_tensors.py", folder, request)
        rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    losses: dict[str, LayerLoss] = {}
    scopes = {id(call): scope for scope, call in traced.scopes.items()}
    for name, decibels, loss in rows:
        calls = find_calls(traced, [names.get(name, name)])
        if not calls:
            continue
        module = calls[0].origin.path or scopes[id(calls[0])]
        known = losses.get(module)
        if known is None or loss > known.loss:
            losses[module] = LayerLoss(module, decibels, loss)
    return sorted(losses.values(), key=lambda layer: -layer.loss)
