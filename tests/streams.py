"""Modules that keep something from one call to the next, as users write them."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from torch import nn


class Causal(nn.Module):
    """A convolution whose past inputs are an attribute that is None at first."""

    def __init__(self, inputs=3, outputs=5, kernel=3, dilation=1):
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation)
        self.past = (kernel - 1) * dilation
        self.state = None

    def forward(self, x):
        if self.state is None:
            self.state = x.new_zeros(x.shape[0], x.shape[1], self.past)
        y = torch.cat([self.state, x], -1)
        self.state = y[..., -self.past :]
        return self.conv(y)


class CausalStack(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(Causal(3, 5), nn.ReLU(), Causal(5, 7, dilation=2))
        self.head = nn.Conv1d(7, 2, 1)

    def forward(self, x):
        return {"y": self.head(self.net(x)), "stride": 1}


class BufferState(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3)
        self.register_buffer("state", torch.full((1, 3, 2), 0.25))

    def forward(self, x):
        y = torch.cat([self.state, x], -1)
        self.state.copy_(y[:, :, -2:].detach())
        return self.conv(y)


class AssignedBuffers(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("count", torch.tensor(0))

    def forward(self, x):
        self.count += 1
        self.mean = 0.9 * self.mean + 0.1 * x.mean((0, 2))
        return (x - self.mean[:, None]) / self.count


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 5, batch_first=True)
        self.hidden = None

    def forward(self, x):
        y, self.hidden = self.lstm(x, self.hidden)
        return y


class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = nn.ModuleList([nn.GRUCell(3, 3) for _ in range(2)])
        self.hidden = {}

    def forward(self, x):
        for number, cell in enumerate(self.cells):
            x = self.hidden[number] = cell(x, self.hidden.get(number))
        return x


class KeyCache:
    def __init__(self):
        self.keys = None

    def update(self, keys):
        self.keys = keys if self.keys is None else torch.cat([self.keys, keys], 1)
        return self.keys


class GrowingCache(nn.Module):
    """Attention over all keys so far, which an object of the author's own holds."""

    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(6, 6), nn.Linear(6, 6)
        self.cache = KeyCache()

    def forward(self, x):
        keys = self.cache.update(self.key(x))
        return torch.softmax(self.query(x) @ keys.transpose(1, 2), -1) @ keys


class FixedCache(nn.Module):
    """Attention over a table of keys that is written to at a position that moves on."""

    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(6, 6), nn.Linear(6, 6)
        self.register_buffer("table", torch.zeros(2, 11, 6))
        self.register_buffer("position", torch.zeros(1, dtype=torch.long))

    def forward(self, x):
        self.table.index_copy_(1, self.position, self.key(x))
        later = torch.arange(11) > self.position
        self.position += 1
        scores = self.query(x) @ self.table.transpose(1, 2)
        return torch.softmax(scores.masked_fill(later, -1e9), -1) @ self.table


class Window(nn.Module):
    def __init__(self):
        super().__init__()
        self.window = deque(maxlen=4)
        self.linear = nn.Linear(3, 5)

    def forward(self, x):
        self.window.append(x)
        return self.linear(sum(self.window))


class FirstCall(nn.Module):
    def __init__(self):
        super().__init__()
        self.is_first = True
        self.linear = nn.Linear(3, 3)

    def forward(self, x, **rest):
        if self.is_first:
            self.previous = torch.zeros_like(x)
            self.is_first = False
        y = self.linear(x) - self.previous
        self.previous = x
        return y


class Positions(nn.Module):
    """Positions from a Python number that counts what has been seen."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(71, 3)
        self.step = 0

    def forward(self, x):
        places = torch.arange(x.shape[1]) + self.step
        self.step += x.shape[1]
        return x + self.table(places)


class Difference(nn.Module):
    """Gives nothing new at first: what stands for None is the first input."""

    def __init__(self):
        super().__init__()
        self.previous = None

    def forward(self, x):
        before = x if self.previous is None else self.previous
        self.previous = x
        return x - before


class MeanOfWindow(nn.Module):
    def __init__(self):
        super().__init__()
        self.window = deque(maxlen=3)

    def forward(self, x):
        self.window.append(x)
        return torch.stack(list(self.window)).mean(0)


class EveryOther(nn.Module):
    def __init__(self):
        super().__init__()
        self.step = 0

    def forward(self, x):
        self.step += 1
        return x * 2 if self.step % 2 else x


class EveryOtherByTensor(nn.Module):
    """What the refusal of `EveryOther` says."""

    def __init__(self):
        super().__init__()
        self.step = torch.tensor(0)

    def forward(self, x):
        self.step = self.step + 1
        return torch.where(self.step % 2 == 1, x * 2, x)


class Level(nn.Module):
    def __init__(self):
        super().__init__()
        self.level = 1.0

    def forward(self, x):
        self.level = 0.9 * self.level + 0.1 * x.abs().mean().item()
        return x / self.level


class LevelByTensor(nn.Module):
    """What the refusal of `Level` says."""

    def __init__(self):
        super().__init__()
        self.level = torch.tensor(1.0)

    def forward(self, x):
        self.level = 0.9 * self.level + 0.1 * x.abs().mean()
        return x / self.level


class History(nn.Module):
    def __init__(self):
        super().__init__()
        self.history = []

    def forward(self, x):
        self.history.append(x)
        return torch.stack(self.history).mean(0)


class Longest(nn.Module):
    """Keeps up to seven steps, so that the length of what it gives changes at first."""

    def __init__(self):
        super().__init__()
        self.past = None

    def forward(self, x):
        y = x if self.past is None else torch.cat([self.past, x], -1)
        self.past = y[..., -7:]
        return nn.functional.pad(y, (1, 1))


class Records(nn.Module):
    """Keeps what nothing depends on: a map for who looks at it, a count, a lazy table."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 5)
        self.seen = {}
        self.calls = 0
        self.table = None

    def forward(self, x):
        if self.table is None:
            self.table = torch.linspace(0.0, 1.0, 3)
        self.calls += 1
        self.seen["last"] = x
        return self.linear(x + self.table)


class WrittenArray(nn.Module):
    def __init__(self):
        super().__init__()
        self.array = np.zeros(1)

    def forward(self, x):
        self.array += 1
        return x * float(self.array[0])


SIGNAL = torch.linspace(-2.0, 2.0, 2 * 3 * 11).reshape(2, 3, 11)
ONE_SIGNAL = SIGNAL[:1]
FRAMES = torch.linspace(-1.0, 3.0, 2 * 7 * 3).reshape(2, 7, 3)
ROWS = torch.linspace(-1.0, 1.0, 2 * 3).reshape(2, 3)
TOKEN = torch.linspace(-1.0, 1.0, 2 * 6).reshape(2, 1, 6)

STREAMS = {
    Causal: (SIGNAL, {"state": (2, 3, 2)}),
    CausalStack: (SIGNAL, {"net_0_state": (2, 3, 2), "net_2_state": (2, 5, 4)}),
    BufferState: (ONE_SIGNAL, {"state": (1, 3, 2)}),
    AssignedBuffers: (SIGNAL, {"mean": (3,), "count": ()}),
    Recurrent: (FRAMES, {"hidden_0": (1, 2, 5), "hidden_1": (1, 2, 5)}),
    Cells: (ROWS, {"hidden_0": (2, 3), "hidden_1": (2, 3)}),
    GrowingCache: (TOKEN, {"cache_keys": (2, 0, 6)}),
    FixedCache: (TOKEN, {"table": (2, 11, 6), "position": (1,)}),
    Window: (ROWS, {"window_1": (2, 3), "window_2": (2, 3), "window_3": (2, 3)}),
    FirstCall: (ROWS, {"previous": (2, 3)}),
    Positions: (FRAMES, {"step": ()}),
    EveryOtherByTensor: (ROWS, {"step": ()}),
    LevelByTensor: (ROWS, {"level": ()}),
}
"""Module -> example, and the shapes of what it is first given for what it keeps."""


def make(cls):
    torch.manual_seed(0)
    return cls().eval()


def call_in_a_row(module, inputs):
    """Return what the module gives for each of them, with all that it keeps."""
    with torch.no_grad():
        return [module(x) for x in inputs]
