"""Quantise by TensorFlow's converter or by ai-edge-quantizer.

    python quantize.py FOLDER

FOLDER/request.json says by which ("tensorflow", "ai_edge"), the mode, the SavedModel and the float
file, the names of the inputs, how many sets of calibration there are (set_0.npz ...), which name
scopes stay float, and whether inputs and outputs are integers too. The result is
FOLDER/quantized.tflite; a refusal is in error.json.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


def read_sets(folder: Path, request: dict[str, Any]) -> Iterator[dict[str, np.ndarray]]:
    """Yield the sets of calibration by the names of the inputs."""
    for number in range(request["sets"]):
        with np.load(folder / f"set_{number}.npz") as stored:
            yield {name: stored[str(n)] for n, name in enumerate(request["inputs"])}


def quantize_by_tensorflow(folder: Path, request: dict[str, Any]) -> bytes:
    """Return the file that TensorFlow's converter makes of the SavedModel."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(
        request["saved_model"], signature_keys=[request["signature"]]
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if request["mode"] == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if request["mode"] == "int8":
        if request["integer_ports"]:
            converter.inference_input_type = converter.inference_output_type = tf.int8
        converter.representative_dataset = lambda: read_sets(folder, request)
        builtins = tf.lite.OpsSet
        converter.target_spec.supported_ops = [
            builtins.TFLITE_BUILTINS_INT8,
            builtins.TFLITE_BUILTINS,
        ]
    content: bytes = converter.convert()
    return content


def quantize_by_ai_edge(folder: Path, request: dict[str, Any]) -> bytes:
    """Return the file that ai-edge-quantizer makes of the float file."""
    from ai_edge_quantizer import qtyping, quantizer, recipe

    recipes = {"int8": recipe.static_wi8_ai8, "dynamic": recipe.dynamic_wi8_afp32}
    worker = quantizer.Quantizer(request["float"], recipes[request["mode"]]())
    operations = qtyping.TFLOperationName
    kept = [(".*", operations.INPUT), (".*", operations.OUTPUT)]
    if request["mode"] != "int8" or request["integer_ports"]:
        kept = []
    for scope in request["keep"]:
        kept.append((f".*(?:^|;){re.escape(scope)}[/;].*", operations.ALL_SUPPORTED))
    for regex, operation in kept:
        worker.update_quantization_recipe(
            regex=regex, operation_name=operation, algorithm_key="no_quantize"
        )
    ranges = None
    if request["mode"] == "int8":
        ranges = worker.calibrate({request["signature"]: list(read_sets(folder, request))})
    return bytes(worker.quantize(ranges).quantized_model)


QUANTIZERS = {"tensorflow": quantize_by_tensorflow, "ai_edge": quantize_by_ai_edge}

if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        given = json.loads((place / "request.json").read_text(encoding="utf-8"))
        made = QUANTIZERS[given["by"]](place, given)
        (place / "quantized.tflite").write_bytes(made)
    except Exception as error:  # noqa: BLE001 - told to the parent, whatever it is
        text = json.dumps(f"{type(error).__name__}: {error}"[:2000])
        (place / "error.json").write_text(text, encoding="utf-8")
