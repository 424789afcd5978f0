"""Where each value of the PyTorch graph lies in the Keras graph, and how a converter gets it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Constant, Size, Value
from torch2keras.keras_graph.operand import Operand
from torch2keras.keras_graph.weight import Weight
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.signatures import Order
from torch2keras.layout.storage import Storage, natural_storage, storage_order, storage_shape
from torch2keras.lower.rearrange import arrange_weight, rearrange
from torch2keras.lower.recorder import Tensor, as_tensor


@dataclass(frozen=True)
class Stored:
    """A value as it lies in the Keras graph."""

    tensor: Tensor
    storage: Storage


class StoredValues:
    """The values that are lowered so far, and the copies of them in other storages."""

    def __init__(self, space: AxisSpace) -> None:
        self.space = space
        self.stored: dict[Value, Stored] = {}
        self._copies: dict[tuple[Value, Storage], Tensor] = {}

    def __contains__(self, value: Value) -> bool:
        return value in self.stored

    def __getitem__(self, value: Value) -> Stored:
        return self.stored[value]

    def put(self, value: Value, tensor: Tensor, storage: Storage) -> None:
        """Say where a value lies."""
        self.stored[value] = Stored(tensor, storage)

    def storage_of(self, value: Value) -> Storage | None:
        """Return how a value is stored; None for a constant, which is stored as one likes."""
        return None if isinstance(value, Constant) else self.stored[value].storage

    def shapes(self) -> Iterator[tuple[Tensor, Sequence[Size]]]:
        """Yield the values with their stored shapes, dynamic sizes as expressions."""
        for value, stored in self.stored.items():
            yield stored.tensor, storage_shape(self.space, value, stored.storage)

    def fetch(self, value: Value, storage: Storage) -> Operand:
        """Return a value in a storage, a constant as a Weight; copies are shared.

        Raises LoweringError where Keras cannot rearrange it.
        """
        if isinstance(value, Constant):
            return arrange_weight(self.space, value, Weight.of(value), storage)
        key = value, storage
        if key not in self._copies:
            self._copies[key] = self._rearrange(value, storage)
        return self._copies[key]

    def _rearrange(self, value: Value, storage: Storage) -> Tensor:
        stored = self.stored[value]
        try:
            tensor = rearrange(self.space, value, stored.tensor, stored.storage, storage)
        except ValueError as error:  # Keras infers sizes less well than torch.export
            raise LoweringError(
                f"Keras cannot bring a value into another order: {error}",
                [
                    ("value", f"{value.name} {value.type}"),
                    ("next", "leave dimensions out of dynamic_shapes"),
                ],
            ) from error
        return tensor.with_sizes(storage_shape(self.space, value, storage))

    def fetch_in_order(self, value: Value, order: Order) -> Stored:
        """Return a value in an order, in the storage that it has where the order is right."""
        if value in self.stored:
            stored = self.stored[value]
            if storage_order(self.space, value, stored.storage) == order:
                return stored
        storage = natural_storage(self.space, value, order)
        return Stored(as_tensor(self.fetch(value, storage)), storage)
