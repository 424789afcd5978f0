"""The number of channels is known where each model that is built has it too."""

from __future__ import annotations

import keras
import pytest

from source_graphs import Maker
from torch2keras.keras_graph.channels import JOINED, KEPT, MADE, find_channels


def test_channels_follow_from_the_layers() -> None:
    maker = Maker(shape=(None, 32, 8))
    x = maker.layer("Conv1D", 0, "a", filters=16, kernel_size=3)
    y = maker.layer("MaxPooling1D", maker.layer("ReLU", x, "b"), "c", pool_size=2)
    z = maker.op("add", y, maker.layer("Dense", y, "d", units=16))
    other = maker.op("add", z, 0)
    reshaped = maker.op("reshape", z, (-1, 16))
    assert find_channels(maker.graph(other, reshaped)) == dict.fromkeys(range(1, z + 1), 16) | {
        0: 8
    }


def test_an_input_without_channels_has_none() -> None:
    assert find_channels(Maker(shape=(None,)).graph(0)) == {}
    assert find_channels(Maker(shape=(None, None)).graph(0)) == {}


@pytest.mark.parametrize("target", sorted([*MADE, *KEPT]))
def test_the_layers_have_them(target: str) -> None:
    cls = target.removeprefix("layers.")
    rank = next((int(letter) for letter in cls if letter.isdigit()), 2)
    required = {
        "AveragePooling": {"pool_size": 2},
        "Conv": {"kernel_size": 1},
        "Embedding": {"input_dim": 9},
        "Dropout": {"rate": 0.5},
    }
    config = {}
    for start, given in required.items():
        config.update(given if cls.startswith(start) else {})
    config.update({"groups": 2} if cls.startswith("Group") else {})
    config.update({"activation": "relu"} if cls == "Activation" else {})
    if target in MADE:
        config[MADE[target]] = 6
    shape = (2,) if cls == "Embedding" else (5,) * rank + (4,)
    value = getattr(keras.layers, cls)(**config)(keras.Input(shape))
    assert value.shape[-1] == (6 if target in MADE else 4)


@pytest.mark.parametrize("target", sorted(JOINED))
def test_the_ops_have_them(target: str) -> None:
    x = keras.Input((5, 4))
    assert getattr(keras.ops, target.removeprefix("ops."))(x, x).shape[-1] == 4
