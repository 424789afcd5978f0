"""Another converter's LiteRT file: run by the interpreter that this converter is installed for.

    PYTHON benchmarks/deploy_rival.py TOOL FOLDER

FOLDER holds net.pt2, an exported program of fixed sizes with its example, and net.onnx where
PyTorch's exporter made one. The file is FOLDER/TOOL.tflite; TOOL.json has the seconds that it took
without imports, and the tool's version. Nothing of torch2keras is imported.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path


def convert_by_litert_torch(folder: Path, target: Path) -> float:
    """Write the file that litert-torch makes, and return the seconds."""
    import litert_torch
    import torch

    program = torch.export.load(str(folder / "net.pt2"))
    module = program.module()
    example = program.example_inputs[0]
    begun = time.perf_counter()
    litert_torch.convert(module, example).export(str(target))
    return time.perf_counter() - begun


def convert_by_onnx2tf(folder: Path, target: Path) -> float:
    """Write the file that onnx2tf makes of the ONNX file, and return the seconds."""
    import onnx2tf

    made = folder / "onnx2tf"
    begun = time.perf_counter()
    onnx2tf.convert(
        input_onnx_file_path=str(folder / "net.onnx"),
        output_folder_path=str(made),
        non_verbose=True,
    )
    seconds = time.perf_counter() - begun
    (found,) = made.glob("*_float32.tflite")
    target.write_bytes(found.read_bytes())
    return seconds


RIVALS: dict[str, Callable[[Path, Path], float]] = {
    "litert-torch": convert_by_litert_torch,
    "onnx2tf": convert_by_onnx2tf,
}
"""By the name of the package."""


if __name__ == "__main__":
    tool, place = sys.argv[1], Path(sys.argv[2])
    taken = RIVALS[tool](place, place / f"{tool}.tflite")
    facts = {"export_s": taken, "version": version(tool)}
    (place / f"{tool}.json").write_text(json.dumps(facts))
