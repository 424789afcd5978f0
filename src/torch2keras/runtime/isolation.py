"""Leave the process's global state as it was: random generators, grad mode, default dtype, Keras's settings."""

from __future__ import annotations

import io
import logging
import random
import warnings
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from itertools import chain
from typing import Any

import keras
import numpy as np
import torch
from torch import nn

from torch2keras.errors import InputError
from torch2keras.workarounds.triton_import import load_exporter


@contextmanager
def unchanged() -> Iterator[None]:
    """Restore, also after an error, what capture, building and verification may change.

    Keras draws the seeds of initialisers from Python's generator; PyTorch's exporter switches grad mode and flags.
    """
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002 - the module may use the global one
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        stack.callback(keras.config.set_floatx, keras.config.floatx())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        yield


@contextmanager
def eval_view(module: nn.Module) -> Iterator[None]:
    """Every submodule in eval mode, gradients on, no autocast, no fused attention kernels; all restored on exit.

    Training flags are set one by one, because a module may override `train()` to do more than that. Attributes that
    forward assigns, and the contents of lists and dicts that it changes, are put back, also after an error.
    """
    before = [(submodule, _snapshot(submodule.__dict__)) for submodule in module.modules()]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        with (
            torch.random.fork_rng(devices=[]),
            torch.enable_grad(),
            torch.autocast("cpu", enabled=False),
        ):
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
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


_RESTORED = (dict, OrderedDict, defaultdict, list, set, deque)


@contextmanager
def leave_undisturbed(module: nn.Module, seed: int) -> Iterator[None]:
    """Eval mode, no gradients, the random generators at `seed`; afterwards all of it is as it was."""
    for name, parameter in chain(module.named_parameters(), module.named_buffers()):
        if nn.parameter.is_lazy(parameter):
            rows = [
                ("module", name),
                ("next", "run the module once on an example, so that it takes its shapes"),
            ]
            raise InputError(
                f"{name} has no value yet: {type(module).__name__} is a lazy module", rows
            )
    load_exporter()  # the first tree of tensors that is walked loads it in any case
    with ExitStack() as stack:
        stack.callback(_restorer(module))
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002 - the module may use the global one
        # The fused encoder zeroes padded positions, which neither the module in training nor its export does.
        stack.callback(
            torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled()
        )
        torch.backends.mha.set_fastpath_enabled(False)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.no_grad())
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        # Not `module.eval()`: an overridden `train` may change weights (merging adapters, fusing branches).
        for part in module.modules():
            part.training = False
        yield


def _restorer(module: nn.Module) -> Callable[[], None]:
    """Note the attributes of all modules below `module`, and the containers among them; returns what puts them back."""
    flags = [(part, part.training) for part in module.modules()]
    noted = [(container, _content(container)) for container in _containers(module)]

    def restore() -> None:
        for container, content in noted:
            now = _content(container)
            if len(now) != len(content) or any(
                a is not b for a, b in zip(now, content, strict=True)
            ):
                _refill(container, content)
        for part, training in flags:
            if part.training != training:
                part.training = training

    return restore


def _containers(module: nn.Module) -> Iterator[Any]:
    """The attribute dicts of all modules reached from `module`, and the dicts, lists, sets and deques in them.

    Goes through modules, these containers and tuples; not into other objects, which may lead to anything.
    """
    seen: set[int] = set()
    stack: list[Any] = [module]
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, nn.Module):
            stack.append(vars(item))
        elif type(item) in _RESTORED:
            yield item
            stack.extend(item.values() if isinstance(item, dict) else item)
        elif isinstance(item, tuple):
            stack.extend(item)


def _content(container: Any) -> list[Any]:
    """Keys and values in turn, or the members."""
    return (
        list(chain.from_iterable(container.items()))
        if isinstance(container, dict)
        else list(container)
    )


def _refill(container: Any, content: list[Any]) -> None:
    container.clear()
    if isinstance(container, dict):
        container.update(zip(content[::2], content[1::2], strict=True))
    elif isinstance(container, set):
        container.update(content)
    else:
        container.extend(content)
