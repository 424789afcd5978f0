"""What an object holds, read without asking its class: no property and no `__getattr__` runs.

The modules that are converted are strangers. Their classes may answer a question by computing,
raising or changing something; what is read here is what Python itself keeps for an object.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard, TypeVar, cast

import torch
from torch import nn

T = TypeVar("T")

_NATIVE_DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)


def is_native(value: object, kind: type[T]) -> TypeGuard[T]:
    """Return whether the type of `value` is `kind`, or derives from it.

    Unlike `isinstance` it never reads `value.__class__`, which proxies answer by loading what they
    stand for.
    """
    return kind in type(value).__mro__


def instance_dict(value: object) -> dict[str, Any] | None:
    """Return the dict of an object's own attributes, itself and no copy; None if there is none."""
    for known in type(value).__mro__:
        descriptor = known.__dict__.get("__dict__")
        if isinstance(descriptor, _NATIVE_DESCRIPTORS):
            return cast("dict[str, Any]", descriptor.__get__(value))
    return None


def slot_descriptors(value: object) -> Iterator[types.MemberDescriptorType]:
    """Yield the descriptors of the `__slots__` of an object's classes, filled or empty."""
    for known in type(value).__mro__:
        if "__slots__" not in known.__dict__:
            continue
        for member in known.__dict__.values():
            if type(member) is types.MemberDescriptorType:
                yield member


def submodules(module: nn.Module) -> dict[str, nn.Module]:
    """Return path -> module for `module` itself, at "", and those registered below it, each once.

    It is `dict(module.named_modules())`, whatever a class makes of that method.
    """
    found: dict[int, tuple[str, nn.Module]] = {}
    pending = [("", module)]
    while pending:
        path, part = pending.pop()
        if id(part) in found:
            continue
        found[id(part)] = (path, part)
        prefix = f"{path}." if path else ""
        below = [(prefix + name, child) for name, child in _children(part).items()]
        pending += reversed(below)
    return dict(found.values())


def walk_submodules(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the path and module of `submodules`, a shared module under each of its paths."""
    pending: list[tuple[str, nn.Module, frozenset[int]]] = [("", module, frozenset())]
    while pending:
        path, part, above = pending.pop()
        if id(part) in above:
            continue
        yield path, part
        prefix = f"{path}." if path else ""
        around = above | {id(part)}
        below = [(prefix + name, child, around) for name, child in _children(part).items()]
        pending += reversed(below)


def _children(module: nn.Module) -> dict[str, Any]:
    if is_native(module, torch.jit.ScriptModule):  # it keeps its parts in C++
        return dict(module.named_children())
    return {
        name: child
        for name, child in own_members(module, "_modules").items()
        if is_native(child, nn.Module)
    }


def own_members(module: nn.Module, kind: str) -> dict[str, Any]:
    """Return by name what a module itself registers.

    `kind` is "_modules", "_parameters" or "_buffers".
    """
    held = (instance_dict(module) or {}).get(kind)
    if not is_native(held, dict):
        return {}
    return dict(dict.items(held))


def state_tensors(parts: Mapping[str, nn.Module]) -> dict[str, torch.Tensor]:
    """Return path -> tensor for the parameters, then the buffers, of modules given by path.

    A tensor that has several paths comes once, at the first of them.
    """
    found: dict[int, tuple[str, torch.Tensor]] = {}
    for kind in ("_parameters", "_buffers"):
        for path, part in parts.items():
            prefix = f"{path}." if path else ""
            for name, tensor in own_members(part, kind).items():
                if is_native(tensor, torch.Tensor):
                    found.setdefault(id(tensor), (prefix + name, tensor))
    return dict(found.values())
