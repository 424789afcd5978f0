"""A module that remembers, counts or draws is refused by name; one that keeps a record is not."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections import deque

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.errors import VerificationError
from torch2keras.verification.reference import run
from torch2keras.verification.repeated_calls import require_repeatable

X = torch.linspace(-2.0, 2.0, 2 * 3 * 11).reshape(2, 3, 11)


class Net(nn.Module):
    """A convolution behind what `forward` does first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3)
        self.state = None
        self.step = 0
        self.level = 1.0
        self.history = []
        self.window = deque(maxlen=2)
        self.memory = {}
        self.table = torch.zeros(3, 1)
        self.array = np.zeros(1)
        self.count = itertools.count()
        self.generator = np.random.default_rng(3)
        self.random = random.Random(3)


class StreamState(Net):
    def forward(self, x):
        if self.state is None:
            self.state = torch.zeros(x.shape[0], 3, 2)
        y = torch.cat([self.state, x], -1)
        self.state = y[:, :, -2:].detach()
        return self.conv(y)


class Counter(Net):
    def forward(self, x):
        self.step += 1
        return self.conv(x) * self.step


class EveryOther(Net):
    def forward(self, x):
        self.step += 1
        return self.conv(x) * (2 if self.step % 2 else 3)


class RunningMean(Net):
    def forward(self, x):
        self.level = 0.9 * self.level + 0.1 * x.mean().item()
        return self.conv(x) / self.level


class LastOutputs(Net):
    def forward(self, x):
        self.history.append(self.conv(x))
        return torch.stack(self.history).mean(0)


class Window(Net):
    def forward(self, x):
        self.window.append(x)
        return self.conv(sum(self.window))


class Memory(Net):
    def forward(self, x):
        x = x + self.memory.get("last", 0.0)
        self.memory["last"] = x
        return self.conv(x)


class WrittenTensor(Net):
    def forward(self, x):
        self.table += 1
        return self.conv(x + self.table)


class WrittenArray(Net):
    def forward(self, x):
        self.array += 1
        return self.conv(x) * float(self.array[0])


class InnerState(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.ReLU(), Counter())

    def forward(self, x):
        return self.inner(x)


REMEMBERS = {
    StreamState: "state",
    Counter: "step",
    EveryOther: "step",
    RunningMean: "level",
    LastOutputs: "history",
    Window: "window",
    Memory: "memory",
    WrittenTensor: "table",
    InnerState: "inner.1.step",
}


class Counted(Net):
    def forward(self, x):
        return self.conv(x) * next(self.count)


class DrawnByNumPy(Net):
    def forward(self, x):
        return self.conv(x) + float(self.generator.normal())


class DrawnByPython(Net):
    def forward(self, x):
        return self.conv(x) + self.random.random()


class DrawnByTheSystem(Net):
    def forward(self, x):
        return self.conv(x) + os.urandom(1)[0] + int.from_bytes(os.urandom(4), "big")


class Clock(Net):
    def forward(self, x):
        return self.conv(x) + time.perf_counter_ns()


DRAWS = (Counted, DrawnByNumPy, DrawnByPython, DrawnByTheSystem, WrittenArray)


class Cached(Net):
    def forward(self, x):
        if self.state is None:
            self.state = torch.linspace(0.0, 1.0, x.shape[-1])
        return self.conv(x + self.state)


class Record(Net):
    def forward(self, x):
        self.step += 1
        y = self.conv(x)
        self.history.append(y)
        self.memory["last"] = y
        return y


class TorchNoise(Net):
    def forward(self, x):
        return self.conv(x) + torch.randn(4, 1)


def check(module: nn.Module) -> None:
    outputs = run(module, (X,))
    require_repeatable(module, ((X,), {}), ((X.flip(0) + 0.5,), {}), outputs)


@pytest.mark.parametrize("cls", REMEMBERS, ids=lambda cls: cls.__name__)
def test_state_is_refused_by_name(cls: type[nn.Module]) -> None:
    with pytest.raises(VerificationError, match="called again on the same input") as caught:
        check(cls().eval())
    assert dict(caught.value.rows)["state"] == REMEMBERS[cls]


@pytest.mark.parametrize("cls", DRAWS, ids=lambda cls: cls.__name__)
def test_numbers_from_elsewhere_are_refused(cls: type[nn.Module]) -> None:
    with pytest.raises(VerificationError, match="called again on the same input"):
        check(cls().eval())


@pytest.mark.parametrize(
    "module", [Cached(), Record(), TorchNoise(), nn.Conv1d(3, 5, 2), nn.BatchNorm1d(3)]
)
def test_what_gives_the_same_numbers_passes(module: nn.Module) -> None:
    check(module.eval())


def test_all_comes_back_as_it_was() -> None:
    module = StreamState().train()
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    with pytest.raises(VerificationError):
        check(module)
    assert module.state is None
    assert module.training
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_another_input_that_the_module_refuses_is_left_out() -> None:
    class Picky(Counter):
        def forward(self, x):
            assert x.max() <= 2.0
            return super().forward(x)

    with pytest.raises(VerificationError) as caught:
        check(Picky().eval())
    assert dict(caught.value.rows)["state"] == "step"


@pytest.mark.parametrize("cls", [StreamState, Counter, Counted])
def test_a_conversion_of_it_is_refused(cls: type[nn.Module]) -> None:
    with pytest.raises(t2k.Torch2KerasError, match="called again on the same input"):
        t2k.convert(cls().eval(), X)


def test_the_advice_works() -> None:
    class Stream(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(3, 4, 3)

        def forward(self, x, state):
            y = torch.cat([state, x], -1)
            return self.conv(y), y[:, :, -2:]

    converted = t2k.convert(Stream().eval(), (X, torch.zeros(2, 3, 2)))
    _, state = converted(X, torch.zeros(2, 3, 2))
    assert np.array_equal(state, X[:, :, -2:].numpy())
