"""What explain prints runs as it is, and gives PyTorch's numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from printed import assert_same_numbers, draw_state, run_as_printed, run_with
from source_nets import NETS
from torch2keras.explanation.example_inputs import example_inputs
from torch2keras.explanation.explain import explain_text
from torch2keras.explanation.parse_layer import parse_layer
from torch_layers import LAYERS, REFUSED, STACKS, STACKS_AT_EACH_CHANGE


def check_layer(text: str) -> None:
    torch.manual_seed(0)
    layer = parse_layer(text)
    inputs = example_inputs(layer)
    explanation = explain_text(text)
    names = run_as_printed(explanation)
    assert_same_numbers(explanation, names["model"], names.get("layer", layer), inputs)
    own = draw_state(layer)
    if "stand in `build` as numbers" in str(explanation):
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            run_with(explanation, own)
        explanation = t2k.explain(own)
    if list(layer.state_dict()):
        assert_same_numbers(explanation, run_with(explanation, own)["model"], own, inputs)
    assert all(reason.text for reason in explanation.reasons)
    assert max(map(len, str(explanation).split("\n"))) <= 100


SLOW = pytest.mark.slow
SLOW_LAYERS = set(STACKS).difference(STACKS_AT_EACH_CHANGE)


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, marks=SLOW) if text in SLOW_LAYERS else text for text in LAYERS],
)
def test_every_layer(text: str) -> None:
    check_layer(text)


def test_there_are_enough_layers_at_each_change() -> None:
    assert set(STACKS_AT_EACH_CHANGE) <= set(STACKS)
    assert len(set(LAYERS) - SLOW_LAYERS) >= 115


@pytest.mark.parametrize("text", REFUSED)
def test_a_refusal_is_typed(text: str) -> None:
    with pytest.raises(t2k.Torch2KerasError):
        explain_text(text)


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, fewer: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, fewer, 1)
        self.expand = nn.Conv2d(fewer, channels, 1)

    def forward(self, x):
        y = torch.relu(self.reduce(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.expand(y))


class BasicBlock(nn.Module):
    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.down = nn.Sequential(
            nn.Conv2d(before, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.down(x))


class Computed(nn.Module):
    """Weights that PyTorch computes, a constant, a tied one, a table that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 5, 3))
        self.spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(5, 7))
        self.first, self.second = nn.Linear(7, 7), nn.Linear(7, 7)
        self.second.weight = self.first.weight
        self.register_buffer("table", torch.randn(7, 11), persistent=False)
        self.plain = torch.randn(11, 3)

    def forward(self, x):
        y = self.spectral(self.conv(x).transpose(1, 2))
        return self.second(torch.tanh(self.first(y))) @ self.table @ self.plain.to(x.dtype)


BLOCKS = {
    "squeeze and excitation": lambda: (SqueezeExcite(7, 3), None),
    "a basic block": lambda: (BasicBlock(5, 7, 2), None),
    "two stages": lambda: (nn.Sequential(BasicBlock(3, 5, 1), BasicBlock(5, 7, 2)), None),
    "computed weights": lambda: (Computed(), (2, 3, 11)),
    "tcn": NETS["tcn"],
    "tagger": NETS["tagger"],
    "encoder": NETS["encoder"],
    "deep": NETS["deep"],
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=SLOW) if name in ("deep", "tagger") else name for name in BLOCKS],
)
def test_a_block_or_net(name: str) -> None:
    torch.manual_seed(0)
    net, given = BLOCKS[name]()
    draw_state(net)
    inputs = example_inputs(net, given)
    explanation = t2k.explain(net, given)
    model = run_with(explanation, net)["model"]
    assert_same_numbers(explanation, model, net, inputs)
    assert max(map(len, str(explanation).split("\n"))) <= 100
