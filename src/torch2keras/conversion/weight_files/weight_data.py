"""The map of weights as data within a saved model, and back: see docs/weights.md for its form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from torch2keras.conversion.state_names import State, StateNames
from torch2keras.conversion.state_record import Kept, StateRecord
from torch2keras.conversion.weight_files.constant_data import (
    ConstantReader,
    ConstantWriter,
    Data,
    read_dtype,
    read_moves,
    write_moves,
)
from torch2keras.conversion.weight_map import WeightMap
from torch2keras.graph.element_moves import view_elements
from torch2keras.graph.ir import keras_dtype
from torch2keras.keras_graph.weight import Weight

VERSION = 1

Values = dict[str, torch.Tensor]
"""Tensors beside the data, by name."""


def write_weight_data(
    weight_map: WeightMap, record: StateRecord, state: State
) -> tuple[Data, Values]:
    """Return the map and what is known of the state, as JSON and as tensors beside it.

    `state` is the module's with the Keras model's weights; of it only what no Keras weight holds is
    written. Raises InputError where the map has no form as data.
    """
    record.names.require_known()
    writer = ConstantWriter()
    weights = []
    for layer, attribute, weight in weight_map.weights:
        weights.append(
            {
                "layer": layer,
                "variable": attribute,
                "constant": writer.write(weight.constant),
                "moves": write_moves(weight.moves, weight.constant.type.shape),
                "shape": list(weight.shape),
                "dtype": weight.dtype,
            }
        )
    constants = [[writer.write(constant), number] for constant, number in record.constants]
    kept: Data = {}
    for path, known in record.kept.items():
        kept[path] = {
            "shape": list(known.tensor.shape),
            "dtype": keras_dtype(known.tensor.dtype),
            "checksum": known.checksum,
            "is_held": path in record.held,
        }
        if path not in record.held:
            writer.values[f"state.{path}"] = state[path]
    data = {
        "version": VERSION,
        "entries": _write_names(record.names, writer.values),
        "weights": weights,
        "constants": writer.constants,
        "tensors": writer.tensors,
        "nodes": writer.nodes,
        "own": sorted(weight_map.own),
        "kept": kept,
        "in_graph": constants,
        "views": {name: list(paths) for name, paths in record.views.items()},
    }
    return data, {name: _plain(tensor) for name, tensor in writer.values.items()}


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy that shares memory with nothing; complex numbers as pairs."""
    real = view_elements(tensor.detach()).cpu()
    return real.clone(memory_format=torch.contiguous_format)


def _write_names(names: StateNames, values: Values) -> list[Data]:
    """Return the entries of the state_dict: the tensor of each, or what it is.

    Raises InputError, as `StateNames.require_known`, where one is an object.
    """
    entries: list[Data] = []
    for name in names.order:
        if name in names.tensors:
            entries.append({"name": name, "tensor": names.tensors[name]})
            continue
        value = names.extras[name]
        if isinstance(value, torch.Tensor):
            values[f"extra.{name}"] = value
            entries.append({"name": name, "extra": None, "dtype": keras_dtype(value.dtype)})
        elif value is None or isinstance(value, bool | int | float | str):
            entries.append({"name": name, "value": value})
        else:
            problem = f"{name} is a {type(value).__name__}"
            replace(names, problem=problem).require_known()
    return entries


def read_weight_data(data: Mapping[str, Any], values: State) -> tuple[WeightMap, StateRecord]:
    """Return the map and the record that were written.

    What is damaged raises LookupError, TypeError, ValueError, AttributeError or RuntimeError.
    """
    if data["version"] != VERSION:
        raise ValueError(data["version"])
    reader = ConstantReader(data, values)
    weights = []
    for written in data["weights"]:
        weight = Weight(
            tuple(written["shape"]),
            str(written["dtype"]),
            reader.read(written["constant"]),
            read_moves(written["moves"]),
        )
        weights.append((str(written["layer"]), str(written["variable"]), weight))
    kept = {}
    shared = set[str]().union(*data["views"].values())
    for path, known in data["kept"].items():
        dtype = read_dtype(known["dtype"])
        if known["is_held"]:
            tensor = torch.empty(known["shape"], dtype=dtype, device="meta")
        else:
            tensor = _restore(values[f"state.{path}"], dtype)
        kept[path] = Kept(tensor, known["checksum"] if path in shared else None)
    record = StateRecord(
        _read_names(data["entries"], values),
        kept,
        frozenset(path for path, known in data["kept"].items() if known["is_held"]),
        tuple((reader.read(number), int(written)) for number, written in data["in_graph"]),
        {name: tuple(paths) for name, paths in data["views"].items()},
    )
    return WeightMap(tuple(weights), frozenset(data["own"])), record


def _restore(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.view_as_complex(tensor) if dtype.is_complex else tensor


def _read_names(entries: Any, values: State) -> StateNames:
    tensors, extras = {}, {}
    for entry in entries:
        name = str(entry["name"])
        if "tensor" in entry:
            tensors[name] = str(entry["tensor"])
        elif "extra" in entry:
            extras[name] = _restore(values[f"extra.{name}"], read_dtype(entry["dtype"]))
        else:
            extras[name] = entry["value"]
    return StateNames(tensors, extras, tuple(str(entry["name"]) for entry in entries))
