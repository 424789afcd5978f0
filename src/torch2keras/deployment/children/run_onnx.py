"""Run an ONNX file on sets of inputs, twice in a row.

    python run_onnx.py FOLDER

FOLDER/request.json names the file and the ports; set_0.npz ... hold the inputs by their number. For
each set out_0.npz ... holds `run_0`, `again_0` ...: the outputs. What the runtime refuses is
written to error.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

QUIET = 4
"""Fatal messages alone: errors are exceptions as well."""


def run_onnx_sets(folder: Path) -> None:
    """Run each set, and write its outputs."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    session = onnxruntime.InferenceSession(
        request["file"], options, providers=["CPUExecutionProvider"]
    )
    for number in range(request["sets"]):
        with np.load(folder / f"set_{number}.npz") as stored:
            arrays = [stored[str(place)] for place in range(len(stored.files))]
        named = dict(zip(request["inputs"], arrays, strict=True))
        taken = {port.name for port in session.get_inputs()}
        given = {name: array for name, array in named.items() if name in taken}
        found: dict[str, Any] = {}
        for way in ("run", "again"):
            for place, output in enumerate(session.run(request["outputs"], given)):
                found[f"{way}_{place}"] = output
        np.savez(folder / f"out_{number}.npz", **found)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        run_onnx_sets(place)
    except Exception as error:  # noqa: BLE001 - told to the parent, whatever it is
        text = json.dumps(f"{type(error).__name__}: {error}")
        (place / "error.json").write_text(text, encoding="utf-8")
