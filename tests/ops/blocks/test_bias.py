from __future__ import annotations

import torch

from recorded import record, weight_of
from torch2keras.ops.blocks.bias import add_bias, split_bias

X, BIAS = torch.randn(2, 3), torch.randn(3)


def test_a_layer_holds_a_bias_that_is_known() -> None:
    bias = weight_of(BIAS, trainable=True)
    assert split_bias(bias) == (bias, None)
    assert split_bias(None) == (None, None)


def test_a_bias_that_the_model_computes_is_added() -> None:
    def add(x, bias):
        held, added = split_bias(bias)
        assert held is None
        return add_bias(x, added)

    found = record(add, X, BIAS)
    assert torch.equal(found.result, X + BIAS)


def test_without_a_bias_nothing_is_recorded() -> None:
    assert record(lambda x: add_bias(x, None), X).targets == []
