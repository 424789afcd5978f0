"""The `dynamic_shapes` of torch.export, for a caller who asks for none and for one who does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import zip_longest
from typing import Any

import torch
from torch.export import Dim
from torch.utils import _pytree as pytree

AtTensor = Callable[[torch.Tensor, Any], Any]
"""What stands for a tensor in `dynamic_shapes`, by the tensor and its entry in others, or None."""


def leave_to_export(
    bound: dict[str, Any], tensors: Sequence[torch.Tensor], dims: Mapping[int, int]
) -> dict[str, Any]:
    """Return `dynamic_shapes` with one dim of tensors, by their positions, left to torch.export."""
    entries = {id(tensors[position]): {dim: Dim.AUTO} for position, dim in dims.items()}

    def leave(tensor: torch.Tensor, _: Any) -> Any:
        return entries.get(id(tensor))

    shapes: dict[str, Any] = _rebuild(bound, {}, leave)
    return shapes


def leave_out_dims(
    shapes: dict[str, Any], bound: dict[str, Any], left_out: AbstractSet[tuple[int, int]]
) -> dict[str, Any]:
    """Return `shapes` without dims that are given as (id of the tensor, dim)."""

    def leave_out(tensor: torch.Tensor, entry: Any) -> Any:
        if entry is None:
            return None
        return {
            dim: asked for dim, asked in _list_requests(entry) if (id(tensor), dim) not in left_out
        }

    left: dict[str, Any] = _rebuild(bound, shapes, leave_out)
    return left


def _rebuild(value: Any, shapes: Any, at_tensor: AtTensor) -> Any:
    """Return `dynamic_shapes` for one nest of arguments, by those that are there, or None.

    torch.export wants a list of the parts for a class that only pytree knows.
    """
    if isinstance(value, torch.Tensor):
        return at_tensor(value, shapes)
    if isinstance(value, dict):
        entries = shapes or {}
        return {key: _rebuild(part, entries.get(key), at_tensor) for key, part in value.items()}
    contents, kind = _take_apart(value)
    if kind is None:
        return None
    parts = [_rebuild(*pair, at_tensor) for pair in zip_longest(contents, shapes or ())]
    if hasattr(kind, "_fields"):
        return kind(*parts)
    return kind(parts)


def _take_apart(value: Any) -> tuple[list[Any], type | None]:
    """Return the parts of a list, a tuple or what pytree knows, and what holds their entries."""
    if isinstance(value, list | tuple):
        return list(value), type(value)
    if type(value) not in pytree.SUPPORTED_NODES:
        return [], None
    contents, _ = pytree.SUPPORTED_NODES[type(value)].flatten_fn(value)
    return list(contents), list


def _list_requests(entry: Any) -> Iterable[tuple[int, Any]]:
    """Return (dim, request) of the entry of one tensor, a dict or one request a dim."""
    return entry.items() if isinstance(entry, dict) else enumerate(entry)


def find_dynamic_dims(
    shapes: dict[str, Any], bound: dict[str, Any]
) -> Iterator[tuple[str, torch.Tensor, int, Any]]:
    """Yield (name, tensor, dim, request) of each dim that a caller wants to be dynamic."""
    for name, value in bound.items():
        yield from _find_in_nest(name, shapes.get(name), value)


def _find_in_nest(
    name: str, shapes: Any, value: Any
) -> Iterator[tuple[str, torch.Tensor, int, Any]]:
    if shapes is None:
        return
    if isinstance(value, torch.Tensor):
        for dim, request in _list_requests(shapes):
            if request is not None and not isinstance(request, int) and request != Dim.STATIC:
                yield name, value, dim, request
    elif isinstance(value, dict) and isinstance(shapes, dict):
        for key, element in value.items():
            yield from _find_in_nest(f"{name}[{key!r}]", shapes.get(key), element)
    elif isinstance(value, (list, tuple)) and isinstance(shapes, (list, tuple)):
        for position, (element, spec) in enumerate(zip(value, shapes, strict=False)):
            yield from _find_in_nest(f"{name}[{position}]", spec, element)
