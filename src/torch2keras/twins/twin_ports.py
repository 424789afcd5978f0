"""Inputs and outputs of a twin in the module's order of dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import keras
import numpy as np
import torch
from torch import nn

from torch2keras.conversion.ports import Port
from torch2keras.errors import InputError
from torch2keras.keras_model.build import unwrap_single
from torch2keras.runtime.arrays import to_numpy
from torch2keras.twins.steps import LayerGraph, Shape
from torch2keras.verification.reference import run

Permutation = tuple[int, ...]

BATCH = 2
"""The number of samples of an example that is made of the twin's own shapes."""


@dataclass(frozen=True)
class TwinPort:
    """How the twin stores an input: for each of its dimensions PyTorch's, and how many there are.

    Dimensions of size one that the twin does not have are left out of `permutation`.
    """

    permutation: Permutation
    dtype: str

    def from_torch(self, tensor: Any) -> np.ndarray:
        """Return an array or tensor in PyTorch's order as the twin takes it."""
        array = to_numpy(tensor)
        missing = set(range(array.ndim)) - set(self.permutation)
        stored = array.transpose((*self.permutation, *sorted(missing)))
        shape = stored.shape[: len(self.permutation)]
        return np.asarray(stored.reshape(shape), order="C")


def find_twin_ports(graph: LayerGraph, ports: Sequence[Port]) -> tuple[TwinPort, ...]:
    """Return the twin's inputs, by those of the converted module.

    Raises InputError where their number or sizes are others.
    """
    if len(ports) != len(graph.inputs):
        raise InputError(
            f"the module has {len(ports)} inputs, and the Keras model {len(graph.inputs)}",
            [("module", _list_ports(ports)), ("keras", _list_shapes(graph, graph.inputs))],
        )
    found = []
    for port, number in zip(ports, graph.inputs, strict=True):
        shape = graph.shapes[number]
        permutation = find_input_order(port, shape)
        if permutation is None:
            raise InputError(
                f"the input {port.name!r} of the module does not fit the Keras model",
                [
                    ("module", f"{port.torch_shape}, as {port.order!r} {port.keras_shape}"),
                    ("keras", str(shape)),
                    ("next", "give args of the sizes that the Keras model takes"),
                ],
            )
        found.append(TwinPort(permutation, graph.dtypes[number]))
    return tuple(found)


def find_input_order(port: Port, shape: Shape) -> Permutation | None:
    """Return which of PyTorch's dimensions each of the twin's is; None where the sizes differ.

    The order of the converted model comes first, then PyTorch's, then any other.
    """
    rank = len(port.torch_shape)
    orders = [port.permutation, tuple(range(rank)), *_orders_of(range(rank))]
    if len(shape) < rank:
        stored = tuple(dim for dim in port.permutation if port.torch_shape[dim] != 1)
        orders = [stored, *_orders_of(sorted(stored))]
    for order in orders:
        if fits([port.torch_shape[dim] for dim in order], shape):
            return order
    return None


def _orders_of(dims: Sequence[int]) -> Iterator[Permutation]:
    """Yield the dimensions in each order, the batch always first."""
    for rest in permutations(dims[1:]):
        yield (*dims[:1], *rest)


def fits(ours: Sequence[int | None], theirs: Sequence[int | None]) -> bool:
    """Whether two shapes are the same where both are known."""
    if len(ours) != len(theirs):
        return False
    for one, two in zip(ours, theirs, strict=True):
        if one is not None and two is not None and one != two:
            return False
    return True


def run_twin(
    model: keras.Model, ports: Sequence[TwinPort], tensors: Sequence[torch.Tensor]
) -> list[np.ndarray]:
    """Return what the twin gives in inference, flat, as it stores it."""
    inputs = [port.from_torch(x) for port, x in zip(ports, tensors, strict=True)]
    given: Any = unwrap_single(inputs)
    structure = getattr(model, "_inputs_struct", None)
    if isinstance(structure, dict):
        given = keras.tree.pack_sequence_as(structure, inputs)
    return list(map(to_numpy, keras.tree.flatten(model(given, training=False))))


def arrange_output(ours: np.ndarray, port: Port, theirs: np.ndarray) -> np.ndarray:
    """Return an output of the module, in PyTorch's order, in the twin's order of dimensions.

    That is the converted model's, PyTorch's or channels last, whichever has the twin's shape; of
    several that have, the nearest. Where none has, it comes in the converted model's order.
    """
    stored = ours.transpose(port.permutation)
    if np.squeeze(stored).shape == np.squeeze(theirs).shape:
        stored = stored.reshape(theirs.shape)
    fitting = [x for x in (stored, *order_output(ours)) if x.shape == theirs.shape]
    if not fitting:
        return stored
    return min(fitting, key=lambda array: float(np.nansum(np.abs(array - theirs))))


def order_output(ours: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return an output in PyTorch's order, and with its channels last."""
    if ours.ndim < 3:
        return (ours,)
    return ours, np.moveaxis(ours, 1, -1)


def make_example(module: nn.Module, graph: LayerGraph) -> tuple[torch.Tensor, ...]:
    """Return an example input for a module, of the sizes of the twin's inputs.

    Raises InputError where these are not known, or the module does not run on such an input.
    """
    shapes = [graph.shapes[number] for number in graph.inputs]
    for shape in shapes:
        if None in shape[1:]:
            raise InputError(
                "an example input is needed: the Keras model has inputs of unknown sizes",
                [("keras", str(shapes)), ("next", "give args, an example in PyTorch's order")],
            )
    problem = ""
    for example in _guess_examples(graph, shapes):
        try:
            run(module, example)
        except Exception as error:  # noqa: BLE001 - the module may raise anything
            problem = problem or str(error).partition("\n")[0]
        else:
            return example
    raise InputError(
        "an example input is needed: the module runs on none of the Keras model's sizes",
        [
            ("keras", str(shapes)),
            ("torch", problem),
            ("next", "give args, an example in PyTorch's order"),
        ],
    )


def _guess_examples(
    graph: LayerGraph, shapes: Sequence[Shape]
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield examples with the channels in front, then as the twin has them."""
    for is_moved in (True, False):
        tensors = []
        for shape, number in zip(shapes, graph.inputs, strict=True):
            sizes = [BATCH, *(int(size or 1) for size in shape[1:])]
            if is_moved and len(sizes) > 2:
                sizes = [BATCH, sizes[-1], *sizes[1:-1]]
            if "int" in graph.dtypes[number]:
                tensors.append(torch.randint(0, 2, sizes))
            else:
                tensors.append(torch.randn(sizes))
        yield tuple(tensors)


def _list_ports(ports: Sequence[Port]) -> str:
    return ", ".join(f"{port.name} {port.torch_shape}" for port in ports)


def _list_shapes(graph: LayerGraph, numbers: Sequence[int]) -> str:
    return ", ".join(str(graph.shapes[number]) for number in numbers)
