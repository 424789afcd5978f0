"""Leave everything as it was: the process, and a module that is run in it.

`isolate_process` keeps what is process-wide, `isolate_module` that and what the module holds, and
`silence_output` what is printed, logged and warned of. All put back what they keep after an error
too.
"""

from __future__ import annotations

import logging
import random
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from torch2keras.errors import InputError, list_names
from torch2keras.runtime.module_state import Held, note_modules
from torch2keras.runtime.native_attributes import (
    instance_dict,
    is_native,
    state_tensors,
    submodules,
)
from torch2keras.runtime.run_alone import SilentHere, patch_here
from torch2keras.workarounds.tensorflow_messages import drop_retracing_warnings
from torch2keras.workarounds.triton_import import load_exporter


class _Setting(NamedTuple):
    """One piece of process-wide state, as the functions that read and write it."""

    read: Callable[[], Any]
    write: Callable[[Any], object]


_SETTINGS = (
    # Keras draws the seeds of initialisers from Python's generator; the module may draw from any of
    # them.
    _Setting(random.getstate, random.setstate),
    _Setting(np.random.get_state, np.random.set_state),
    _Setting(torch.get_rng_state, torch.set_rng_state),
    # PyTorch's exporter switches grad mode, and forward may switch anything.
    _Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    _Setting(torch.get_default_dtype, torch.set_default_dtype),
    _Setting(torch.get_num_threads, torch.set_num_threads),
    _Setting(torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
    _Setting(
        lambda: torch.backends.opt_einsum.enabled,
        partial(setattr, torch.backends.opt_einsum, "enabled"),
    ),
    _Setting(keras.config.floatx, keras.config.set_floatx),
)


@contextmanager
def isolate_process() -> Iterator[None]:
    """Keep the process-wide settings that converting, building and verifying a model may change."""
    with ExitStack() as stack:
        stack.enter_context(drop_retracing_warnings())
        for setting in _SETTINGS:
            stack.callback(setting.write, setting.read())
        yield


@contextmanager
def isolate_module(
    module: nn.Module,
    *,
    seed: int | None = None,
    copy_state: bool = False,
    copy_matrices: bool = True,
) -> Iterator[None]:
    """Keep the process and all that the module holds; within, the module is in eval mode.

    Random numbers start from `seed` where one is given. The values of parameters and buffers are
    kept only with `copy_state`, which takes as much memory as they do: without it, run the module
    on copies of them; without `copy_matrices`, under a `Journal` (see `note_modules`). Raises
    InputError where a parameter has no value yet (a lazy module), since a run would give it one.
    """
    parts = submodules(module)
    check_initialised(parts)
    load_exporter()  # the first tree of tensors that is walked loads it in any case
    with isolate_process(), ExitStack() as stack:
        held = note_modules(parts, copy_state=copy_state, copy_matrices=copy_matrices)
        stack.callback(_restore_all, held)
        # The fused encoder zeroes padded positions, which neither the module in training nor its
        # export does.
        torch.backends.mha.set_fastpath_enabled(False)
        # The search for the best order of an einsum's operands reads sizes as numbers, so that each
        # size of an einsum of three operands would be fixed.
        torch.backends.opt_einsum.enabled = False
        if seed is not None:
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002 - the global one is kept
            # That of the CPU alone, which is put back: torch.manual_seed would seed all devices.
            torch.default_generator.manual_seed(seed)
        for part in parts.values():
            _set_eval_mode(part, stack)
        yield


def _restore_all(notes: Iterable[Held]) -> None:
    for held in notes:
        held.restore()


def _set_eval_mode(part: nn.Module, stack: ExitStack) -> None:
    """Switch a module's flag itself: an overridden `train` may merge adapters or fuse branches."""
    attributes = instance_dict(part) or {}
    if "training" in attributes:
        attributes["training"] = False
    elif is_native(part, torch.jit.ScriptModule):  # it keeps its flag in C++
        stack.callback(setattr, part, "training", part.training)
        part.training = False


def check_initialised(parts: Mapping[str, nn.Module]) -> None:
    """Raise InputError where a parameter or buffer of modules given by path has no value yet.

    Those of a lazy module have none before its first run, which would give them one.
    """
    names = [name for name, tensor in state_tensors(parts).items() if is_lazy(tensor)]
    if names:
        raise InputError(
            f"parameters that are not initialised: {list_names(names)}",
            [("next", "run one forward call first: lazy modules learn their sizes from it")],
        )


@contextmanager
def silence_output() -> Iterator[None]:
    """Drop what is printed, logged below an error or warned of.

    torch.export does all of it before it raises, and its error says it again. What other threads
    print and log passes; warnings are the whole process's before Python 3.14.
    """
    is_enabled = logging.Logger.isEnabledFor

    def is_error(logger: logging.Logger, level: int) -> bool:
        return level > logging.WARNING and is_enabled(logger, level)

    with (
        warnings.catch_warnings(),
        redirect_stdout(SilentHere(sys.stdout)),
        redirect_stderr(SilentHere(sys.stderr)),
        patch_here(logging.Logger, "isEnabledFor", is_error),
    ):
        warnings.simplefilter("ignore")
        yield
