"""Modules as their owners hold them after training: inside of a wrapper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from torch2keras.runtime.native_attributes import own_members

WRAPPERS: Mapping[str, str] = {
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "torch.optim.swa_utils.AveragedModel": "module",
}
"""Class of a wrapper -> the name under which it holds the module. None of them changes a number."""


def unwrap_module(module: Any) -> tuple[Any, tuple[str, ...]]:
    """Return the module inside of wrappers for parallel, compiled or averaged running, and notes.

    Its layers and weights are then named as its author named them, without `module.` before them.
    What is no wrapper is returned itself.
    """
    notes: list[str] = []
    while isinstance(module, nn.Module):
        cls = type(module)
        held_as = WRAPPERS.get(f"{cls.__module__}.{cls.__qualname__}")
        inner = own_members(module, "_modules").get(held_as or "")
        if inner is None:
            break
        notes.append(
            f"Converted is the module inside of {cls.__name__}; names have no {held_as!r}."
        )
        module = inner
    return module, tuple(notes)
