"""Compare what each operator of a quantised `.tflite` file gives with the float file's.

    python compare_tensors.py FOLDER

FOLDER/request.json names both files, set_0.npz holds the inputs. rows.json gets, for each operator,
the name of what it gives, the signal-to-noise ratio of that in dB, and how much less that is than
of what the operator reads.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

MOST = 200.0


def run_keeping_all(file: str, arrays: list[np.ndarray]) -> Any:
    """Return an interpreter that has run, and keeps every tensor."""
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(
        model_path=file,
        experimental_op_resolver_type=plain,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), arrays, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return interpreter


def read_float(interpreter: Any, detail: dict[str, Any]) -> np.ndarray | None:
    """Return a tensor as floats; None for one that holds none."""
    try:
        array = np.asarray(interpreter.get_tensor(detail["index"]))
    except ValueError:  # of a tensor that an operator has for itself
        return None
    scale, zero = detail["quantization"]
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    if scale:
        floats: np.ndarray = (array.astype(np.float64) - zero) * scale
        return floats
    return None


def decibels(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the signal-to-noise ratio, within [-200, 200]."""
    noise, signal = np.sum((ours - theirs) ** 2), np.sum(theirs**2)
    if noise == 0 or signal == 0:
        return MOST
    return float(np.clip(10 * np.log10(signal / noise), -MOST, MOST))


def compare_files(folder: Path) -> None:
    """Write the rows."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    with np.load(folder / "set_0.npz") as stored:
        arrays = [stored[str(place)] for place in range(len(stored.files))]
    exact = run_keeping_all(request["float"], arrays)
    other = run_keeping_all(request["quantized"], arrays)
    theirs = {detail["name"]: detail for detail in exact.get_tensor_details()}
    snr: dict[int, float] = {}
    names: dict[int, str] = {}
    for detail in other.get_tensor_details():
        index, name = detail["index"], detail["name"]
        names[index] = name
        if name not in theirs:
            continue
        one, two = read_float(other, detail), read_float(exact, theirs[name])
        if one is not None and two is not None and one.shape == two.shape:
            snr[index] = decibels(one, two)
    rows = []
    made = {int(detail["index"]) for detail in other.get_input_details()}
    for op in other._get_ops_details():  # noqa: SLF001 - the one list of operators that there is
        result = int(op["outputs"][0])
        read = made.intersection(map(int, op["inputs"]))  # the error of weights is the operator's
        made.update(map(int, op["outputs"]))
        before = min((snr[index] for index in read if index in snr), default=MOST)
        if result in snr:
            rows.append([names[result], snr[result], before - snr[result]])
        else:
            snr[result] = before  # the float file has no such tensor: what reads it is not to blame
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        compare_files(place)
    except Exception as error:  # noqa: BLE001 - told to the parent, whatever it is
        text = json.dumps(f"{type(error).__name__}: {error}")
        (place / "error.json").write_text(text, encoding="utf-8")
