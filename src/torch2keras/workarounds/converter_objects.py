"""TensorFlow's converter to LiteRT builds the objects of a SavedModel twice, and uses none of them.

It reads the names of the signatures from the first, and from the second what a SavedModel knows of
the lines of its ops, which only those have that were saved with `save_debug_info`. Then it collects
the garbage of all objects of the process, to be rid of its own (TensorFlow 2.21; two seconds for
ResNet50).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any


@contextmanager
def build_no_objects(key: str) -> Iterator[None]:
    """Let the converter read a SavedModel with one signature without building its objects."""
    lite: Any = importlib.import_module("tensorflow.lite.python.lite")
    messages = importlib.import_module("tensorflow.core.framework.graph_debug_info_pb2")
    known = SimpleNamespace(signatures={key: None}, graph_debug_info=messages.GraphDebugInfo())

    def load(*_: Any, **__: Any) -> SimpleNamespace:
        return known

    own = lite._load, lite.gc  # noqa: SLF001 - there is no other way in
    lite._load, lite.gc = load, SimpleNamespace(collect=int)  # noqa: SLF001
    try:
        yield
    finally:
        lite._load, lite.gc = own  # noqa: SLF001
