"""The packages of the runtimes, imported when a file for one of them is asked for."""

from __future__ import annotations

import importlib
from typing import Any

import keras

from torch2keras.errors import InputError

EXTRAS = {
    "tensorflow": "tensorflow",
    "ai_edge_litert": "litert",
    "ai_edge_quantizer": "litert",
    "flatbuffers": "litert",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
}
"""The extra of this package that brings each package."""


def require_package(module: str, purpose: str) -> Any:
    """Return a module of another package. Raises InputError where the package is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise InputError(
            f"{purpose} needs the package {package}, which is not installed",
            [("next", f"pip install 'torch2keras[{EXTRAS[package]}]'")],
        ) from error


def require_tensorflow(purpose: str) -> Any:
    """Return TensorFlow, which Keras has to run on. Raises InputError where it does not."""
    tensorflow = require_package("tensorflow", purpose)
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise InputError(
            f"{purpose} is written by TensorFlow, and Keras runs on {backend} here",
            [("next", "set KERAS_BACKEND=tensorflow before Keras is imported")],
        )
    return tensorflow
