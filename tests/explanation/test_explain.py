"""What explain says of a layer, held against golden texts.

The numbers of the last line vary with the processor.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import torch2keras as t2k
from exported import GOLDEN, assert_golden
from torch2keras.explanation.explain import explain_text
from torch_layers import LAYERS as LAYERS_OF_TORCH

LAYERS = {
    "conv1d_stride_2": nn.Conv1d(3, 16, 5, stride=2, padding=2),
    "conv1d_same": nn.Conv1d(3, 16, 5, padding=2, dilation=1),
    "conv_transpose1d_groups_2": nn.ConvTranspose1d(
        6, 4, 3, stride=2, padding=1, output_padding=1, groups=2
    ),
    "batch_norm1d": nn.BatchNorm1d(7),
    "depthwise": nn.Conv1d(6, 12, 3, groups=6),
    "linear": nn.Linear(3, 5),
    "max_pool2d": nn.MaxPool2d(3, stride=2, padding=1),
    "gru": nn.GRU(3, 5, bidirectional=True),
    "attention": nn.MultiheadAttention(6, 2),
    "weight_norm": nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 5, 3, stride=2, padding=1))
    ),
}


def steady(text: str) -> str:
    """The text without the measured differences."""
    text = re.sub(r"\d\.\de-\d+|0\.0e\+00", "TINY", text)
    return text.replace("TINY of the\n#     largest value", "TINY of the largest value")


@pytest.mark.parametrize("name", LAYERS)
def test_golden(name: str) -> None:
    explanation = t2k.explain(LAYERS[name])
    assert_golden(f"explain_{name}", steady(str(explanation)))
    assert explanation.difference < 1e-4
    assert explanation.meaning < 1e-9
    assert all(reason.text for reason in explanation.reasons)


def test_the_page_shows_what_is_printed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
    shown = page.partition("```python\n")[2].partition("```")[0]
    golden = GOLDEN / "explain_conv1d_stride_2.txt"
    assert steady(re.sub(r"\de-\d+", "TINY", shown)).strip() == golden.read_text("utf-8").strip()
    assert f"tested on {len(LAYERS_OF_TORCH)} layers" in page


def test_text_and_data() -> None:
    explanation = explain_text("nn.Linear(3, 5)", (2, 3))
    assert explanation.as_dict()["inputs"][0]["torch_shape"] == (None, 3)
    assert explanation.as_dict()["layer"] == "nn.Linear(3, 5)"
    assert "layer = nn.Linear(3, 5)\n" in explanation.as_dict()["code"]


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
