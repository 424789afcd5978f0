"""What a report says of a module: read at the conversion, because the module may change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from torch2keras.runtime.native_attributes import instance_dict, submodules


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


def read_module_facts(module: nn.Module) -> ModuleFacts:
    """Return the facts of a module as it is now."""
    names: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    parameters = list(module.parameters())
    trainable = _count_elements(p for p in parameters if p.requires_grad)
    still = set()
    for path, part in submodules(module).items():
        if (instance_dict(part) or {}).get("momentum", 0.1) is None:
            still.add(path)
    return ModuleFacts(
        trainable=trainable,
        frozen=_count_elements(parameters) - trainable,
        buffers=_count_elements(module.buffers()),
        parameters=tuple(name for name, _ in module.named_parameters()),
        tied=tuple(tuple(group) for group in names.values() if len(group) > 1),
        without_momentum=frozenset(still),
    )


def _count_elements(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)
