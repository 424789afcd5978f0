"""The dims of inputs that were to be dynamic, each with what was asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch2keras.capture.example_inputs import ExampleCall
from torch2keras.capture.sizes.dynamic_shapes import find_dynamic_dims


def is_left_to_export(request: Any) -> bool:
    """Whether a request is `Dim.AUTO`, be it with bounds."""
    return "AUTO" in repr(request)


@dataclass(frozen=True)
class AskedDim:
    """A dim that was to be dynamic: of which input, by name and position, and as what."""

    name: str
    position: int
    dim: int
    request: Any = field(compare=False)

    @property
    def may_be_fixed(self) -> bool:
        """Whether it was left to torch.export."""
        return is_left_to_export(self.request)

    def allows(self, size: int) -> bool:
        """Whether a size lies in the bounds that were asked for."""
        lower, upper = getattr(self.request, "min", None), getattr(self.request, "max", None)
        return (lower is None or size >= lower) and (upper is None or size <= upper)


def list_asked_dims(shapes: dict[str, Any] | None, call: ExampleCall) -> list[AskedDim]:
    """Return the dims that `shapes`, keyed by forward's parameters, wants to be dynamic."""
    by_tensor: dict[int, list[int]] = {}
    for position, tensor in enumerate(call.example.tensors()):
        by_tensor.setdefault(id(tensor), []).append(position)
    by_name: dict[str, int] = {}
    asked = []
    for name, tensor, dim, request in find_dynamic_dims(shapes or {}, call.bound):
        if name not in by_name:  # a tensor that is given twice has two positions
            by_name[name] = by_tensor[id(tensor)].pop(0)
        asked.append(AskedDim(name, by_name[name], dim, request))
    return asked
