"""Run a `.tflite` file on sets of inputs, by index twice in a row and by signature.

    python run_litert.py FOLDER

FOLDER/request.json names the file and the ports; set_0.npz ... hold the inputs by their number. For
each set out_0.npz ... holds `index_0`, `again_0`, `signature_0` ...: the outputs of each way. What
the runtime refuses is written to error.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def store(detail: dict[str, Any], array: np.ndarray) -> np.ndarray:
    """Return what an input holds of floats: these, or integers by its scale."""
    scale, zero_point = detail["quantization"]
    if not scale or array.dtype.kind != "f" or np.dtype(detail["dtype"]).kind == "f":
        return array
    limits = np.iinfo(detail["dtype"])
    whole = np.clip(np.round(array / scale) + zero_point, limits.min, limits.max)
    stored: np.ndarray = whole.astype(detail["dtype"])
    return stored


def restore(detail: dict[str, Any], array: np.ndarray) -> np.ndarray:
    """Return the numbers that an output means: its own, or floats by its scale."""
    scale, zero_point = detail["quantization"]
    if not scale or np.dtype(detail["dtype"]).kind == "f":
        return array
    floats: np.ndarray = ((array.astype(np.float64) - zero_point) * scale).astype(np.float32)
    return floats


class IndexRunner:
    """An interpreter that is called by index, and resizes its inputs when they change."""

    def __init__(self, file: str) -> None:
        self.interpreter = Interpreter(model_path=file)
        self.interpreter.allocate_tensors()

    def run(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs, all inputs and outputs in the order of the file."""
        changed = False
        details = self.interpreter.get_input_details()
        for detail, array in zip(details, arrays, strict=True):
            if tuple(detail["shape"]) != array.shape:
                self.interpreter.resize_tensor_input(detail["index"], array.shape, strict=True)
                changed = True
        if changed:
            self.interpreter.allocate_tensors()
        for detail, array in zip(details, arrays, strict=True):
            self.interpreter.set_tensor(detail["index"], store(detail, array))
        self.interpreter.invoke()
        outputs = self.interpreter.get_output_details()
        return [restore(out, self.interpreter.get_tensor(out["index"])) for out in outputs]


class SignatureRunner:
    """An interpreter that is called by the names of its ports."""

    def __init__(self, request: dict[str, Any]) -> None:
        interpreter = Interpreter(model_path=request["file"])
        self.runner = interpreter.get_signature_runner(request["signature"])
        self.inputs, self.outputs = request["inputs"], request["outputs"]

    def run(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs, all inputs and outputs in the order of the request's names."""
        takes, gives = self.runner.get_input_details(), self.runner.get_output_details()
        pairs = zip(self.inputs, arrays, strict=True)
        results = self.runner(**{name: store(takes[name], array) for name, array in pairs})
        return [restore(gives[name], results[name]) for name in self.outputs]


def run_litert_sets(folder: Path) -> None:
    """Run each set, and write its outputs."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    indexed, named = IndexRunner(request["file"]), SignatureRunner(request)
    for number in range(request["sets"]):
        with np.load(folder / f"set_{number}.npz") as stored:
            arrays = [stored[str(place)] for place in range(len(stored.files))]
        ways = {
            "index": indexed.run(arrays),
            "again": indexed.run(arrays),
            "signature": named.run(arrays),
        }
        found: dict[str, Any] = {}
        for way, outputs in ways.items():
            for place, output in enumerate(outputs):
                found[f"{way}_{place}"] = np.array(output)
        np.savez(folder / f"out_{number}.npz", **found)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        run_litert_sets(place)
    except Exception as error:  # noqa: BLE001 - told to the parent, whatever it is
        text = json.dumps(f"{type(error).__name__}: {error}")
        (place / "error.json").write_text(text, encoding="utf-8")
