"""PyTorch in train mode by Keras's rules."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

import torch2keras as t2k
from torch2keras.verification.learning.train_mode import (
    KerasTraining,
    find_cumulative_norms,
    find_frozen_norms,
    set_train_mode,
)


def test_dropouts_are_idle():
    x = torch.randn(4, 3, 8)
    layers = [nn.Dropout(0.5), nn.Dropout1d(0.5), nn.AlphaDropout(0.5), nn.FeatureAlphaDropout(0.5)]
    with KerasTraining():
        for layer in layers:
            assert torch.equal(layer.train()(x), x)
        assert torch.equal(functional.dropout(x, p=0.9), x)
        assert torch.equal(torch.dropout(x, 0.5, True), x)


def test_the_running_variance_moves_by_the_biased_one():
    torch.manual_seed(0)
    norm, x = nn.BatchNorm1d(3, momentum=0.25).double().train(), torch.randn(4, 3, 8).double()
    with KerasTraining():
        norm(x).sum().backward()
    biased = x.transpose(0, 1).reshape(3, -1).var(1, unbiased=False)
    torch.testing.assert_close(norm.running_var, 0.75 + 0.25 * biased)
    torch.testing.assert_close(norm.running_mean, 0.25 * x.mean((0, 2)))


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.frozen, self.average, self.drop = nn.BatchNorm1d(3), None, nn.Dropout()
        self.average = nn.BatchNorm1d(3, momentum=None)
        self.frozen.requires_grad_(requires_grad=False)

    def forward(self, x):
        return self.drop(self.average(self.frozen(x)))


def test_which_norms_keras_runs_otherwise():
    module = Norms().eval()
    conversion = t2k.convert(module, (torch.randn(4, 3),), verify=False).conversion
    assert find_frozen_norms(conversion) == {"frozen": "frozen"}
    assert find_cumulative_norms(conversion) == ["average"]
    set_train_mode(conversion)
    assert module.average.training
    assert not module.frozen.training
    assert not module.drop.training
