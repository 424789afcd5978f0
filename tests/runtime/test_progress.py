"""The stages that a conversion tells of."""

from __future__ import annotations

import torch
from torch import nn

import torch2keras as t2k
from torch2keras.runtime.progress import Stage


def test_a_conversion_tells_of_every_stage_in_order() -> None:
    told: list[str] = []
    t2k.convert(nn.Linear(3, 5), (torch.zeros(2, 3),), progress=told.append)
    assert told == list(Stage)
    assert told[0] == "capture"


def test_an_inspection_builds_and_verifies_nothing() -> None:
    told: list[str] = []
    t2k.inspect(nn.Linear(3, 5), (torch.zeros(2, 3),), progress=told.append)
    assert told == [Stage.CAPTURE, Stage.IMPORT, Stage.LAYOUT, Stage.LOWER]
