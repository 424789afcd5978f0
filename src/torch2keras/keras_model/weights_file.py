"""A model's weights alone, as safetensors: the names are the way to each variable in the model."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import torch

from torch2keras.errors import OutputError, list_names
from torch2keras.keras_model.layers import find_variable, walk_layers
from torch2keras.runtime.arrays import to_torch

FACTS_KEY = "torch2keras"
"""What `facts` are called among the metadata of the file."""

LOADING = """\
import functools, operator, safetensors.numpy

model = build()
for name, value in safetensors.numpy.load_file({file}).items():
    *layers, variable = name.split("/")
    layer = functools.reduce(keras.Model.get_layer, layers, model)
    operator.attrgetter(variable)(layer).assign(value)"""
"""The lines that load such a file, of which Keras itself knows nothing."""


HDF5_OVERHEAD = 2**12
"""Bytes beside the numbers of a weight, at most; and four times that of a file."""


def write_hdf5(model: keras.Model, path: Path) -> None:
    """Write the weights of a model as Keras does. Raises OSError where there is no room."""
    require_free_disk(model, path.parent)
    model.save_weights(path)


def require_free_disk(model: keras.Model, folder: Path, *, copies: int = 1) -> None:
    """Raise OSError where a disk has no room for the weights of a model.

    HDF5 may end the process where a disk is full, so there has to be room before.
    """
    needed = HDF5_OVERHEAD * (4 + len(model.weights)) + sum(
        map(count_variable_bytes, model.weights)
    )
    if shutil.disk_usage(folder).free < copies * needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def count_variable_bytes(variable: keras.Variable) -> int:
    """Return the bytes of a weight's numbers, without reading them."""
    dtype: torch.dtype = getattr(torch, str(keras.backend.standardize_dtype(variable.dtype)))
    count: int = math.prod(variable.shape)
    return dtype.itemsize * count


def write_safetensors(
    model: keras.Model,
    places: Iterable[tuple[str, str]],
    path: Path,
    facts: Mapping[str, Any],
) -> None:
    """Write the weights of a model, in their own dtypes, by names as "layer/kernel".

    `places` has the layer and the attribute of each. A layer within nested models stands behind
    their names. Raises OutputError where the model has weights beside these.
    """
    # Of several entries of metadata the order would be another one each time.
    write_variables(name_variables(model, places), path, {FACTS_KEY: json.dumps(facts)})


def name_variables(
    model: keras.Model, places: Iterable[tuple[str, str]]
) -> dict[str, keras.Variable]:
    """Return the weights of a model by names as "layer/kernel", as `write_safetensors` has them."""
    layers = {layer.name: (way, layer) for way, layer in walk_layers(model)}
    named: dict[str, keras.Variable] = {}
    for name, attribute in places:
        way, layer = layers[name]
        variable = find_variable(layer, attribute)
        if isinstance(variable, keras.Variable):  # behind enable_lora it is a sum
            named["/".join([*way, attribute])] = variable
    known = set(map(id, named.values()))
    others = [variable.path for variable in model.weights if id(variable) not in known]
    if others:
        raise OutputError(
            f"{list_names(others)} came to the model after the conversion",
            [("next", "save as .weights.h5 or .keras, which hold whatever the model has")],
        )
    return named


def write_variables(
    named: Mapping[str, keras.Variable], path: Path, metadata: Mapping[str, str]
) -> None:
    """Write weights to a file of safetensors, without a copy of them in memory."""
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    for name, variable in named.items():
        tensors[name] = to_torch(variable.value).contiguous()
    path.touch()
    mode = path.stat().st_mode
    save_file(tensors, path, metadata=dict(metadata))
    path.chmod(mode)  # safetensors makes files that nobody else may read
