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

    own = getattr(saving_lib, "is_memory_sufficient", None)
    if own is None:  # another version of Keras, which does as it does
        yield
        return

    def is_memory_sufficient(saved: Any) -> bool:
        is_large = sum(math.prod(weight.shape) for weight in saved.weights) >= LARGE
        return bool(own(saved)) and not (saved is model and is_large)

    saving_lib.is_memory_sufficient = is_memory_sufficient
    try:
        yield
    finally:
        saving_lib.is_memory_sufficient = own
