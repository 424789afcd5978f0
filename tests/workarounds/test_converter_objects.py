"""The converter builds the objects of a SavedModel twice, and gives the same file without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.lite.python import lite

from torch2keras.workarounds.converter_objects import build_no_objects


@pytest.fixture
def folder(tmp_path: Path) -> str:
    module = tf.Module()
    module.factor = tf.Variable(tf.ones((3,)))
    specs = [tf.TensorSpec((1, 3), name="x")]
    serve = tf.function(lambda x: {"y": x * module.factor}, input_signature=specs)
    signatures = {"serve": serve.get_concrete_function()}
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=signatures)
    return str(tmp_path / "net")


def convert(folder: str) -> bytes:
    read = tf.lite.TFLiteConverter.from_saved_model
    content: bytes = read(folder, signature_keys=["serve"]).convert()
    return content


def test_converter_still_builds_objects_twice(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own: Callable[..., Any] = lite._load
    places = []

    def load(place: str, *args: Any, **kwargs: Any) -> Any:
        places.append(place)
        return own(place, *args, **kwargs)

    monkeypatch.setattr(lite, "_load", load)
    convert(folder)
    assert places == [folder, folder]


def test_file_is_the_same_without_them(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = convert(folder)
    with monkeypatch.context() as patch:
        patch.setattr(lite, "_load", None)
        with build_no_objects("serve"):
            found = convert(folder)
        assert lite._load is None
    assert found == exact
    assert lite.gc.collect
