"""The reason for each argument of a Keras layer."""

from __future__ import annotations

import pytest
from torch import nn

from torch2keras.explanation.reasons import TABLE, explain_padding, give_reasons
from torch2keras.keras_graph.graph import LayerSpec

CONV = nn.Conv1d(6, 12, 5, stride=2, padding=2, dilation=3, groups=3)

# PyTorch layer, Keras argument, its value, the reason
ROWS = [
    (CONV, "filters", 12, "out_channels=12"),
    (CONV, "filters", 4, "out_channels / groups = 12 / 3: one layer a group"),
    (CONV, "kernel_size", 5, "kernel_size=(5,) of Conv1d"),
    (CONV, "strides", 2, "stride=(2,) of Conv1d"),
    (CONV, "groups", 3, "groups=3 of Conv1d; of few and large groups convert makes a layer each"),
    (nn.GroupNorm(3, 6), "groups", 3, "num_groups=3 of GroupNorm"),
    (nn.LSTM(3, 5), "units", 5, "hidden_size=5 of LSTM"),
    (nn.Linear(3, 5), "units", 5, "out_features=5 of Linear"),
    (nn.BatchNorm1d(3, momentum=0.3), "momentum", 0.7, "1 - 0.3: PyTorch weighs the new batch"),
    (nn.BatchNorm1d(3), "epsilon", 1e-5, "eps of PyTorch; Keras's default is 1e-3"),
    (nn.Linear(3, 5), "use_bias", True, "PyTorch's layer has a bias"),
    (nn.Linear(3, 5), "use_bias", False, "PyTorch's layer has none"),
    (nn.BatchNorm1d(3), "center", False, "PyTorch's layer has no bias"),
    (nn.Conv1d(3, 6, 5, groups=3), "depth_multiplier", 2, "out_channels / in_channels = 2: "),
    (nn.MaxPool2d(3), "strides", (3, 3), "stride=3 of MaxPool2d"),
    (nn.MaxPool2d(3), "pool_size", (3, 3), "kernel_size=3 of MaxPool2d"),
    (nn.Upsample(scale_factor=2), "size", (2, 2), "scale_factor=2.0 of Upsample"),
    (nn.AdaptiveAvgPool1d(5), "strides", 4, "the length by output_size=5"),
    (nn.Conv3d(3, 5, (2, 3, 4)), "kernel_size", (3, 4), "kernel_size=(2, 3, 4) of Conv3d"),
    (nn.LSTM(3, 5, dropout=0.2, num_layers=2), "rate", 0.2, "dropout=0.2 of LSTM"),
    (nn.MultiheadAttention(6, 2), "key_dim", 3, "embed_dim / num_heads = 6 / 2"),
    (nn.MultiheadAttention(6, 2), "num_heads", 2, "num_heads=2 of MultiheadAttention"),
    (nn.InstanceNorm1d(7), "groups", 7, "num_features=7 of InstanceNorm1d"),
    (nn.RReLU(0.1, 0.3), "negative_slope", 0.2, "the mean of lower=0.1 and upper=0.3"),
    (nn.LeakyReLU(0.2), "negative_slope", 0.2, "negative_slope=0.2 of LeakyReLU"),
    (nn.Tanh(), "activation", "tanh", "the same function as Tanh"),
    (nn.ReLU(), "axis", 1, "stored dimension 1: "),
]


@pytest.mark.parametrize(("layer", "argument", "value", "said"), ROWS)
def test_a_row_of_the_table(layer, argument, value, said):
    assert TABLE[argument](layer, value).startswith(said)


@pytest.mark.parametrize(
    ("layer", "argument", "value"),
    [
        (nn.Conv1d(3, 5, 3, stride=2), "strides", 3),
        (nn.Conv2d(3, 5, 3), "kernel_size", (3, 5)),
        (nn.Linear(3, 5), "units", 7),
    ],
)
def test_an_option_of_another_value_is_no_reason(layer, argument, value):
    assert TABLE[argument](layer, value) == ""


def test_only_frames_are_taken_apart():
    said = TABLE["depth_multiplier"]
    assert "on frames" in said(nn.Conv3d(3, 6, 5, groups=3), 2)
    assert "on frames" not in said(nn.Conv2d(3, 6, 5, groups=3), 2)


def test_every_argument_has_a_reason():
    spec = LayerSpec("Conv1D", {"filters": 12, "padding": "valid", "kernel_initializer": "zeros"})
    reasons = {reason.argument: reason for reason in give_reasons(CONV, spec)}
    assert list(reasons) == ["filters", "padding", "kernel_initializer"]
    assert reasons["kernel_initializer"].text == "as Conv1d computes it"
    assert {reason.layer for reason in reasons.values()} == {"Conv1D"}
    assert reasons["filters"].value == 12


# PyTorch layer, class and padding of the Keras layer, the reason
PADDING = [
    (nn.Conv1d(3, 5, 5), "Conv1D", "valid", "padding=(0,) of Conv1d"),
    (nn.Conv1d(3, 5, 5, padding=2), "Conv1D", "same", "stride 1 and 2*padding"),
    (nn.Conv1d(3, 5, 5, padding=2), "Conv1D", "valid", "the padding stands in the call before"),
    (nn.Conv1d(3, 5, 5), "Conv1D", "causal", "all padding is on the left"),
    (nn.ConvTranspose1d(3, 5, 5), "Conv1DTranspose", "valid", '"valid" gives the whole result'),
    (nn.Conv2d(3, 5, 5, padding=7), "ZeroPadding2D", ((7, 7), (7, 7)), "PyTorch pads 7 zeros"),
    (
        nn.Conv2d(3, 5, 3, padding=(0, 2), dilation=2),
        "ZeroPadding2D",
        ((0, 0), (2, 2)),
        "PyTorch pads so many zeros before and behind, whatever the length",
    ),
    (nn.Conv2d(3, 5, 3, padding=(0, 2)), "Conv2D", "valid", "the padding stands in the call"),
    (nn.ReLU(), "MaxPooling1D", "valid", "nothing is padded"),
]


@pytest.mark.parametrize(("layer", "keras_class", "value", "said"), PADDING)
def test_padding(layer, keras_class, value, said):
    assert explain_padding(layer, keras_class, value).startswith(said)


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """What TensorFlow's own rule pads on the left and on the right."""
    total = max(kernel - (length % stride or stride), 0)
    return total // 2, total - total // 2


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(5, 2, 2), (3, 2, 1), (7, 3, 3), (5, 1, 1)])
def test_the_length_that_is_named_is_the_first_at_which_same_differs(kernel, stride, pad):
    layer = nn.Conv1d(3, 5, kernel, stride=stride, padding=pad)
    text = explain_padding(layer, "ZeroPadding1D", (pad, pad))
    lengths = range(kernel + 1, 100)
    length = next(n for n in lengths if same_padding(n, kernel, stride) != (pad, pad))
    left, right = same_padding(length, kernel, stride)
    assert text.endswith(f'"same" would pad ({left}, {right}) at length {length}')


def test_padding_that_is_always_the_same_is_not_said_to_differ():
    text = explain_padding(nn.Conv1d(3, 5, 5, padding=2), "ZeroPadding1D", (2, 2))
    assert text.endswith('"same" would pad so too')


def test_padding_of_another_layer_depends_on_the_length():
    text = explain_padding(nn.ZeroPad1d(2), "ZeroPadding1D", (2, 2))
    assert text.endswith('Keras\'s "same" depends on the length')
