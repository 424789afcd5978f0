"""Ports: the public inputs and outputs of a converted model, and how each is laid out on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from torch2keras.axes import AxisSpace
from torch2keras.errors import InputError
from torch2keras.factor import static
from torch2keras.forms import Form
from torch2keras.ir import Graph, Value, keras_dtype
from torch2keras.layout import Order
from torch2keras.metric import as_parts

LETTERS = {0: "", 1: "n", 2: "n c", 3: "n c l", 4: "n c h w", 5: "n c d h w"}
"""How the dimensions of a port are called, in PyTorch's order."""


def letters(rank: int) -> list[str]:
    """Names of the dimensions of a tensor, in PyTorch's order."""
    return LETTERS[rank].split() if rank in LETTERS else [chr(ord("a") + i) for i in range(rank)]


@dataclass(frozen=True)
class Port:
    """One input or output.

    `order` says how the Keras side stores the dimensions: "n l c" is PyTorch's (n, c, l) with channels last.
    Shapes hold None where a size is dynamic.
    """

    name: str
    dtype: str
    torch_shape: tuple[int | None, ...]
    keras_shape: tuple[int | None, ...]
    order: str
    permutation: tuple[int, ...]
    """For each stored dimension the one in PyTorch's order."""
    is_complex: bool = False
    """Whether it stands for complex numbers: the last of PyTorch's dimensions holds real and imaginary part."""

    def from_torch(self, array: Any) -> np.ndarray:
        """An array or tensor in PyTorch's order, as the Keras model takes it."""
        return np.asarray(as_parts(as_numpy(array)).transpose(self.permutation), order="C")

    def to_torch(self, array: Any) -> np.ndarray:
        """What the Keras model gives, in PyTorch's order."""
        inverse = [self.permutation.index(d) for d in range(len(self.permutation))]
        ours = np.asarray(as_numpy(array).transpose(inverse), order="C")
        return ours.view(np.result_type(ours.dtype, np.complex64))[..., 0] if self.is_complex else ours


def as_numpy(array: Any) -> np.ndarray:
    """A NumPy array, PyTorch tensor or backend tensor as NumPy; bfloat16 as float32."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array.resolve_conj().resolve_neg() if hasattr(array, "resolve_conj") else array
    if "bfloat16" in str(array.dtype):
        array = (
            array.float() if hasattr(array, "float") else array.astype("float32") if hasattr(array, "astype") else array
        )
    return np.asarray(array)


def port(space: AxisSpace, value: Value, form: Form, name: str, *, is_complex: bool = False) -> Port:
    """The port of a value that is stored in `form`."""
    dims = space.dim_of(value)
    permutation = tuple(dims[group[0]] for group in form)
    shape = tuple(static(s) for s in value.type.shape)
    names = letters(len(shape))
    return Port(
        name,
        keras_dtype(value.type.dtype),
        shape,
        tuple(shape[d] for d in permutation),
        " ".join(names[d] for d in permutation),
        permutation,
        is_complex,
    )


def port_names(graph: Graph) -> tuple[list[str], list[str]]:
    """Names of inputs (the module's parameters) and outputs (output, or output_0, output_1 ...)."""
    outputs = [i for i, v in enumerate(graph.outputs) if isinstance(v, Value)]
    numbered = [f"output_{k}" for k in range(len(outputs))] if len(outputs) > 1 else ["output"] * len(outputs)
    return [v.name for v in graph.inputs], numbered


def wanted_orders(graph: Graph, space: AxisSpace, layout: str | Mapping[str, str]) -> dict[Value | int, Order | None]:
    """What `layout` fixes: "torch" all ports, "keras" none, a mapping those that it names.

    Raises InputError for an unknown layout, name or order.
    """
    inputs, outputs = port_names(graph)
    places = [i for i, v in enumerate(graph.outputs) if isinstance(v, Value)]
    ports: dict[str, tuple[Value | int, Value]] = {n: (v, v) for n, v in zip(inputs, graph.inputs, strict=True)} | {
        n: (i, graph.outputs[i]) for n, i in zip(outputs, places, strict=True)
    }
    if layout == "keras":
        return {}
    if layout == "torch":
        return {key: space.solid(value) for key, value in ports.values()}
    if isinstance(layout, str):
        raise InputError(
            f"unknown layout {layout!r}", [("next", 'use "keras", "torch", or a mapping like {"x": "n l c"}')]
        )
    unknown = [name for name in layout if name not in ports]
    if unknown:
        raise InputError(
            f"layout names no port {unknown[0]!r}", [("ports", ", ".join(ports)), ("next", "name one of these")]
        )
    return {ports[n][0]: _order(space, n, ports[n][1], order) for n, order in layout.items()}


def _order(space: AxisSpace, name: str, value: Value, order: str) -> Order:
    names = letters(value.type.rank)
    wanted = order.split()
    if sorted(wanted) != sorted(names):
        raise InputError(
            f"layout of {name!r} is {order!r}, which does not order its dimensions",
            [("shape", str(value.type)), ("next", f"order the letters {' '.join(names)!r} (PyTorch's order)")],
        )
    dims = space.dim_of(value)
    solid = space.solid(value)
    return tuple(i for letter in wanted for i in solid if dims[i] == names.index(letter))
