"""What a converted model takes and gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3)

    def forward(self, x):
        y = self.conv(x)
        return {"mean": y.mean(-1), "size": 7, "pair": (y, None)}


@pytest.fixture(scope="module")
def converted() -> t2k.Converted:
    torch.manual_seed(0)
    return t2k.convert(Net().eval(), torch.randn(2, 3, 11), verify=False)


def test_a_call_takes_pytorch_order_and_answers_in_the_modules_structure(converted):
    x = torch.randn(13, 3, 11)
    expected = converted.conversion.module(x)
    for given in (x, x.numpy()):
        found = converted(given)
        assert list(found) == ["mean", "size", "pair"]
        assert (found["size"], found["pair"][1]) == (7, None)
        assert isinstance(found["mean"], np.ndarray)
        np.testing.assert_allclose(found["mean"], expected["mean"].detach(), atol=1e-6)
        np.testing.assert_allclose(found["pair"][0], expected["pair"][0].detach(), atol=1e-6)


def test_a_call_takes_keywords(converted):
    x = torch.randn(2, 3, 11)
    np.testing.assert_array_equal(converted(x=x)["mean"], converted(x)["mean"])


def test_a_size_that_was_not_captured_is_refused(converted):
    with pytest.raises(t2k.InputError, match="dimension 2 of x is 12, not 11"):
        converted(torch.randn(2, 3, 12))


def test_the_ports_are_those_of_the_model(converted):
    assert [port.keras_shape for port in converted.inputs] == [converted.model.input_shape]
    assert [port.keras_shape for port in converted.outputs] == converted.model.output_shape


def test_complex_numbers_pass_in_and_out():
    class Turn(nn.Module):
        def forward(self, x):
            return x * 1j

    x = torch.randn(2, 5, dtype=torch.complex64)
    converted = t2k.convert(Turn().eval(), x, verify=False)
    np.testing.assert_allclose(converted(x), (x * 1j).numpy(), rtol=1e-6)


def test_verification_is_kept_for_the_report(converted):
    assert converted.report.verified is None
    found = converted.verify()
    assert converted.verification is found
    assert [tier.tier for tier in converted.report.verified.tiers] == ["S", "N"]


def test_a_state_dict_goes_in_and_comes_back(converted, tmp_path):
    other = Net()
    converted.load_state_dict(other.state_dict())
    for name, tensor in other.state_dict().items():
        torch.testing.assert_close(converted.state_dict()[name], tensor)
    x = torch.randn(2, 3, 11)
    np.testing.assert_allclose(converted(x)["mean"], other(x)["mean"].detach(), atol=1e-6)
    assert converted.save(tmp_path / "net.keras").is_file()


def test_a_loop_of_steps_is_run_as_one_graph():
    module = nn.LSTM(3, 5, batch_first=True).eval()
    x = torch.randn(2, 7, 3)
    converted = t2k.convert(module, x, verify=False)
    np.testing.assert_allclose(converted(x)[0], module(x)[0].detach(), atol=1e-5)
