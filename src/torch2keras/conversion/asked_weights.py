"""A module with the weights that a caller names, in place of its own."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from torch2keras.checkpoints.checkpoint_files import open_checkpoint
from torch2keras.checkpoints.empty_modules import fill_module
from torch2keras.errors import InputError
from torch2keras.runtime.typed_errors import describe_exception


def give_weights(
    module: nn.Module, source: Any, *, trust: bool = False
) -> tuple[nn.Module, list[str]]:
    """Return a copy of a module that has the weights of a file, folder or state_dict; and notes.

    Of a module on "meta" the copy takes no memory, and the weights stay mapped from the file.
    Raises InputError where the module cannot be copied or the weights are not its own, and what
    reading the file does.
    """
    checkpoint = open_checkpoint(source, trust=trust)
    try:
        own = copy.deepcopy(module)
    except Exception as error:  # a stranger's module may raise anything
        step = "load them yourself, module.load_state_dict(state, assign=True), and leave them out"
        raise InputError(
            "no copy of the module can be made that has these weights",
            [("why", describe_exception(error)), ("next", step)],
        ) from error
    return own, fill_module(own, checkpoint)
