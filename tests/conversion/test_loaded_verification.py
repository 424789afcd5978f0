"""Verification after a load or training: the module runs with the Keras model's weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k


def two_convs() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), nn.Conv1d(4, 2, 3)).eval()


X = torch.randn(2, 3, 11)


def test_the_module_runs_with_the_loaded_weights() -> None:
    module, other = two_convs(), two_convs()
    with torch.no_grad():
        for tensor in (*other.parameters(), *other.buffers()):
            tensor.add_(1)
    converted = t2k.convert(module, X)
    verified = converted.verification
    assert verified is not None
    converted.load_state_dict(module.state_dict())
    assert converted.verification is verified
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    converted.load_state_dict(other.state_dict())
    assert converted.verification is None
    assert converted.report.verified is None
    assert "not verified" in str(converted.report)
    assert converted.verify().ok
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert converted.report.verified is not None
    kernel = converted.model.trainable_weights[0]
    kernel.assign(np.asarray(kernel) + 1)
    assert converted.report.verified is None
    assert converted.verify().ok


def test_it_can_fail() -> None:
    module = two_convs()
    converted = t2k.convert(module, X)
    converted.load_state_dict(two_convs().state_dict())
    module[1].eps = 0.5
    with pytest.raises(t2k.VerificationError):
        converted.verify()


def test_a_module_that_moved_on_is_compared_as_it_was() -> None:
    module = two_convs()
    converted = t2k.convert(module, X)
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.mul_(2)
    assert converted.verify().ok


def test_a_module_that_lost_a_layer() -> None:
    module = two_convs()
    converted = t2k.convert(module, X)
    module[1] = nn.Identity()
    with pytest.raises(t2k.InputError, match=r"no longer has 1\.weight"):
        converted.verify()
    t2k.convert(module, X).verify()
