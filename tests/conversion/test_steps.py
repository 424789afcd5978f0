"""The steps of both sides give what the module and the model give, one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3, padding=1)
        self.head = nn.Linear(55, 7)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).flatten(1)).view(x.shape[0], 7, 1)


@pytest.fixture(scope="module")
def converted() -> t2k.Converted:
    torch.manual_seed(0)
    return t2k.convert(Block().eval(), torch.randn(2, 3, 11), verify=False)


def test_each_op_of_the_module_is_named_and_gives_its_result(converted):
    x = torch.randn(13, 3, 11)
    steps = list(converted.torch_steps(x))
    named = [(step.module, step.name) for step in steps]
    assert named[0] == ("conv", "conv1d")
    assert ("head", "linear") in named
    torch.testing.assert_close(steps[-1].run()[0], converted.conversion.module(x))


def test_each_call_of_the_model_is_named_and_gives_its_result(converted):
    x = torch.randn(13, 3, 11)
    steps = list(converted.keras_steps(x))
    named = [(step.module, step.name) for step in steps]
    assert ("conv", "Conv1D") in named
    assert ("head", "Dense") in named
    (last,) = steps[-1].run()
    found = converted.outputs[0].to_torch(last)
    np.testing.assert_allclose(found, converted(x), rtol=1e-5, atol=1e-6)


def test_a_step_may_run_again(converted):
    step = next(iter(converted.torch_steps(torch.randn(2, 3, 11))))
    torch.testing.assert_close(step.run()[0], step.run()[0])


def test_complex_inputs_are_pairs():
    class Size(nn.Module):
        def forward(self, x):
            return x.abs()

    x = torch.randn(2, 5, dtype=torch.complex64)
    converted = t2k.convert(Size().eval(), x, verify=False)
    *_, last = converted.torch_steps(x)
    torch.testing.assert_close(last.run()[0].reshape(2, 5), x.abs())
    *_, made = converted.keras_steps(x)
    np.testing.assert_allclose(np.asarray(made.run()[0]).reshape(2, 5), x.abs(), rtol=1e-6)
