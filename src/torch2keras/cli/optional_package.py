"""Packages that are needed only by some commands."""

from __future__ import annotations

import importlib
from typing import Any

from torch2keras.errors import SourceError
from torch2keras.workarounds.triton_import import load_exporter


def package(module: str, distribution: str, source: str) -> Any:
    """A module of another package. Raises SourceError where it is not installed."""
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
