"""What explain says of a layer, held against golden texts.

The numbers of the last line vary with the processor.
"""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

import torch2keras as t2k
from exported import assert_golden
from torch2keras.explanation.explain import explain_text

LAYERS = {
    "conv1d_stride_2": nn.Conv1d(3, 16, 5, stride=2, padding=2),
    "conv1d_same": nn.Conv1d(3, 16, 5, padding=2, dilation=1),
    "conv_transpose1d_groups_2": nn.ConvTranspose1d(
        6, 4, 3, stride=2, padding=1, output_padding=1, groups=2
    ),
    "batch_norm1d": nn.BatchNorm1d(7),
    "depthwise": nn.Conv1d(6, 12, 3, groups=6),
    "linear": nn.Linear(3, 5),
}


def steady(text: str) -> str:
    """The text without the measured differences."""
    return re.sub(r"\d\.\de-\d+|0\.0e\+00", "TINY", text)


@pytest.mark.parametrize("name", LAYERS)
def test_golden(name: str) -> None:
    explanation = t2k.explain(LAYERS[name])
    assert_golden(f"explain_{name}", steady(str(explanation)))
    assert explanation.difference < 1e-4
    assert explanation.meaning < 1e-9
    assert all(reason.text for reason in explanation.reasons)


def test_text_and_data() -> None:
    explanation = explain_text("nn.Linear(3, 5)", (2, 3))
    assert explanation.as_dict()["inputs"][0]["torch_shape"] == (None, 3)
    assert explanation.as_dict()["code"][-1] == "outputs = x"


REFUSED = [
    (nn.LSTM(3, 5, batch_first=True, proj_size=2), t2k.Torch2KerasError),
    (nn.FractionalMaxPool2d(3, output_ratio=0.5), t2k.Torch2KerasError),
    (torch.relu, t2k.InputError),
    ("nn.Linear(3, 5)", t2k.InputError),
]


@pytest.mark.parametrize(("layer", "error"), REFUSED)
def test_refused(layer, error) -> None:
    with pytest.raises(error):
        t2k.explain(layer)


def test_a_shape_that_does_not_fit_is_refused() -> None:
    with pytest.raises(t2k.InputError, match="takes no input of shape"):
        t2k.explain(nn.Conv1d(3, 5, 3), (2, 4, 11))
