"""The Keras graph in float64 gives the module's float64 numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.keras_model.layers import Layers
from torch2keras.verification.float64_keras import outputs64, values64, widen_input
from torch2keras.verification.reference import run64
from torch2keras.workarounds.float64_promotion import double_precision


@pytest.fixture(scope="module")
def conversion():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5), nn.GELU(), nn.Conv1d(5, 2, 2))
    return t2k.convert(module.eval(), torch.randn(2, 3, 11), verify=False).conversion


@pytest.mark.parametrize("in_turn", [False, True])
def test_outputs_are_those_of_the_module_in_float64(conversion, in_turn) -> None:
    sets = [torch.randn(2, 3, 11), torch.randn(3, 3, 11)]
    layers = Layers(conversion.lowered.graph, "float64", in_turn=in_turn)
    with double_precision():
        runs = outputs64(conversion, layers, [[x] for x in sets])
    for x, (output,) in zip(sets, runs, strict=True):
        assert output.dtype == np.float64
        (wanted,) = run64(conversion.module, [x])
        ours = conversion.outputs[0].to_torch(output)
        assert np.abs(ours - wanted).max() <= 1e-8 * np.abs(wanted).max()


def test_all_values_are_kept(conversion) -> None:
    x = torch.randn(2, 3, 11)
    graph = conversion.lowered.graph
    layers = Layers(graph, "float64")
    made = {index for call in graph.calls for index in call.outputs}
    with double_precision():
        every = values64(conversion, layers, [x])
    assert made <= set(every)


@pytest.mark.parametrize(
    ("tensor", "dtype", "shape"),
    [
        (torch.ones(2, 3), torch.float64, (2, 3)),
        (torch.ones(2, 3, dtype=torch.bfloat16), torch.float64, (2, 3)),
        (torch.ones(2, 3, dtype=torch.int32), torch.int32, (2, 3)),
        (torch.ones(2, dtype=torch.bool), torch.bool, (2,)),
        (torch.ones(2, 3, dtype=torch.complex64).conj(), torch.float64, (2, 3, 2)),
    ],
)
def test_inputs_are_widened_as_the_graph_takes_them(tensor, dtype, shape) -> None:
    wide = widen_input(tensor)
    assert wide.dtype is dtype
    assert tuple(wide.shape) == shape
