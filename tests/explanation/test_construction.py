"""The text that constructs a layer makes it again, or is not given."""

from __future__ import annotations

import pytest
from torch import nn

from torch2keras.explanation.construction import construct, rewrite_layer
from torch2keras.explanation.parse_layer import parse_layer
from torch_layers import LAYERS

TEXTS = [
    "nn.Conv1d(3, 16, 5, stride=2, padding=2)",
    "nn.Conv2d(3, 7, (3, 5), stride=(2, 3), padding=(1, 2))",
    'nn.Conv1d(3, 7, 5, padding="same", dilation=3, bias=False)',
    "nn.LSTM(3, 5, num_layers=2, batch_first=True, bidirectional=True)",
    "nn.LayerNorm((5, 7), eps=0.001, bias=False)",
    "nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Dropout(p=0.3))",
    "nn.Embedding(11, 3, padding_idx=2)",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_is_that_of_the_layer(text) -> None:
    assert construct(parse_layer(text)) == text


@pytest.mark.parametrize("text", LAYERS)
def test_what_is_given_makes_the_same_layer(text) -> None:
    layer = parse_layer(text)
    made = construct(layer)
    if made:
        again = parse_layer(made)
        assert repr(again) == repr(layer)
        assert again.state_dict().keys() == layer.state_dict().keys()


def test_most_layers_have_a_text() -> None:
    made = [construct(parse_layer(text)) for text in LAYERS]
    assert sum(map(bool, made)) > 0.8 * len(LAYERS)


class Linear(nn.Linear):
    """A class of the user that is called as PyTorch's."""


@pytest.mark.parametrize(
    "layer",
    [Linear(3, 5), nn.utils.parametrizations.weight_norm(nn.Linear(3, 5)), nn.ModuleList()],
    ids=["a user's", "with a computed weight", "without forward"],
)
def test_others_have_none(layer) -> None:
    assert construct(layer) in ("", "nn.ModuleList()")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Linear( 3,5 )", "nn.Linear(3, 5)"),
        ("torch.nn.Conv1d(3, 5, 3, padding='same')", 'nn.Conv1d(3, 5, 3, padding="same")'),
        ("nn.Sequential(ReLU())", "nn.Sequential(nn.ReLU())"),
        ("nn.ConstantPad1d(1, -1e999)", 'nn.ConstantPad1d(1, float("-inf"))'),
    ],
)
def test_a_text_in_the_usual_form(text, wanted) -> None:
    assert rewrite_layer(text) == wanted
