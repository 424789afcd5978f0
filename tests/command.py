"""Run the command line in this process, on modules that stand in a file of the current folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from torch2keras.cli.main import app

NETS = """
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv1d(3, 5, 3, padding=1)
        self.head = nn.Linear(5, 7)

    def forward(self, x):
        return self.head(torch.tanh(self.conv(x)).transpose(1, 2))


class Strided(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 5, stride=2, padding=2)

    def forward(self, x, y):
        return self.conv(x) + y


class Branch(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


class Inner(nn.Module):
    def forward(self, x):
        return torch.geqrf(x)[0]


class Unknown(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()

    def forward(self, x):
        return self.inner(x) + 1


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x * self.calls


def on_meta():
    return nn.Sequential(nn.Conv1d(3, 5, 3, device="meta"))


def lazy():
    return nn.LazyConv1d(5, 3)
"""


@dataclass(frozen=True)
class Ran:
    """What one run gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


def command(*arguments: str) -> Ran:
    """Run `torch2keras ARGUMENTS`; an exception that is no exit is raised here."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


class Hidden:
    """An import hook in which one package is not installed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {self.name!r}", name=self.name)
