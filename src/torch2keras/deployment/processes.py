"""Scripts of `children/` in processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from torch2keras.deployment.saved_model import SERVE
from torch2keras.deployment.tracing import TracedModel
from torch2keras.errors import DeploymentError

CHILDREN = Path(__file__).with_name("children")

MOST_LETTERS = 600
"""Of what a process says before it dies, so much of the end is told."""


def run_child(script: str, folder: Path, request: Mapping[str, Any]) -> None:
    """Run a script on a folder, in which it finds its request.

    Raises DeploymentError with what it says, or died of.
    """
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [sys.executable, "-P", str(CHILDREN / script), str(folder)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own script
    failure = folder / "error.json"
    if failure.exists():
        raise DeploymentError(json.loads(failure.read_text(encoding="utf-8")))
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-MOST_LETTERS:]
        raise DeploymentError(
            f"its process died of {_name_exit(done.returncode)}", [("stderr", said)]
        )


def _name_exit(code: int) -> str:
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def run_file(
    script: str,
    file: Path,
    traced: TracedModel,
    sets: Sequence[Sequence[np.ndarray]],
    ways: Sequence[str],
) -> list[dict[str, list[np.ndarray]]]:
    """Run a file on sets of inputs; return its outputs for each, by each way of calling it.

    Raises DeploymentError for what the runtime refuses, or dies of.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number, arrays in enumerate(sets):
            write_arrays(folder / f"set_{number}.npz", arrays)
        request = {
            "file": str(file.absolute()),
            "signature": SERVE,
            "inputs": traced.input_names,
            "outputs": traced.output_names,
            "sets": len(sets),
        }
        run_child(script, folder, request)
        found = []
        for number in range(len(sets)):
            path = folder / f"out_{number}.npz"
            found.append({way: read_arrays(path, f"{way}_") for way in ways})
        return found


def write_arrays(path: Path, arrays: Sequence[np.ndarray]) -> None:
    """Write arrays to an .npz file, by their numbers."""
    named: dict[str, Any] = {str(place): array for place, array in enumerate(arrays)}
    np.savez(path, **named)


def read_arrays(path: Path, prefix: str) -> list[np.ndarray]:
    """Return the arrays of an .npz file that are called by a prefix and a number."""
    with np.load(path) as stored:
        count = sum(name.startswith(prefix) for name in stored.files)
        return [stored[f"{prefix}{place}"] for place in range(count)]
