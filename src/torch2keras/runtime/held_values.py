"""Run a module with other values in its tensors, and leave it as it was."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from torch2keras.errors import InputError
from torch2keras.runtime.native_attributes import instance_dict, is_native, own_members


@contextmanager
def hold_state(
    module: nn.Module, state: Mapping[str, torch.Tensor], required: Collection[str]
) -> Iterator[None]:
    """Let the tensors at these paths have other values within.

    Each tensor stays the object that it is, and gets other memory: nothing is copied, and what
    refers to the object sees the new values. Raises InputError where the module has no tensor at a
    `required` path any more.
    """
    before: list[tuple[torch.Tensor, torch.Tensor]] = []
    try:
        for path, values in state.items():
            tensor = _find_tensor(module, path)
            if tensor is not None:
                before.append((tensor, tensor.data))
                tensor.data = values.to(tensor.device)
            elif path in required:
                raise InputError(
                    f"the module no longer has {path}, which it was converted with",
                    [("next", "convert the module as it is now")],
                )
        yield
    finally:
        for tensor, data in reversed(before):
            tensor.data = data


def _find_tensor(module: nn.Module, path: str) -> torch.Tensor | None:
    """Return the parameter, buffer or attribute at a path, or None."""
    *names, last = path.split(".")
    part: object = module
    for name in names:
        if not is_native(part, nn.Module):
            return None
        part = own_members(part, "_modules").get(name)
    if not is_native(part, nn.Module):
        return None
    own = instance_dict(part) or {}
    for table in (own_members(part, "_parameters"), own_members(part, "_buffers"), own):
        tensor = table.get(last)
        if is_native(tensor, torch.Tensor):
            return tensor
    return None
