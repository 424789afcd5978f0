"""`torch2keras::fixed_batch_norm` is batch normalization in eval mode."""

from __future__ import annotations

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from torch2keras.custom_ops.fixed_batch_norm import fixed_batch_norm


def test_it_gives_pytorchs_numbers():
    norm = torch.nn.BatchNorm1d(3).eval()
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        tensor.data.uniform_(0.5, 2)
    x = torch.randn(2, 3, 5)
    statistics = norm.running_mean, norm.running_var
    assert torch.equal(fixed_batch_norm(x, norm.weight, norm.bias, *statistics, norm.eps), norm(x))


def test_the_fake_kernel_has_the_shape():
    with FakeTensorMode():
        x, c = torch.empty(2, 3, 5), torch.empty(3)
        assert fixed_batch_norm(x, None, None, c, c, 1e-5).shape == (2, 3, 5)
