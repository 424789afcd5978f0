"""Where a module keeps values from one call to the next, and how to see that one has changed."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from torch2keras.runtime.module_state import is_own_object, list_packages
from torch2keras.runtime.native_attributes import instance_dict, is_native, submodules

TABLES = ("_parameters", "_buffers", "_modules")

DEEPEST = 6
"""Containers within containers are looked into so far."""


class _Missing:
    """Stands for the value of an attribute that is not there."""


MISSING = _Missing()


@dataclass(frozen=True, eq=False)
class AttributePlace:
    """An entry of the dict in which an object keeps its attributes, or a module its buffers."""

    path: str
    table: dict[str, Any]
    key: str

    def read(self) -> Any:
        """Return the value, or MISSING."""
        return self.table.get(self.key, MISSING)

    def write(self, value: Any) -> None:
        """Put a value there; MISSING takes the entry away."""
        if value is MISSING:
            self.table.pop(self.key, None)
        else:
            self.table[self.key] = value


def find_attribute_places(module: nn.Module) -> dict[str, AttributePlace]:
    """Return path -> place of the attributes and buffers of a module, its parts and own objects.

    An object is a module's own where its class comes from the package that defines the module.
    """
    parts = submodules(module)
    packages = list_packages(parts)
    found: dict[str, AttributePlace] = {}
    seen: set[int] = set()
    for path, part in parts.items():
        prefix = f"{path}." if path else ""
        attributes = instance_dict(part) or {}
        for place in _list_attributes(attributes, prefix, packages, seen):
            found[place.path] = place
        buffers = attributes.get("_buffers")
        if is_native(buffers, dict):
            for name in buffers:
                found[prefix + name] = AttributePlace(prefix + name, buffers, name)
    return found


def _list_attributes(
    table: dict[str, Any], prefix: str, packages: set[str], seen: set[int]
) -> Iterator[AttributePlace]:
    for name, value in table.items():
        if name in TABLES or not isinstance(name, str):
            continue
        yield AttributePlace(prefix + name, table, name)
        own = None
        if is_own_object(value, packages) and not is_native(value, nn.Module):
            own = instance_dict(value)
        if own is not None and id(value) not in seen:
            seen.add(id(value))
            yield from _list_attributes(own, f"{prefix}{name}.", packages, seen)


@dataclass(frozen=True, eq=False)
class _Same:
    """An object, equal to nothing but itself.

    It is held, since the id of an object that is freed is soon another's.
    """

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


Fingerprint = tuple[Any, ...]


def note_fingerprints(
    places: Mapping[str, AttributePlace], *, with_values: bool = False
) -> dict[str, Fingerprint]:
    """Return path -> what tells whether the value was replaced or written to.

    With its values a tensor is also seen to change that a kernel writes to without counting it, as
    that of batch_norm does.
    """
    found = {}
    for path, place in places.items():
        value = place.read()
        found[path] = _fingerprint(value)
        if with_values and is_native(value, torch.Tensor):
            found[path] += (_checksum(value),)
    return found


def _checksum(tensor: torch.Tensor) -> int:
    if tensor.layout != torch.strided or tensor.is_meta:
        return 0
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    return zlib.crc32(plain.reshape(-1).view(torch.uint8).numpy().data)


def _fingerprint(value: Any, depth: int = 0) -> Fingerprint:
    if type(value) in (int, float, str, bool):
        return type(value), value
    if is_native(value, torch.Tensor):
        return _Same(value), value._version  # noqa: SLF001 - counts the writes to a tensor
    if depth == DEEPEST:
        return (_Same(value),)
    contents: list[Any] = []
    if is_native(value, dict):
        contents = list(dict.values(value))
    elif is_native(value, list):
        contents = list(list.__iter__(value))
    elif is_native(value, deque):
        contents = list(deque.__iter__(value))
    elif is_native(value, tuple):
        contents = list(tuple.__iter__(value))
    return _Same(value), *(_fingerprint(part, depth + 1) for part in contents)
