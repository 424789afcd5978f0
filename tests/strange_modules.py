"""Strange modules: small networks with one or more habits that no converter may stumble over.

A module is a base network and a few habits, drawn from one number. A habit changes the class (a
property that raises, a frozen `config`, a decorated forward, an odd `__len__`) or the instance
(hooks, attributes of any kind, names of submodules). Each habit is one that published modules have,
or that Python allows an nn.Module to have.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch
from torch import nn

from strange_classes import CLASS_HABITS
from strange_instances import INSTANCE_HABITS

CHANNELS, LENGTH = 3, 11


class ConvNet(nn.Module):
    """Two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(CHANNELS, 5, 3, padding=1)
        self.norm = nn.BatchNorm1d(5)
        self.second = nn.Conv1d(5, 2, 3)

    def forward(self, x):
        return self.second(torch.relu(self.norm(self.first(x))))


class Tagger(nn.Module):
    """A recurrent layer and a dense one."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(CHANNELS, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.cell(x.transpose(1, 2))[0])


class Dense(nn.Module):
    """A list of layers, run in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(LENGTH, 7), nn.Linear(7, 5)])
        self.scale = nn.Parameter(torch.linspace(0.5, 2.0, 5))
        self.register_buffer("offset", torch.linspace(-1.0, 1.0, 5))

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x * self.scale + self.offset


BASES: tuple[type[nn.Module], ...] = (ConvNet, Tagger, Dense)


@dataclass(frozen=True)
class Strange:
    """A base network and its habits, by name."""

    base: type[nn.Module]
    class_habits: tuple[str, ...]
    instance_habits: tuple[str, ...]

    def make(self) -> nn.Module:
        """The module, made afresh. Raises whatever the habits raise among each other."""
        torch.manual_seed(0)
        cls = self.base
        for name in self.class_habits:
            cls = CLASS_HABITS[name](cls)
        module = cls()
        if "training" in object.__getattribute__(module, "__dict__"):
            nn.Module.train(module, False)
        for name in self.instance_habits:
            INSTANCE_HABITS[name](module)
        return module


def draw_strange(seed: int) -> Strange:
    """The strange module of a number: one habit, or up to four."""
    random = Random(seed)
    count = random.choice((1, 1, 1, 2, 2, 3, 4))
    of_class = sum(random.random() < 0.5 for _ in range(count))
    return Strange(
        random.choice(BASES),
        tuple(random.sample(sorted(CLASS_HABITS), of_class)),
        tuple(random.sample(sorted(INSTANCE_HABITS), count - of_class)),
    )


def example_input() -> torch.Tensor:
    """A batch of two, for every base network."""
    return torch.randn(2, CHANNELS, LENGTH, generator=torch.Generator().manual_seed(1))
