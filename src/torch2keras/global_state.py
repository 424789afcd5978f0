"""Leave the process's global state as it was: random generators, grad mode, default dtype, Keras's settings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import keras
import numpy as np
import torch


@contextmanager
def unchanged() -> Iterator[None]:
    """Restore, also after an error, what capture, building and verification may change.

    Keras draws the seeds of initialisers from Python's generator; PyTorch's exporter switches grad mode and flags.
    """
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002 - it is the global one that is kept
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        stack.callback(keras.config.set_floatx, keras.config.floatx())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        yield
