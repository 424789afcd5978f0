"""Small nets, each with a trap of deployment, and an example for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

import torch2keras as t2k
from torch2keras.conversion.weights import read_state
from torch2keras.deployment.tracing import TracedModel, trace_model


class Net(NamedTuple):
    """How a net and an example of it are made."""

    make: Callable[[], nn.Module]
    args: Callable[[], Any]
    operators: frozenset[str] = frozenset()
    """What its `.tflite` file has to hold, among others."""


class Residual(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.cut = 2 * dilation
        self.conv = nn.Conv1d(channels, channels, 3, padding=self.cut, dilation=dilation)

    def forward(self, x):
        return nn.functional.relu(x + nn.functional.relu(self.conv(x)[..., : -self.cut]))


class Cell(nn.Module):
    """The converter lists its inputs as c, x, h."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(8, 8)

    def forward(self, x, h, c):
        return self.cell(x, (h, c))


class Last(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.gru(x)[0][:, -1])


class Tagger(nn.Module):
    """Its LSTM is LiteRT's fused operator, which would keep its state from call to call."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class Swapped(nn.Module):
    """Two inputs of one shape, and two outputs in the other order; an input that passes through."""

    def forward(self, b, a):
        return a - b, 2 * b, b


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 6)

    def forward(self, ids, mask):
        x = self.embedding(ids)
        return torch.where(mask[..., None], x, 0.0).sum(1), ids + 1, ~mask


class Picture(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        y = nn.functional.max_pool2d(nn.functional.hardswish(self.norm(self.conv(x))), 3, 2, 1)
        return self.head(nn.functional.gelu(y).mean((2, 3)))


def draw_tokens():
    torch.manual_seed(1)
    return torch.randint(0, 11, (2, 7)), torch.rand(2, 7) > 0.4


NETS = {
    "conv1d": Net(
        lambda: nn.Conv1d(3, 5, 5, stride=2, padding=2),
        lambda: torch.randn(2, 3, 21),
        frozenset(["CONV_2D"]),
    ),
    "tcn": Net(
        lambda: nn.Sequential(Residual(4, 1), Residual(4, 4)), lambda: torch.randn(2, 4, 30)
    ),
    "lstm": Net(lambda: nn.LSTM(4, 8, batch_first=True), lambda: torch.randn(2, 9, 4)),
    "long_lstm": Net(
        Tagger,
        lambda: torch.randn(2, 70, 4),
        frozenset(["UNIDIRECTIONAL_SEQUENCE_LSTM"]),
    ),
    "cell": Net(Cell, lambda: tuple(torch.randn(3, 2, 8))),
    "gru": Net(Last, lambda: torch.randn(2, 9, 4)),
    "attention": Net(Attention, lambda: torch.randn(2, 10, 16), frozenset(["SOFTMAX"])),
    "swapped": Net(Swapped, lambda: tuple(torch.randn(2, 2, 5))),
    "tokens": Net(Tokens, draw_tokens),
    "picture": Net(Picture, lambda: torch.randn(2, 3, 16, 20), frozenset(["CONV_2D"])),
}


def make_net(name: str) -> tuple[nn.Module, Any]:
    """Return a net in eval mode, and its example."""
    torch.manual_seed(0)
    return NETS[name].make().eval(), NETS[name].args()


def convert_net(name: str) -> t2k.Converted:
    """Convert one of the nets; what is exported is verified anyway."""
    module, args = make_net(name)
    return t2k.convert(module, args, verify=False)


def trace(converted: t2k.Converted) -> TracedModel:
    """Return what an export makes a file of."""
    conversion, layers = converted.conversion, converted.layers
    state = read_state(conversion.weight_map, layers, converted.state_record)
    return trace_model(conversion, state, converted.model, layers)


def slow_case(name: str) -> Any:
    """Return a case that only the slow suite runs."""
    return pytest.param(name, marks=pytest.mark.slow)


def run_by_index(path, arrays):
    """Run a file as most programs do."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), arrays, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
