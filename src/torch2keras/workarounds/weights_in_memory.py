"""Keras keeps a copy of all weights in memory while it saves a model, if there is room for it.

For small models that is faster than a file; a large one needs its memory twice, and once more for
the archive. (Keras 3.15.1, keras/src/saving/saving_lib.py, `is_memory_sufficient`.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

LARGE = 2**26
"""The number of weights that Keras may no longer keep a copy of."""


@contextmanager
def hold_weights_on_disk(model: keras.Model) -> Iterator[None]:
    """Let Keras write the weights of a large model to a file before they go into the archive."""
    from keras.src.saving import saving_lib

    if not is_large(model):
        yield
        return
    own = getattr(saving_lib, "is_memory_sufficient", None)
    if own is None:  # another version of Keras, which does as it does
        yield
        return

    def is_memory_sufficient(saved: Any) -> bool:
        return saved is not model and bool(own(saved))

    saving_lib.is_memory_sufficient = is_memory_sufficient
    try:
        yield
    finally:
        saving_lib.is_memory_sufficient = own


def is_large(model: keras.Model) -> bool:
    """Return whether Keras may not keep a copy of a model's weights."""
    count: int = sum(math.prod(weight.shape) for weight in model.weights)
    return count >= LARGE
