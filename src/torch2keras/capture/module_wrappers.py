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
    "ultralytics.engine.model.Model": "model",
}
"""Class of a wrapper -> the name under which it holds the module.

None of PyTorch's changes a number. Ultralytics' `YOLO(...)` reads images and draws boxes.
"""


def unwrap_module(module: Any) -> tuple[Any, tuple[str, ...]]:
    """Return the module inside of wrappers for parallel, compiled or averaged running, and notes.

    Its layers and weights are then named as its author named them, without `module.` before them.
    What is no wrapper is returned itself.
    """
    notes: list[str] = []
    while isinstance(module, nn.Module):
        cls = type(module)
        held_as = _find_name(cls)
        inner = own_members(module, "_modules").get(held_as or "")
        if inner is None:
            break
        notes.append(
            f"Converted is the module inside of {cls.__name__}; names have no {held_as!r}."
        )
        module = inner
    return module, tuple(notes)


def _find_name(cls: type) -> str | None:
    """Return the name under which a wrapper, or a class that is made of one, holds its module."""
    for base in cls.__mro__:
        held_as = WRAPPERS.get(f"{base.__module__}.{base.__qualname__}")
        if held_as is not None:
            return held_as
    return None
