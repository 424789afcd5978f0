"""A model as a folder, with its weights in several files of a limited size.

    model = keras.models.model_from_json(open("net/config.json").read())
    model.load_weights("net/model.weights.json")

reads it without this package; `read_sharded` reads it as `open_model` reads a `.keras` file.

`model.weights.json` and its shards are Keras's own, `model.safetensors.index.json` and its shards
are named as those of transformers; the names of their weights are those of `net.safetensors`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import torch

from torch2keras.errors import OutputError, list_names
from torch2keras.keras_model.layers import find_variable
from torch2keras.keras_model.saving import (
    FACTS_MEMBER,
    TENSORS_MEMBER,
    WeightsFormat,
    pack_tensors,
    refuse_failed_write,
    require_shards_place,
)
from torch2keras.keras_model.weights_file import (
    count_variable_bytes,
    name_variables,
    require_free_disk,
    write_variables,
)
from torch2keras.runtime.atomic_writing import write_whole

CONFIG = "config.json"
"""The architecture, as `model.to_json()` gives it."""

KERAS_INDEX = "model.weights.json"

INDEX = "model.safetensors.index.json"

SHARD = "model-{number:05}-of-{count:05}.safetensors"


def save_sharded(
    model: keras.Model,
    folder: Path,
    most: int,
    kind: WeightsFormat,
    places: Iterable[tuple[str, str]],
    facts: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
) -> Path:
    """Write a folder whose files of weights have at most so many bytes of weights.

    `facts` and `tensors` lie beside them, as in a `.keras` file.
    It takes the place of one that was written so before, when it is complete. A weight that is
    larger has a safetensors file of its own. Raises OutputError where the folder holds anything
    else or cannot be written, and where Keras's format has no place for a weight of that size.
    """
    require_shards_place(folder)
    with refuse_failed_write(folder), write_whole(folder) as (place,):
        place.mkdir()
        (place / CONFIG).write_text(model.to_json(), encoding="utf-8")
        (place / FACTS_MEMBER).write_text(json.dumps(facts, indent=2), encoding="utf-8")
        if tensors:
            (place / TENSORS_MEMBER).write_bytes(pack_tensors(tensors))
        if kind == "h5":
            require_free_disk(model, place)
            _write_keras_shards(model, place / KERAS_INDEX, most)
        else:
            _write_safetensors(name_variables(model, places), place, most)
    return folder


def _write_keras_shards(model: keras.Model, index: Path, most: int) -> None:
    """Write Keras's own shards. Raises OutputError where a layer is larger than one of them."""
    try:
        model.save_weights(index, max_shard_size=most / 1024**3)
    except ValueError as error:
        if "max_shard_size" not in str(error):
            raise
        step = 'give a larger max_shard_size, or weights_format="safetensors"'
        rows = [("keras", str(error)), ("next", step)]
        raise OutputError("a layer is larger than a shard may be", rows) from error


def read_sharded(folder: Path) -> keras.Model:
    """Return the model of such a folder, of whose files none may lie elsewhere.

    Raises what Keras, safetensors and JSON raise, and ValueError.
    """
    model: keras.Model = keras.models.model_from_json((folder / CONFIG).read_text(encoding="utf-8"))
    if (folder / KERAS_INDEX).is_file():
        _list_shards(folder, KERAS_INDEX)
        model.load_weights(folder / KERAS_INDEX)
        return model
    from safetensors.numpy import load_file

    missing = {variable.path for variable in model.weights}
    for shard in _list_shards(folder, INDEX):
        for name, array in load_file(shard).items():
            *layers, attribute = name.split("/")
            layer = functools.reduce(keras.Model.get_layer, layers, model)
            variable = find_variable(layer, attribute)
            variable.assign(array)
            missing.discard(variable.path)
    if missing:
        message = f"no shard has {list_names(sorted(missing))}"
        raise ValueError(message)
    return model


def _list_shards(folder: Path, index: str) -> list[Path]:
    """Return the files that an index names. Raises ValueError where one is not in the folder."""
    where = json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"]
    files: set[str] = set()
    for names in where.values():
        files.update(names if isinstance(names, list) else [names])
    for name in files:
        if Path(name).name != name or (folder / name).is_symlink():
            message = f"{index} names {name!r}, which is no file of the folder"
            raise ValueError(message)
    return [folder / name for name in sorted(files)]


def _write_safetensors(variables: Mapping[str, keras.Variable], folder: Path, most: int) -> None:
    """Write the shards one by one, then the index of them, as transformers has it."""
    sizes = {name: count_variable_bytes(variable) for name, variable in variables.items()}
    shards = plan_shards(sizes, most)
    where: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = SHARD.format(number=number, count=len(shards))
        write_variables({name: variables[name] for name in names}, folder / file, {})
        where |= dict.fromkeys(names, file)
    index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": where}
    (folder / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")


def plan_shards(sizes: Mapping[str, int], most: int) -> list[list[str]]:
    """Return which weights go together, in their order; one that is larger goes alone."""
    shards: list[list[str]] = []
    room = 0
    for name, size in sizes.items():
        if not shards or size > room:
            shards.append([])
            room = most
        shards[-1].append(name)
        room -= size
    return shards
