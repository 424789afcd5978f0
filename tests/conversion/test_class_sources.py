"""The sources of classes are read where they can be had, and nothing fails where they cannot."""

from __future__ import annotations

import torch
from torch import nn

from torch2keras.conversion.class_sources import read_class_sources


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def scale(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Say much.

        And more.
        """
        y = self.linear(x)

        return self.scale(y)


def test_a_class_is_listed_with_what_forward_calls() -> None:
    source = read_class_sources(nn.Sequential(Block(), Block()))["0"]
    assert source.name.endswith("test_class_sources.Block")
    assert source.place.endswith("test_class_sources.py")
    assert source.file == __file__
    assert [line.strip() for line in source.lines.values()] == [
        "def scale(self, x: torch.Tensor) -> torch.Tensor:",
        "return 2 * x",
        "def forward(self, x: torch.Tensor) -> torch.Tensor:",
        "y = self.linear(x)",
        "return self.scale(y)",
    ]
    code = open(__file__, encoding="utf-8").read().splitlines()  # noqa: PTH123, SIM115
    for number, line in source.lines.items():
        assert code[number - 1].strip() == line.strip()


def test_a_class_without_source_is_named_alone() -> None:
    names: dict[str, type] = {}
    text = "class Hidden(nn.Module):\n    def forward(self, x):\n        return x\n"
    exec(text, {"nn": nn, "__name__": "hidden"}, names)  # noqa: S102
    source = read_class_sources(names["Hidden"]())[""]
    assert (source.name, source.lines) == ("hidden.Hidden", {})


def test_what_is_no_function_of_the_class_is_not_listed() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hook = lambda x: x

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.hook(self.missing(self.state_dict(x)))

    assert len(read_class_sources(Odd())[""].lines) == 2
    bare = type("Bare", (nn.Module,), {"forward": torch.relu})
    assert read_class_sources(bare())[""].lines == {}
