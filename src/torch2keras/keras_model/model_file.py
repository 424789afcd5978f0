"""A `.keras` file or folder of shards as a model: nothing of it is run, no weight is missing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras

from torch2keras.errors import InputError, UnsafeFileError
from torch2keras.keras_model.sharded_files import read_sharded
from torch2keras.runtime.stored_records import list_stored_records
from torch2keras.runtime.typed_errors import describe_exception


class _WeightCount:
    """The bytes of the weights that layers have asked for, which may be no more than `most`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.bytes = 0

    @property
    def is_exceeded(self) -> bool:
        return self.bytes > self.most

    def add(self, layer: keras.Layer, shape: Any, dtype: Any) -> None:
        """Count a weight. Raises MemoryError where it is too much."""
        name = keras.backend.standardize_dtype(dtype or layer.variable_dtype)
        bits = int("".join(letter for letter in name if letter.isdigit())[-2:] or 8)
        self.bytes += math.prod(map(int, shape or ())) * bits // 8
        if self.is_exceeded:
            raise MemoryError("more weights than the file has")


def open_model(path: Path, *, compiled: bool = False) -> keras.Model:
    """Return the model of a file, with its optimizer where it is `compiled`, or of a folder.

    Raises UnsafeFileError where it holds code, as a Lambda layer does, and InputError where it
    cannot be read, or would be larger in memory than as a file.
    """
    try:
        size = _count_bytes(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, describe_exception(error)) from error
    count = _WeightCount(size)
    try:
        with _count_weights(count):
            if path.is_dir():
                model: keras.Model = read_sharded(path)
            else:
                model = keras.saving.load_model(path, compile=compiled, safe_mode=True)
    except Exception as error:
        if count.is_exceeded:
            raise _unreadable(path, "its config asks for more weights than it has") from error
        text = str(error).strip().partition("\n")[0]
        if "unsafe" in str(error) or "Lambda" in str(error):
            step = "load it yourself with safe_mode=False where you trust it, and give the model"
            rows = [("keras", text), ("next", step)]
            raise UnsafeFileError(f"{path} holds code", rows) from error
        raise _unreadable(path, text or type(error).__name__) from error
    if not isinstance(model, keras.Model):
        raise _unreadable(path, f"it holds an object of {type(model).__name__}")
    return model


def _count_bytes(path: Path) -> int:
    """Return the bytes of a file or folder. Raises OSError, and ValueError for a broken archive."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    size = path.stat().st_size
    list_stored_records(path, size)
    return size


@contextmanager
def _count_weights(count: _WeightCount) -> Iterator[None]:
    """Let each weight be counted before a layer makes it."""
    make_weight = keras.Layer.add_weight

    def add_weight(layer: keras.Layer, *args: Any, **options: Any) -> Any:
        shape, dtype = options.get("shape"), options.get("dtype")
        count.add(layer, args[0] if args else shape, dtype)
        return make_weight(layer, *args, **options)

    with patch.object(keras.Layer, "add_weight", add_weight):
        yield


def _unreadable(path: Path, why: str) -> InputError:
    step = "save the model again with model.save(FILE), or load it yourself and give the model"
    return InputError(f"cannot read the Keras model {path}", [("keras", why), ("next", step)])
