"""A model as a folder, with its weights in several files of a limited size.

    model = keras.models.model_from_json(open("net/config.json").read())
    model.load_weights("net/model.weights.json")

`model.weights.json` and its shards are Keras's own, `model.safetensors.index.json` and its shards
are named as those of transformers; the names of their weights are those of `net.safetensors`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras

from torch2keras.errors import OutputError
from torch2keras.keras_model.saving import (
    FACTS_MEMBER,
    WeightsFormat,
    refuse_failed_write,
    require_parent,
    require_plain_name,
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
) -> Path:
    """Write a folder whose files of weights have at most so many bytes of weights.

    It takes the place of one that was written so before, when it is complete. A weight that is
    larger has a safetensors file of its own. Raises OutputError where the folder holds anything
    else or cannot be written, and where Keras's format has no place for a weight of that size.
    """
    _require_folder(folder)
    with refuse_failed_write(folder), write_whole(folder) as (place,):
        place.mkdir()
        (place / CONFIG).write_text(model.to_json(), encoding="utf-8")
        (place / FACTS_MEMBER).write_text(json.dumps(facts, indent=2), encoding="utf-8")
        if kind == "h5":
            require_free_disk(model, place)
            model.save_weights(place / KERAS_INDEX, max_shard_size=most / 1024**3)
        else:
            _write_safetensors(name_variables(model, places), place, most)
    return folder


def _require_folder(folder: Path) -> None:
    """Raise OutputError where a path is no name for a folder that may be replaced."""
    if not folder.is_dir():
        require_plain_name(folder)
    if folder.suffix in (".keras", ".py", ".h5", ".safetensors"):
        step = f"name a folder: {folder.with_suffix('').name}"
        raise OutputError(f"max_shard_size makes several files of {folder}", [("next", step)])
    require_parent(folder)
    is_taken = folder.exists() or folder.is_symlink()
    is_ours = folder.is_dir() and not folder.is_symlink() and (folder / FACTS_MEMBER).is_file()
    is_empty = folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())
    if is_taken and not is_ours and not is_empty:
        raise OutputError(f"{folder} holds something else", [("next", "name a new folder")])


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
