"""Packages that only some commands need, imported when they are."""

from __future__ import annotations

import importlib
import logging
from typing import Any

from torch2keras.errors import InputError, SourceError
from torch2keras.workarounds.tensorflow_messages import import_keras_quietly
from torch2keras.workarounds.triton_import import load_exporter


def import_package(module: str, distribution: str, source: str) -> Any:
    """Return a module of another package. Raises SourceError where the package is not installed."""
    load_exporter()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != distribution:
            raise
        raise SourceError(
            f"{source} needs the package {distribution}, which is not installed",
            [("next", f"pip install {distribution}")],
        ) from error


def import_keras() -> None:
    """Import Keras quietly. Raises InputError where its backend is not installed."""
    try:
        import_keras_quietly()
    except ModuleNotFoundError as error:
        step = (
            "pip install 'torch2keras[tensorflow]', "
            "or set KERAS_BACKEND to a backend that is installed"
        )
        raise InputError(
            f"Keras cannot start: there is no module {error.name!r}", [("next", step)]
        ) from error
    except ValueError as error:  # so Keras says of a backend that it does not know
        step = "set KERAS_BACKEND to tensorflow, jax or torch"
        raise InputError(f"Keras cannot start: {error}", [("next", step)]) from error
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
