"""Operators of training alone give in eval mode what their operand is."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import scaled_dot_product_attention

from torch2keras.custom_ops.training_noise import dropped_attention, gaussian_noise, shared_dropout

X = torch.randn(2, 3, 5)
ATTENTION = (*torch.randn(3, 2, 3, 5, 7), None, 0.3, True, 0.5, False)


@pytest.mark.parametrize(("op", "args"), [(shared_dropout, (0.3, [0])), (gaussian_noise, (0.1,))])
def test_the_operand_is_copied(op, args):
    y = op(X, *args)
    assert torch.equal(y, X)
    assert y.data_ptr() != X.data_ptr()
    with FakeTensorMode() as mode:
        assert op(mode.from_tensor(X), *args).shape == X.shape


def test_attention_drops_nothing():
    query, key, value, *_ = ATTENTION
    wanted = scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.5)
    assert torch.equal(dropped_attention(*ATTENTION), wanted)
