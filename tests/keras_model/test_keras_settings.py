"""Models are the same under any keras.json, and say so in the file."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.keras_model.keras_settings import (
    DATA_FORMAT,
    refuse_stateless_scope,
    say_channels_last,
)


@pytest.fixture
def channels_first() -> Iterator[None]:
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    assert keras.config.image_data_format() == "channels_first"
    keras.config.set_image_data_format(before)


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


KERNEL = torch.linspace(-1, 1, 5 * 3 * 3 * 3).reshape(5, 3, 3, 3)

CASES = {
    "conv1d": (nn.Conv1d(3, 5, 3), (2, 3, 11)),
    "conv2d": (nn.Conv2d(3, 5, 3, padding=1), (2, 3, 7, 11)),
    "conv3d": (nn.Conv3d(3, 5, 3), (2, 3, 5, 7, 11)),
    "transposed": (nn.ConvTranspose1d(3, 5, 3, stride=2), (2, 3, 11)),
    "transposed2d": (nn.ConvTranspose2d(3, 5, 3), (2, 3, 7, 11)),
    "depthwise": (nn.Conv2d(3, 6, 3, groups=3), (2, 3, 7, 11)),
    "depthwise1d": (nn.Conv1d(3, 6, 3, groups=3), (2, 3, 11)),
    "depthwise3d": (nn.Conv3d(3, 3, 3, groups=3), (2, 3, 5, 7, 11)),
    "grouped": (nn.Conv2d(6, 9, 3, groups=3), (2, 6, 7, 11)),
    "max1d": (nn.MaxPool1d(2), (2, 3, 11)),
    "max2d": (nn.MaxPool2d(2), (2, 3, 7, 11)),
    "max3d": (nn.MaxPool3d(2), (2, 3, 5, 7, 11)),
    "mean1d": (nn.AvgPool1d(3), (2, 3, 11)),
    "mean2d": (nn.AvgPool2d(3), (2, 3, 7, 11)),
    "mean3d": (nn.AvgPool3d(2), (2, 3, 5, 7, 11)),
    "global": (nn.AdaptiveAvgPool2d(1), (2, 3, 7, 11)),
    "adaptive": (nn.AdaptiveMaxPool2d(4), (2, 3, 7, 11)),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), (2, 3, 7, 11)),
    "nearest": (nn.Upsample(scale_factor=2), (2, 3, 7, 11)),
    "padding": (nn.ZeroPad2d(2), (2, 3, 7, 11)),
    "shuffle": (nn.PixelShuffle(2), (2, 12, 7, 11)),
    "dropout": (nn.Dropout2d(), (2, 3, 7, 11)),
    "norm": (nn.BatchNorm2d(3), (2, 3, 7, 11)),
    "group norm": (nn.GroupNorm(3, 6), (2, 6, 7, 11)),
    "unfold": (nn.Unfold(3), (2, 3, 7, 11)),
    "flattened": (nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten()), (2, 3, 7, 11)),
    "computed kernel": (Call(lambda x: nn.functional.conv2d(x, x[:1] + KERNEL)), (2, 3, 3, 3)),
}


@pytest.mark.usefixtures("channels_first")
@pytest.mark.parametrize("kind", CASES)
def test_another_keras_json_changes_nothing(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    module, shape = CASES[kind]
    x = torch.randn(shape)
    converted = t2k.convert(module.eval(), (x,))
    assert converted.verification is not None
    path = converted.save(tmp_path / "model.keras")
    ours = [np.asarray(converted.model(port)) for port in converted._store([x])]
    for setting in ("channels_last", "channels_first"):
        keras.config.set_image_data_format(setting)
        loaded = keras.saving.load_model(path)
        theirs = [np.asarray(loaded(port)) for port in converted._store([x])]
        assert np.array_equal(ours[0], theirs[0])


def test_every_layer_and_op_that_asks_is_answered() -> None:
    asked = 0
    for home in (keras.layers, keras.ops):
        for name in dir(home):
            found = getattr(home, name)
            if callable(found) and DATA_FORMAT in inspect.signature(found).parameters:
                asked += 1
                assert say_channels_last(found, {"a": 1}) == {"a": 1, DATA_FORMAT: "channels_last"}
    assert asked > 50
    assert say_channels_last(keras.layers.Dense, {"units": 3}) == {"units": 3}
    assert say_channels_last(keras.layers.Conv1D, {DATA_FORMAT: "x"}) == {DATA_FORMAT: "x"}


def test_a_stateless_scope_is_refused() -> None:
    layer, x = nn.Linear(3, 5), torch.randn(2, 3)
    converted = t2k.convert(layer, (x,))
    refuse_stateless_scope()
    with keras.StatelessScope():
        for act in (
            refuse_stateless_scope,
            lambda: t2k.convert(layer, (x,)),
            lambda: t2k.explain(layer),
            lambda: converted.load_state_dict(layer.state_dict()),
        ):
            with pytest.raises(t2k.InputError, match="StatelessScope"):
                act()
    converted.load_state_dict(layer.state_dict())
    assert t2k.convert(layer, (x,)).verification is not None
