"""Modules switched to train mode by their flags alone, whatever their own `train` does."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from torch2keras.runtime.native_attributes import instance_dict, is_native, submodules


def set_train_flags(module: nn.Module, in_eval: Collection[str]) -> None:
    """Switch a module to train mode, but for its parts at these paths."""
    for path, part in submodules(module).items():
        attributes = instance_dict(part) or {}
        if "training" in attributes:
            attributes["training"] = path not in in_eval


def find_batch_norms(module: nn.Module) -> frozenset[str]:
    """Return the paths of batch normalizations, which Keras's layer knows of training for."""
    parts = submodules(module).items()
    return frozenset(path for path, part in parts if is_native(part, _BatchNorm))
