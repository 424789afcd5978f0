"""Weights into a twin: verified, all or nothing."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

import torch2keras as t2k
from strange_layers import (
    Net,
    Scale,
    SealedScale,
    WrittenDense,
    WrittenKerasNorm,
    make_example,
    make_twin,
)
from torch2keras.runtime.arrays import to_numpy
from torch2keras.twins.assignments import list_weights
from torch2keras.twins.causes.cause import CauseKind
from twin_nets import NETS, make_pair, predict, settle


@pytest.mark.parametrize("name", NETS)
def test_every_weight_finds_its_place(name: str) -> None:
    net, twin, x = make_pair(name)
    result = t2k.transfer(net, twin)
    assert result.ok
    assert result.mapping.guessed == ()
    names = {name for name in net.state_dict() if not name.endswith("num_batches_tracked")}
    assert set(list_weights(result.mapping.pairs)) == names
    stored = x.numpy() if name == "attention" else np.moveaxis(x.numpy(), 1, -1)
    with torch.no_grad():
        assert np.allclose(predict(twin, stored), net(x).numpy(), atol=1e-5)
    assert "outputs verified" in str(result)
    assert json.loads(json.dumps(result.as_dict()))["verified"]


@pytest.mark.parametrize(
    ("name", "mistake", "error", "texts"),
    [
        ("conv", "same", t2k.VerificationError, ["each weight has its place", "pads 2 and 2"]),
        ("conv", "bias", t2k.InputError, ["1 of the module, 0 of the Keras", "c1.bias"]),
        ("conv", "ceil_mode", t2k.InputError, ["ceil_mode=True", "192x12"]),
        ("recurrent", "reset_after", t2k.InputError, ["gru bias", "reset_after=True"]),
    ],
)
def test_all_or_nothing(name, mistake, error, texts) -> None:
    net, twin, x = make_pair(name, mistake)
    before = twin.get_weights()
    with pytest.raises(error) as raised:
        t2k.transfer(net, twin, (x,))
    for text in (*texts, "nothing was written", "strict=False"):
        assert text in raised.value.message
    assert all(np.array_equal(a, b) for a, b in zip(before, twin.get_weights(), strict=True))
    result = t2k.transfer(net, twin, (x,), strict=False)
    assert not result.ok
    assert result.causes
    assert np.array_equal(
        twin.get_layer("head" if name == "recurrent" else "c2").get_weights()[1],
        (net.head if name == "recurrent" else net.c2).bias.detach().numpy(),
    )
    assert "NOT equal" in str(result)


def test_a_state_dict_goes_into_the_twin() -> None:
    net, twin, x = make_pair("image")
    state = {name: value + 0.01 for name, value in net.state_dict().items()}
    assert t2k.transfer(state, twin, (x,), module=net).ok
    kernel = state["point.weight"].numpy().transpose(2, 3, 1, 0)
    assert np.array_equal(twin.get_layer("separable").pointwise_kernel, kernel)


def test_a_saved_mapping_is_followed(tmp_path) -> None:
    net, twin, x = make_pair("attention")
    path = t2k.transfer(net, twin, (x,)).mapping.save(tmp_path / "map.json")
    rows = json.loads(path.read_text())
    assert t2k.transfer(net, twin, (x,), mapping=path).mapping.pairs[0].how == "given"
    for row in rows["pairs"]:
        row["keras"] = {"query": "value", "value": "query"}.get(row["keras"], row["keras"])
    path.write_text(json.dumps(rows))
    with pytest.raises(t2k.VerificationError):
        t2k.transfer(net, twin, (x,), mapping=path)


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.norm = layers.BatchNormalization(epsilon=1e-5)
        self.conv = layers.Conv1D(8, 3)
        self.rest = keras.Sequential([layers.Conv1D(4, 3), layers.Softmax()])

    def call(self, x, training=False):
        return self.rest(keras.ops.relu(self.norm(self.conv(x), training=training)))


def test_a_subclassed_twin_is_matched_by_its_calls() -> None:
    net = settle(
        nn.Sequential(
            nn.Conv1d(3, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 4, 3), nn.Softmax(1)
        )
    )
    twin = Subclassed()
    twin(np.zeros((2, 20, 3), "float32"))
    result = t2k.transfer(net, twin)
    assert result.ok
    assert [pair.keras for pair in result.mapping.pairs] == [
        twin.conv.name,
        twin.norm.name,
        f"{twin.rest.name}/{twin.rest.layers[0].name}",
    ]


@pytest.mark.parametrize("scale", [Scale, SealedScale])
@pytest.mark.parametrize("head", [None, False, True])
def test_layers_of_a_strangers_own_get_their_weights(scale, head) -> None:
    torch.manual_seed(0)
    net, x = Net().eval(), make_example()
    twin = make_twin(scale=scale, head=None if head is None else WrittenDense(3, transposed=head))
    result = t2k.transfer(net, twin, (x,))
    assert result.ok
    assert result.mapping.guessed == ()
    assert set(list_weights(result.mapping.pairs)) == set(net.state_dict())
    assert np.array_equal(to_numpy(twin.get_layer("scale").gamma), net.gamma.detach().numpy())
    comparison = t2k.compare(net, twin, (x,))
    assert comparison.ok
    assert (comparison.own_weights.equal, comparison.own_weights.compared) == (13, 13)
    with torch.no_grad():
        assert np.allclose(predict(twin, np.moveaxis(x.numpy(), 1, -1)), net(x).numpy(), atol=1e-5)


def test_a_norm_of_a_strangers_own_and_a_mapping_that_names_single_weights(tmp_path) -> None:
    torch.manual_seed(0)
    net, x = Net(is_written=False).eval(), make_example()
    twin = make_twin(norm=WrittenKerasNorm(name="norm"), is_normed=False)
    result = t2k.transfer(net, twin, (x,))
    assert result.ok
    pairs = {pair.torch: pair.keras for pair in result.mapping.pairs}
    assert pairs["norm:gamma"] == "norm/gamma"
    path = result.mapping.save(tmp_path / "map.json")
    assert t2k.transfer(net, twin, (x,), mapping=path).ok
    pairs["norm:gamma"], pairs["norm:beta"] = pairs["norm:beta"], pairs["norm:gamma"]
    with pytest.raises(t2k.VerificationError):
        t2k.transfer(net, twin, (x,), mapping=pairs)


APPLICATIONS = [
    ("vgg16", "VGG16", 224, 16, set()),
    ("convnext_tiny", "ConvNeXtTiny", 64, 100, set()),
    ("densenet121", "DenseNet121", 64, 242, set()),
    ("resnet50", "ResNet50", 64, 107, {CauseKind.STRIDES, CauseKind.EPSILON}),
    ("mobilenet_v2", "MobileNetV2", 97, 105, {CauseKind.EPSILON}),
    ("efficientnet_b0", "EfficientNetB0", 64, 131, {CauseKind.PADDING, CauseKind.EPSILON}),
    ("inception_v3", "InceptionV3", 299, 189, {CauseKind.COUNT_INCLUDE_PAD}),
]
"""torchvision's net, Keras's, the size of an image, the layers, and why the two differ."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "twin_name", "size", "count", "kinds"), APPLICATIONS)
def test_nets_of_torchvision_and_keras(name, twin_name, size, count, kinds) -> None:
    models = pytest.importorskip("torchvision.models")
    options = {"init_weights": False, "aux_logits": False} if name == "inception_v3" else {}
    # So that the DenseNet's 1.001e-5 for 1e-5 is less than rounding.
    net = settle(getattr(models, name)(weights=None, **options), variance=(0.5, 1.5))
    build = getattr(keras.applications, twin_name)
    own = {"include_preprocessing": False} if name == "convnext_tiny" else {}
    shape = (size, size, 3)
    twin = build(weights=None, classifier_activation=None, input_shape=shape, **own)
    result = t2k.transfer(net, twin, (torch.randn(1, 3, size, size),), strict=False)
    assert len(result.mapping.pairs) == count
    assert (result.mapping.torch_left, result.mapping.keras_left) == ((), ())
    assert {cause.kind for cause in result.causes if not cause.in_training} >= kinds
    assert result.ok == (not kinds)


def test_a_twin_of_channels_first_is_equal_too() -> None:
    net = nn.Sequential(
        *(nn.Conv1d(3, 8, 5, 2, 2), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2)),
        *(nn.Conv1d(8, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten()),
        nn.Linear(6, 4),
    ).eval()
    first = {"data_format": "channels_first"}
    x = inputs = keras.Input((3, 32))
    x = layers.Conv1D(8, 5, strides=2, **first)(layers.ZeroPadding1D(2, **first)(x))
    x = layers.BatchNormalization(axis=1, epsilon=1e-5, momentum=0.9)(x)
    x = layers.MaxPooling1D(2, **first)(layers.ReLU()(x))
    x = layers.Conv1D(6, 3, padding="same", activation="relu", **first)(x)
    x = layers.GlobalAveragePooling1D(**first)(x)
    twin = keras.Model(inputs, layers.Dense(4)(x))
    example = (torch.randn(2, 3, 32),)
    t2k.transfer(net, twin, example)
    assert t2k.compare(net, twin, example).ok


@pytest.mark.parametrize("twin_first", [True, False])
def test_the_order_of_a_flatten_is_the_twins(*, twin_first: bool) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 5 * 7, 6)).eval()
    shape = (3, 7, 9) if twin_first else (7, 9, 3)
    order = "channels_first" if twin_first else "channels_last"
    x = inputs = keras.Input(shape)
    x = layers.Conv2D(4, 3, activation="relu", data_format=order)(x)
    twin = keras.Model(inputs, layers.Dense(6)(layers.Flatten()(x)))
    example = (torch.randn(2, 3, 7, 9),)
    assert t2k.transfer(net, twin, example).ok
    comparison = t2k.compare(net, twin, example)
    assert comparison.ok
    assert not comparison.causes
    kernel = net[3].weight.detach().numpy().T
    assert np.array_equal(to_numpy(twin.layers[-1].kernel), kernel) == twin_first


class PooledByMean(nn.Module):
    """A convolution, the mean over all places, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.stem(x).mean((2, 3)))


def test_a_mean_over_places_is_no_flatten() -> None:
    x = inputs = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 4, 4)(x))
    twin = keras.Model(inputs, layers.Dense(5)(x))
    net, example = PooledByMean().eval(), (torch.randn(2, 3, 16, 16),)
    t2k.transfer(net, twin, example)
    assert t2k.compare(net, twin, example).ok
