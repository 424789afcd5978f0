"""What a report says of a module: read at the conversion, because the module may change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from torch2keras.runtime.native_attributes import (
    instance_dict,
    is_native,
    own_members,
    walk_submodules,
)


@dataclass(frozen=True)
class ModuleFacts:
    """Numbers of scalars, and names."""

    trainable: int
    frozen: int
    buffers: int
    parameters: tuple[str, ...]
    """Each parameter by its first name."""
    tied: tuple[tuple[str, ...], ...]
    """The names of each parameter that has several."""
    without_momentum: frozenset[str]
    """The paths of normalizations with momentum=None, a cumulative average."""
    classes: Mapping[str, str]
    """The class of each submodule by its path."""
    class_paths: Mapping[str, str]
    """The same as they are imported: "torch.nn.modules.conv.Conv1d"."""


def read_module_facts(module: nn.Module) -> ModuleFacts:
    """Return the facts of a module as it is now."""
    tensors: dict[str, dict[int, torch.Tensor]] = {"_parameters": {}, "_buffers": {}}
    names: dict[int, list[str]] = {}
    still = set()
    classes: dict[str, str] = {}
    class_paths: dict[str, str] = {}
    for path, part in walk_submodules(module):
        cls = type(part)
        classes[path] = cls.__name__
        class_paths[path] = f"{cls.__module__}.{cls.__qualname__}"
        prefix = f"{path}." if path else ""
        for kind, known in tensors.items():
            for name, tensor in own_members(part, kind).items():
                if is_native(tensor, torch.Tensor):
                    known[id(tensor)] = tensor
                    names.setdefault(id(tensor), []).append(prefix + name)
        if (instance_dict(part) or {}).get("momentum", 0.1) is None:
            still.add(path)
    parameters = tensors["_parameters"]
    groups = [tuple(names[key]) for key in parameters]
    trainable = _count_elements(p for p in parameters.values() if p.requires_grad)
    return ModuleFacts(
        trainable=trainable,
        frozen=_count_elements(parameters.values()) - trainable,
        buffers=_count_elements(tensors["_buffers"].values()),
        parameters=tuple(group[0] for group in groups),
        tied=tuple(group for group in groups if len(group) > 1),
        without_momentum=frozenset(still),
        classes=classes,
        class_paths=class_paths,
    )


def _count_elements(tensors: Iterable[torch.Tensor]) -> int:
    """Count real numbers: a complex one has two."""
    return sum(tensor.numel() * (1 + tensor.is_complex()) for tensor in tensors)
