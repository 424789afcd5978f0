"""Blocks of a graph as boxes and lines."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.reporting.page.drawing import MOST_BLOCKS, Drawing, draw_blocks


def draw(module: nn.Module, *shape: int) -> Drawing:
    conversion = t2k.convert(module.eval(), torch.randn(shape), verify=False).conversion
    return draw_blocks(conversion.lowered.graph, conversion.facts.classes)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv1d(3, 3, 3, padding=1), nn.ReLU()

    def forward(self, x):
        return self.act(self.conv(x)) + x


def test_blocks_stand_below_what_they_read() -> None:
    drawing = draw(nn.Sequential(Residual(), nn.Flatten(), nn.Linear(33, 2)), 2, 3, 11)
    paths = [box.path for box in drawing.boxes if not box.is_port]
    assert paths == ["0.conv", "0.act", "0", "2"]
    heights = [box.y for box in drawing.boxes]
    assert heights == sorted(heights)
    assert drawing.boxes[1].detail == "Conv1d, 1 call"
    assert len(drawing.lines) == len(drawing.boxes)  # one after another, and the shortcut


def test_a_deep_net_is_drawn_by_its_outer_modules() -> None:
    nets = [nn.Sequential(*[nn.Conv1d(3, 3, 1) for _ in range(7)]) for _ in range(11)]
    drawing = draw(nn.Sequential(*nets), 2, 3, 5)
    assert [box.path for box in drawing.boxes if not box.is_port] == [str(i) for i in range(11)]


@pytest.mark.parametrize("count", [MOST_BLOCKS, MOST_BLOCKS + 5])
def test_all_lies_within_the_drawing(count: int) -> None:
    drawing = draw(nn.Sequential(*[nn.Conv1d(3, 3, 1) for _ in range(count)]), 2, 3, 5)
    assert len(drawing.boxes) == count + 2
    assert max(box.y for box in drawing.boxes) < drawing.height
    assert max(box.x for box in drawing.boxes) < drawing.width
