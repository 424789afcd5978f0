"""Settings of Keras that a model of ours must not hang on, when it is made and when it is loaded.

`image_data_format` in `keras.json` stands for each `data_format` that is not given: what we make is
channels last, and says so. A `keras.StatelessScope` keeps what is assigned for itself, and forgets
it at its end.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from keras.src.backend.common.stateless_scope import in_stateless_scope

from torch2keras.errors import InputError

DATA_FORMAT = "data_format"


def say_channels_last(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments for a layer's class or an op: with our data format, if it has one.

    What is given stays.
    """
    if DATA_FORMAT in given or not _has_data_format(function):
        return dict(given)
    return {**given, DATA_FORMAT: "channels_last"}


@functools.cache
def _has_data_format(function: Callable[..., Any]) -> bool:
    try:
        return DATA_FORMAT in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def refuse_stateless_scope() -> None:
    """Raise InputError within a `keras.StatelessScope`."""
    if in_stateless_scope():
        raise InputError(
            "weights cannot be set within a keras.StatelessScope",
            [
                ("why", "it keeps what is assigned for itself, and forgets it at its end"),
                ("next", "convert, and load weights, outside of it"),
            ],
        )
