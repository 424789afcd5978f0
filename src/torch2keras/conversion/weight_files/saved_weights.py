"""The weights of a saved model as its module's state_dict, in a process without the module."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import keras

from torch2keras.checkpoints.checkpoint_names import LoadReport
from torch2keras.conversion.state_record import StateRecord
from torch2keras.conversion.weight_files.constant_data import Data
from torch2keras.conversion.weight_files.weight_data import (
    VERSION,
    Values,
    read_weight_data,
    write_weight_data,
)
from torch2keras.conversion.weight_map import WeightMap
from torch2keras.conversion.weights import Layers, load_state_dict, read_state
from torch2keras.errors import InputError, SourceError, Torch2KerasError
from torch2keras.keras_model.keras_settings import refuse_stateless_scope
from torch2keras.keras_model.layers import find_variable, walk_layers
from torch2keras.keras_model.model_file import open_model
from torch2keras.keras_model.saving import read_facts, save_model
from torch2keras.runtime.run_alone import run_alone
from torch2keras.runtime.typed_errors import describe_exception, raise_typed_errors

WEIGHTS = "weights"
"""The map of weights among the facts of a saved model."""


class SavedWeights:
    """The map between a saved Keras model and the state_dict of the module that it was made of.

    It is read from the `.keras` file that `Converted.save` wrote; neither the module nor its class
    is needed. The methods take the model of that file, or any one that was loaded from it and
    trained since: its layers have the same names.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._facts, values = read_facts(self.path)
        self.data: Mapping[str, Any] = self._facts.get(WEIGHTS, {})
        """The map as data; docs/weights.md has its form."""
        if isinstance(self.data, Mapping) and "problem" in self.data:
            raise InputError(
                f"{self.path} holds no map of its weights",
                [
                    ("why", str(self.data["problem"])),
                    ("next", "keep the Converted, and use its state_dict and load_state_dict"),
                ],
            )
        try:
            self.weight_map, self._record = read_weight_data(self.data, values)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise SourceError(
                f"the map of weights in {self.path} cannot be read",
                [
                    ("error", describe_exception(error)),
                    ("next", "save the model anew with this version of torch2keras"),
                ],
            ) from error

    def __repr__(self) -> str:
        return f"<the map of {len(self.weight_map.weights)} weights in {self.path}>"

    @property
    def entry_names(self) -> dict[str, str]:
        """The entry of the state_dict for each of the tensors that the map names."""
        return {path: name for name, path in self._record.names.tensors.items()}

    @cached_property
    def model(self) -> keras.Model:
        """The model of the file, loaded when it is first asked for, as `open_model` does."""
        return open_model(self.path, compiled=True)

    @run_alone
    @raise_typed_errors
    def to_state_dict(self, model: keras.Model | None = None) -> dict[str, Any]:
        """Return a model's weights as the state_dict of the module, in PyTorch's shapes.

        `model` is the file's own by default. Raises InputError where its layers are not those of
        the file, or where trained weights are no state of the module, as `Converted.state_dict`.
        """
        layers = self._find_layers(model)
        return self._record.names.to_entries(read_state(self.weight_map, layers, self._record))

    @run_alone
    @raise_typed_errors
    def load(
        self,
        source: Mapping[str, Any] | str | Path,
        model: keras.Model | None = None,
        *,
        strict: bool = True,
        entry: str = "",
        trust: bool = False,
    ) -> LoadReport:
        """Copy a state_dict of the module, or a file of one, into a model: the file's by default.

        The options, what is returned and what is raised are those of `Converted.load_state_dict`.
        """
        refuse_stateless_scope()
        layers = self._find_layers(model)
        loaded = load_state_dict(
            self.weight_map, layers, self._record, source, strict=strict, entry=entry, trust=trust
        )
        self._record = loaded.record
        return loaded.report

    @run_alone
    @raise_typed_errors
    def save(self, path: str | Path, model: keras.Model | None = None) -> Path:
        """Write a model with this map, as `Converted.save` does.

        What Keras itself saves is without the map. Raises OutputError where it cannot be written.
        """
        target = self.model if model is None else model
        layers = self._find_layers(model)
        state = read_state(self.weight_map, layers, self._record)
        data, values = write_weight_data(self.weight_map, self._record, state)
        facts = {**self._facts, WEIGHTS: data, "verification": None}
        return save_model(target, Path(path), facts, values)

    def _find_layers(self, model: keras.Model | None) -> dict[str, keras.Layer]:
        """Return the model's layers by name, those of nested models too.

        Raises InputError where a layer that holds a weight is missing, or holds another one.
        """
        target = self.model if model is None else model
        layers = {layer.name: layer for _, layer in walk_layers(target)}
        for name, attribute, weight in self.weight_map.weights:
            try:
                shape = tuple(find_variable(layers[name], attribute).shape)
            except (KeyError, AttributeError):
                shape = None
            if shape != weight.shape:
                raise InputError(
                    f"this model has no layer {name} with the weights that {self.path} has",
                    [("next", "give the model of that file, or one that was loaded from it")],
                )
        return layers


@run_alone
@raise_typed_errors
def weights(path: str | Path) -> SavedWeights:
    """Return the map of weights of a `.keras` file or folder of shards by `Converted.save`.

    Raises SourceError where it is no such file, InputError where the model's weights are computed
    in a way that a file has no form for.
    """
    return SavedWeights(path)


def make_weight_facts(
    weight_map: WeightMap, layers: Layers, record: StateRecord
) -> tuple[Data, Values]:
    """Return the map of weights for a file, and the tensors beside it.

    Where the map has no form as data, or the Keras weights are no state of the module, it says why
    in its place, as `problem`.
    """
    try:
        state = read_state(weight_map, layers, record, without_plain=True)
        return write_weight_data(weight_map, record, state)
    except Torch2KerasError as error:
        return {"version": VERSION, "problem": error.headline}, {}
