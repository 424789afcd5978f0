"""Keep a module, and PyTorch's global state, exactly as they were while it is captured."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import nn


@contextmanager
def eval_view(module: nn.Module) -> Iterator[None]:
    """Every submodule in eval mode, gradients on, no autocast, no fused attention kernels; all restored on exit.

    Training flags are set one by one, because a module may override `train()` to do more than that. Attributes that
    forward assigns, and the contents of lists and dicts that it changes, are put back, also after an error.
    """
    before = [(submodule, _snapshot(submodule.__dict__)) for submodule in module.modules()]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad(), torch.autocast("cpu", enabled=False):
            torch.backends.mha.set_fastpath_enabled(False)
            for submodule, _ in before:
                submodule.training = False
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for submodule, state in before:
            _restore(submodule.__dict__, state)


def _snapshot(state: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Attribute -> (the object, a shallow copy of its contents where it is a plain container)."""
    return {name: (value, _contents(value)) for name, value in state.items()}


def _contents(value: Any) -> Any:
    return value.copy() if isinstance(value, (list, dict, set)) else None


def _restore(state: dict[str, Any], before: dict[str, tuple[Any, Any]]) -> None:
    for name in [name for name in state if name not in before]:
        del state[name]
    for name, (value, contents) in before.items():
        if isinstance(value, list):
            value[:] = contents
        elif isinstance(value, (dict, set)):
            value.clear()
            value.update(contents)
        state[name] = value


@contextmanager
def quiet() -> Iterator[None]:
    """Without the graphs, logs and warnings that torch.export prints before it raises: the error says it all."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
