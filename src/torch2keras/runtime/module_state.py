"""Everything that a module holds, noted so that it can be put back after the module has run.

`nn.Module.state_dict` knows parameters and buffers; forward may change more: attributes, the
contents of lists and dicts in them, arrays, tensors that are no buffers, objects of the author's
own classes. Each is noted as one `Held`, which puts back what has changed and touches nothing else.
"""

from __future__ import annotations

import argparse
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from torch2keras.runtime.native_attributes import (
    instance_dict,
    is_native,
    slot_descriptors,
    state_tensors,
)


class Held(Protocol):
    """One thing that a module holds, as it was when it was noted."""

    def restore(self) -> None:
        """Put it back, where it has changed."""


def note_modules(
    parts: Mapping[str, nn.Module], *, copy_state: bool = False, copy_matrices: bool = True
) -> list[Held]:
    """Note what a module holds; its parts are given by path, as `submodules` gives them.

    The values of parameters and buffers are noted only with `copy_state`, because they may fill the
    memory; that they are these tensors is noted in any case. Everything else that is reached from
    the module is noted with its values, through modules, containers, and objects of which `_Notes`
    says that they are the module's own. Without `copy_matrices` parameters of several dimensions,
    which are nearly all of the memory, are left to a `Journal`. It sees what operators write that
    say so; the statistics that a batch norm writes without a word have one dimension.
    """
    without_values = set()
    for tensor in state_tensors(parts).values():
        is_matrix = is_native(tensor, nn.Parameter) and tensor.ndim > 1
        if not copy_state or (is_matrix and not copy_matrices):
            without_values.add(id(tensor))
    return _Notes(parts, without_values).held


# ---- the kinds of things that are held


@dataclass(frozen=True)
class _ContainerKind:
    """How the contents of a built-in container are read and replaced, whatever a subclass has."""

    read: Callable[[Any], Iterable[Any]]
    """Gives the elements; of a mapping, keys and values in turn."""
    clear: Callable[[Any], None]
    fill: Callable[[Any, list[Any]], None]


def _fill_dict(mapping: dict[Any, Any], content: list[Any]) -> None:
    dict.update(mapping, zip(content[::2], content[1::2], strict=True))


def _fill_ordered_dict(mapping: OrderedDict[Any, Any], content: list[Any]) -> None:
    for key, value in zip(content[::2], content[1::2], strict=True):
        OrderedDict.__setitem__(mapping, key, value)


_CONTAINERS: Mapping[type, _ContainerKind] = {
    OrderedDict: _ContainerKind(
        lambda mapping: chain.from_iterable(OrderedDict.items(mapping)),
        OrderedDict.clear,
        _fill_ordered_dict,
    ),
    dict: _ContainerKind(
        lambda mapping: chain.from_iterable(dict.items(mapping)), dict.clear, _fill_dict
    ),
    list: _ContainerKind(list.__iter__, list.clear, list.extend),
    set: _ContainerKind(set.__iter__, set.clear, set.update),
    deque: _ContainerKind(deque.__iter__, deque.clear, deque.extend),
}


class _HeldContents:
    """The elements of a list, dict, set or deque."""

    def __init__(self, container: Any, kind: _ContainerKind) -> None:
        self.container = container
        self.kind = kind
        self.content = list(kind.read(container))

    def restore(self) -> None:
        if not _are_identical(list(self.kind.read(self.container)), self.content):
            self.kind.clear(self.container)
            self.kind.fill(self.container, self.content)


def _are_identical(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(a is b for a, b in zip(left, right, strict=True))


class _HeldSlot:
    """One attribute of an object whose class has `__slots__`."""

    def __init__(self, owner: object, descriptor: types.MemberDescriptorType) -> None:
        self.owner = owner
        self.descriptor = descriptor
        self.value = self._read()

    def _read(self) -> tuple[Any, ...]:
        """Return the value alone in a tuple; an empty one where the slot is empty."""
        try:
            return (self.descriptor.__get__(self.owner),)
        except AttributeError:
            return ()

    def restore(self) -> None:
        if _are_identical(list(self._read()), list(self.value)):
            return
        if self.value:
            self.descriptor.__set__(self.owner, self.value[0])
        else:
            self.descriptor.__delete__(self.owner)


class _HeldClass:
    """The class of a module: a lazy one takes another when it learns its shapes."""

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.cls = type(owner)

    def restore(self) -> None:
        if type(self.owner) is not self.cls:
            object.__setattr__(self.owner, "__class__", self.cls)


class _HeldArray:
    """The values of a NumPy array."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.values = array.copy()

    def restore(self) -> None:
        if self.array.tobytes() != self.values.tobytes():
            np.copyto(self.array, self.values)


class _HeldTensor:
    """The memory that a tensor is a view of, which `tensor.data = other` changes, and its class."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor
        self.cls = type(tensor)
        self.data = tensor.data

    def restore(self) -> None:
        if type(self.tensor) is self.cls and self.tensor.data.is_set_to(self.data):
            return
        self.tensor.data = self.data
        self.tensor.__class__ = self.cls


class _HeldStorage:
    """The values in the memory of a tensor, bit by bit."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.bytes = _storage_bytes(tensor)
        self.values = self.bytes.clone()

    def restore(self) -> None:
        if not torch.equal(self.bytes, self.values):
            self.bytes.copy_(self.values)


def _storage_bytes(tensor: torch.Tensor) -> torch.Tensor:
    """Return a view of all of a tensor's memory; to write to it is no new version of the tensor."""
    storage = tensor.untyped_storage()
    view = torch.empty(0, dtype=torch.uint8, device=tensor.device)
    return view.set_(storage, 0, (storage.nbytes(),), (1,))


# ---- the walk


_TENSORS = (
    torch.Tensor,
    nn.Parameter,
    UninitializedParameter,
    UninitializedBuffer,
)
"""The classes of tensors that are noted; others may hold their numbers anywhere."""

_PLAIN_OBJECTS = (types.SimpleNamespace, argparse.Namespace)

_ATOMS = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size)


class _Notes:
    """Walks through what is reached from a module, and notes it.

    The walk goes through modules, containers, and objects that are plainly the module's own:
    namespaces, and those whose class comes from a package that defines one of the modules. Other
    objects may lead to anything, such as loggers and what all of the process shares, and to put
    that back would do harm.
    """

    def __init__(self, parts: Mapping[str, nn.Module], without_values: set[int]) -> None:
        self.held: list[Held] = []
        self._without_values = without_values
        self._packages = list_packages(parts)
        self._ways: dict[type, _Way] = {}
        self._seen: set[int] = set()
        self._storages: set[int] = set()
        self._pending: list[Any] = list(parts.values())
        while self._pending:
            item = self._pending.pop()
            if type(item) not in _ATOMS and id(item) not in self._seen:
                self._seen.add(id(item))
                self._note(item)

    def _note(self, item: Any) -> None:
        cls = type(item)
        if cls in _TENSORS:
            self._note_tensor(item)
            return
        if cls is np.ndarray:
            self._note_array(item)
            return
        way = self._ways.get(cls)
        if way is None:
            way = self._ways[cls] = _find_way(item, self._packages)
        if way.is_tuple:
            self._pending += tuple.__iter__(item)
        if way.container is not None:
            self._note_contents(item, way.container)
        if way.is_module:
            self.held.append(_HeldClass(item))
        if way.has_attributes:
            self._note_attributes(item, way.slots)

    def _note_attributes(self, item: object, slots: tuple[types.MemberDescriptorType, ...]) -> None:
        attributes = instance_dict(item)
        if attributes is not None:
            self._note_contents(attributes, _CONTAINERS[dict])
        for descriptor in slots:
            slot = _HeldSlot(item, descriptor)
            self.held.append(slot)
            self._pending += slot.value

    def _note_contents(self, container: Any, kind: _ContainerKind) -> None:
        contents = _HeldContents(container, kind)
        self.held.append(contents)
        self._pending += contents.content

    def _note_array(self, array: np.ndarray) -> None:
        if array.flags.writeable and array.dtype != object:
            self.held.append(_HeldArray(array))

    def _note_tensor(self, tensor: torch.Tensor) -> None:
        if tensor.layout != torch.strided or tensor.is_meta:
            return
        held = _HeldTensor(tensor)
        self.held.append(held)
        if id(tensor) in self._without_values:
            return
        # Not by data_ptr, which is 0 for every empty tensor.
        storage = held.data.untyped_storage()._cdata  # noqa: SLF001 - see above
        if storage not in self._storages:
            self._storages.add(storage)
            self.held.append(_HeldStorage(held.data))


@dataclass(frozen=True)
class _Way:
    """How the walk goes through the objects of one class."""

    is_tuple: bool
    container: _ContainerKind | None
    is_module: bool
    has_attributes: bool
    slots: tuple[types.MemberDescriptorType, ...]


def _find_way(item: object, packages: set[str]) -> _Way:
    is_module = is_native(item, nn.Module)
    return _Way(
        is_native(item, tuple),
        next((kind for base, kind in _CONTAINERS.items() if is_native(item, base)), None),
        is_module,
        is_module or is_own_object(item, packages),
        tuple(slot_descriptors(item)),
    )


def list_packages(parts: Mapping[str, nn.Module]) -> set[str]:
    """Return the top packages that define the modules, PyTorch apart."""
    return {_find_package(type(part)) for part in parts.values()} - {"torch", ""}


def is_own_object(item: object, packages: set[str]) -> bool:
    """Whether an object belongs to the authors of these packages (see `_Notes`)."""
    cls = type(item)
    if issubclass(cls, (type, types.ModuleType, types.FunctionType)):
        return False
    return cls in _PLAIN_OBJECTS or _find_package(cls) in packages


def _find_package(cls: type) -> str:
    """Return the top package in which a class is defined; "" where the class does not say."""
    name = cls.__dict__.get("__module__", "")
    return name.partition(".")[0] if isinstance(name, str) else ""
