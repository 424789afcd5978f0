"""A module inside of a wrapper is converted as itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

import torch2keras as t2k
from torch2keras.capture.module_wrappers import unwrap_module

X = torch.linspace(-2.0, 2.0, 2 * 3 * 11).reshape(2, 3, 11)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(3, 5, 2), nn.ReLU(), nn.Conv1d(5, 2, 3)).eval()


class Model(nn.Module):
    """As Ultralytics has it: forward takes files, and the net is behind `model`."""

    __module__ = "ultralytics.engine.model"

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.model = module

    def forward(self, files: list[str]) -> torch.Tensor:
        raise NotImplementedError


class Detector(Model):
    """One of its kinds."""


WRAPPED = {
    "Ultralytics": Detector,
    "DataParallel": nn.DataParallel,
    "OptimizedModule": lambda module: torch.compile(module, backend="eager"),
    "AveragedModel": AveragedModel,
    "two of them": lambda module: nn.DataParallel(torch.compile(module, backend="eager")),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_the_module_itself_is_converted(name: str) -> None:
    module = WRAPPED[name](net())
    converted = t2k.convert(module, X)
    plain = t2k.convert(net(), X)
    assert [layer.name for layer in converted.model.layers] == [
        layer.name for layer in plain.model.layers
    ]
    assert sorted(converted.state_dict()) == sorted(net().state_dict())
    assert any("Converted is the module inside of" in note for note in converted.report.notes)


@pytest.mark.parametrize("module", [nn.ReLU(), nn.ModuleDict({"module": nn.ReLU()}), "text", None])
def test_what_is_no_wrapper_stays(module) -> None:
    assert unwrap_module(module) == (module, ())


def test_inspect_unwraps_too() -> None:
    assert t2k.inspect(nn.DataParallel(net()), X).ok
