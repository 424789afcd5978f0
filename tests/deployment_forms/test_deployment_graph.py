"""The deployment graph: ports by name and in order, sizes fixed, weights of the conversion."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import Tensor, nn

import torch2keras
from deployed import deploy
from torch2keras.deployment_forms.deployment_graph import (
    lower_for_deployment,
    make_deployment_graph,
    make_signature,
)
from torch2keras.errors import InputError


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
    specs = [(spec.name, spec.shape.as_list()) for spec in deployed.graph.signature]
    assert specs == [("x", [1, 9, 3]), ("z", [1, 5])]
    names = [port.name for port in deployed.converted.outputs]
    assert set(deployed.graph.concrete.structured_outputs) == set(names)


def test_other_dynamic_sizes_are_those_of_the_example() -> None:
    length = torch.export.Dim("length", min=4, max=100)
    converted = torch2keras.convert(
        TwoPorts(),
        (torch.randn(2, 3, 9), torch.randn(2, 5)),
        dynamic_shapes={
            "x": {0: torch.export.Dim.AUTO, 2: length},
            "z": {0: torch.export.Dim.AUTO},
        },
        verify=False,
    )
    shapes = [spec.shape.as_list() for spec in make_signature(converted.conversion, 3)]
    assert shapes == [[3, 9, 3], [3, 5]]


def test_graph_can_be_saved(tmp_path: Path) -> None:
    deployed = deploy(TwoPorts(), torch.randn(2, 3, 9), torch.randn(2, 5))
    graph = deployed.graph
    tf.saved_model.save(graph, tmp_path, signatures={"serve": graph.serve})
    loaded = tf.saved_model.load(tmp_path).signatures["serve"]
    given = {spec.name: np.full(spec.shape, 0.5, "float32") for spec in graph.signature}
    expected = graph.serve(*map(tf.constant, given.values()))
    for name, value in loaded(**{name: tf.constant(x) for name, x in given.items()}).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)


def test_ports_lie_as_the_models() -> None:
    converted = torch2keras.convert(nn.Conv1d(3, 4, 3), (torch.randn(2, 3, 9),), verify=False)
    lowered = lower_for_deployment(converted.conversion)
    assert lowered.output_storages == converted.conversion.lowered.output_storages


def test_other_backends_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    converted = torch2keras.convert(nn.Conv1d(3, 4, 3), (torch.randn(2, 3, 9),), verify=False)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="TensorFlow"):
        make_deployment_graph(converted.conversion)
