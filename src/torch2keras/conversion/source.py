"""The source code of a converted model, with what it was made from at its head."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import keras
import torch

from torch2keras.conversion.class_sources import read_class_sources
from torch2keras.conversion.record import Conversion
from torch2keras.keras_graph.source.expressions import quote
from torch2keras.keras_graph.source.program import write_source
from torch2keras.keras_graph.source.remarks.remarks import Remarks, plain_text
from torch2keras.keras_model.saving import find_format
from torch2keras.keras_model.weights_file import LOADING

WEIGHTS_FILE = "net.weights.h5"
"""The file of weights that the head names as long as the code is not saved."""

LOADING_H5 = "model = build(); model.load_weights({file})"
"""The line that loads a file of Keras's own."""


def make_source(conversion: Conversion, *, beside: bool = False) -> str:
    """Return Python whose `build()` makes the model of a conversion; it needs Keras alone.

    The head names WEIGHTS_FILE. The code makes the calls of which the model was built, and is
    checked against them one by one. With `beside` the PyTorch classes stand above the functions
    that they have become, as comments. Raises InternalError where it would make others.
    """
    remarks = collect_remarks(conversion)
    if beside:
        sources = read_class_sources(conversion.module)
        own = {path: one for path, one in sources.items() if not one.name.startswith("torch.nn.")}
        remarks = replace(remarks, sources=own)
    code = write_source(conversion.lowered.graph, conversion.facts.classes, remarks)
    _, _, rest = code.partition("\n")
    tools = f"Keras {keras.__version__}, PyTorch {plain_text(torch.__version__)}"
    module = _describe_module(conversion)
    head = [
        f'"""{module} as a Keras model, made by torch2keras {version("torch2keras")} ({tools}).',
        "",
        LOADING_H5.format(file=f'"{WEIGHTS_FILE}"'),
        '"""',
    ]
    return "\n".join([*head, rest])


def collect_remarks(conversion: Conversion) -> Remarks:
    """Return what the code may say of the model beside its calls."""
    shapes = {}
    for stored in conversion.lowered.values.values():
        shapes[stored.tensor.index] = stored.tensor.shape
    class_paths = {
        path: name.removeprefix("__main__.") for path, name in conversion.facts.class_paths.items()
    }
    return Remarks(shapes, class_paths, conversion.size_limits)


def name_weights_file(code: str, weights_file: str) -> str:
    """Return the code with the lines that load another file at its head, whatever it is called."""
    before = LOADING_H5.format(file=f'"{WEIGHTS_FILE}"')
    loading = LOADING_H5
    if find_format(Path(weights_file)) == "safetensors":
        loading = LOADING
    return code.replace(before, loading.format(file=quote(weights_file)), 1)


def _describe_module(conversion: Conversion) -> str:
    """Return the class of the module as it is imported."""
    cls = type(conversion.module)
    return plain_text(f"{cls.__module__}.{cls.__qualname__}").removeprefix("__main__.")
