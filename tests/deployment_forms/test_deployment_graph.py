"""The deployment's lowering: ports by name and in order, as the model's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import torch2keras
from deployed import deploy
from torch2keras.deployment.flatbuffer import LiteRTFile
from torch2keras.deployment_forms.deployment_graph import lower_for_deployment


class TwoPorts(nn.Module):
    """Two inputs and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3)
        self.linear = nn.Linear(5, 4)

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        y = self.conv(x) + self.linear(z).unsqueeze(-1)
        return y.sum(-1), y


def test_ports_have_their_names_and_order() -> None:
    deployed = deploy(TwoPorts(), torch.randn(2, 3, 9), torch.randn(2, 5))
    file = LiteRTFile(deployed.content)
    names = [file.main.tensors[index].name.decode() for index in file.main.inputs]
    assert names == ["x", "z"]
    names = [file.main.tensors[index].name.decode() for index in file.main.outputs]
    assert names == [port.name for port in deployed.converted.outputs]


def test_ports_lie_as_the_models() -> None:
    converted = torch2keras.convert(nn.Conv1d(3, 4, 3), (torch.randn(2, 3, 9),), verify=False)
    lowered = lower_for_deployment(converted.conversion)
    assert lowered.output_storages == converted.conversion.lowered.output_storages
