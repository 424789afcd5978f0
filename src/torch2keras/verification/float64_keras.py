"""The Keras graph in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import torch

from torch2keras.conversion.record import Conversion
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.keras_model.execute import run_graph, run_in_step
from torch2keras.keras_model.layers import Layers
from torch2keras.runtime.arrays import to_numpy


def outputs64(
    conversion: Conversion, double: Layers, sets: Sequence[Sequence[torch.Tensor]]
) -> list[list[np.ndarray]]:
    """The outputs in float64 for each set of PyTorch's inputs, in Keras's order."""
    graph = conversion.lowered.graph
    inputs = [widen_inputs(conversion, tensors) for tensors in sets]
    runs = run_in_step(graph, inputs, double.layer_with_weights, "float64", keep=False)
    return [_read_outputs(graph, values) for values in runs]


def _read_outputs(graph: KerasGraph, values: Mapping[int, Any]) -> list[np.ndarray]:
    return [to_numpy(values[i]) for i in graph.outputs]


def values64(
    conversion: Conversion, double: Layers, tensors: Sequence[torch.Tensor]
) -> Mapping[int, Any]:
    """All values of the Keras graph in float64, by number."""
    inputs = widen_inputs(conversion, tensors)
    return run_graph(conversion.lowered.graph, inputs, double.layer_with_weights, "float64")


def widen_inputs(conversion: Conversion, tensors: Sequence[torch.Tensor]) -> list[Any]:
    """Return PyTorch's inputs as the Keras graph takes them in float64."""
    return store_inputs(conversion, tensors, wide=True)


def store_inputs(
    conversion: Conversion, tensors: Sequence[torch.Tensor], *, wide: bool
) -> list[Any]:
    """Return PyTorch's inputs as the Keras graph takes them: in float64, or as it is."""
    inputs = []
    given = zip(conversion.inputs, conversion.lowered.graph.inputs, tensors, strict=True)
    for port, stored, tensor in given:
        array = port.from_torch(tensor)
        if wide and "float" in stored.dtype:
            array = array.astype("float64")
        inputs.append(keras.ops.convert_to_tensor(array))
    return inputs


def widen_input(tensor: torch.Tensor) -> torch.Tensor:
    """An input of the module as the graph takes it, in float64; integers and bools as they are."""
    tensor = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return tensor.double() if tensor.is_floating_point() else tensor
