"""Ports: the public inputs and outputs of a converted model, and how each is laid out on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from torch2keras.graph.ir import Value, keras_dtype
from torch2keras.graph.symbolic import static
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.port_orders import letters
from torch2keras.layout.storage import Form
from torch2keras.runtime.arrays import as_numpy, as_parts


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
        return (
            ours.view(np.result_type(ours.dtype, np.complex64))[..., 0] if self.is_complex else ours
        )


def build_port(
    space: AxisSpace, value: Value, form: Form, name: str, *, is_complex: bool = False
) -> Port:
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
