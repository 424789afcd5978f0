"""The public inputs and outputs of a converted model, and how each is stored on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from torch2keras.graph.ir import Value, keras_dtype
from torch2keras.graph.symbolic import static_size
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.port_orders import dimension_letters
from torch2keras.layout.storage import Storage
from torch2keras.runtime.arrays import as_real, to_numpy


@dataclass(frozen=True)
class Port:
    """One input or output.

    `order` says how the Keras side stores the dimensions: "n l c" is PyTorch's (n, c, l) with
    channels last. Shapes hold None where a size is dynamic.
    """

    name: str
    dtype: str
    torch_shape: tuple[int | None, ...]
    keras_shape: tuple[int | None, ...]
    order: str
    permutation: tuple[int, ...]
    """For each stored dimension the one in PyTorch's order."""
    is_complex: bool = False
    """Whether it stands for complex numbers: PyTorch's last dimension holds real and imaginary
    part."""

    @property
    def inverse(self) -> tuple[int, ...]:
        """For each dimension in PyTorch's order the stored one."""
        return tuple(self.permutation.index(dim) for dim in range(len(self.permutation)))

    def from_torch(self, array: Any) -> np.ndarray:
        """Return an array or tensor in PyTorch's order as the Keras model takes it."""
        stored = as_real(to_numpy(array)).transpose(self.permutation)
        return np.asarray(stored, order="C")

    def to_torch(self, array: Any) -> np.ndarray:
        """Return what the Keras model gives in PyTorch's order."""
        ours = np.asarray(to_numpy(array).transpose(self.inverse), order="C")
        if not self.is_complex:
            return ours
        return ours.view(np.result_type(ours.dtype, np.complex64))[..., 0]


def build_port(
    space: AxisSpace, value: Value, storage: Storage, name: str, *, is_complex: bool = False
) -> Port:
    """Return the port of a value that is stored in `storage`."""
    dims = space.dim_of(value)
    permutation = tuple(dims[group[0]] for group in storage)
    shape = tuple(static_size(size) for size in value.type.shape)
    names = dimension_letters(len(shape))
    return Port(
        name,
        keras_dtype(value.type.dtype),
        shape,
        tuple(shape[dim] for dim in permutation),
        " ".join(names[dim] for dim in permutation),
        permutation,
        is_complex,
    )
