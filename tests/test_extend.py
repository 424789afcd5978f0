"""What op authors import: enough for an op with a layer and a weight, and for a leaf module."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras import extend
from torch2keras.declarations.registry import registry


@pytest.fixture
def scratch_op():
    """An op of PyTorch's that nothing lowers, taken out of the registry again."""
    op = torch.ops.aten.special_airy_ai.default
    assert op not in registry
    yield op
    del registry.lowerings[op]


class Airy(nn.Module):
    def forward(self, x):
        return torch.special.airy_ai(x)


def test_an_op_written_with_extend_alone_converts(scratch_op):
    @extend.lowering(scratch_op, axes="...")
    def airy(x):
        y = extend.cast(extend.layers.ReLU()(x), x.dtype)
        return extend.ops.multiply(y, 0.0)

    converted = t2k.convert(Airy().eval(), torch.randn(2, 3, 5), verify=False)
    np.testing.assert_array_equal(converted(torch.randn(2, 3, 5)), np.zeros((2, 3, 5)))
    with pytest.raises(t2k.VerificationError):
        converted.verify()


def test_a_row_of_a_table_is_an_op_too(scratch_op):
    extend.pointwise({scratch_op: lambda x: extend.ops.sin(x)})
    x = torch.randn(2, 3, 5)
    converted = t2k.convert(Airy().eval(), x, verify=False)
    np.testing.assert_allclose(converted(x), torch.sin(x).numpy(), atol=1e-6)


def test_a_layer_takes_its_weights_through_call():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(7, 3))

        def forward(self, x):
            if x.sum() > 0:
                return x @ self.weight.T
            return x @ self.weight.T

    @extend.leaf(
        Scaled,
        torch="... c, f c -> ... f",
        keras="... c, c f -> ... f",
        fake=lambda module, x: x.new_empty(*x.shape[:-1], 7),
    )
    def scaled(x, weight, module):
        dense = extend.layers.Dense(units=module.weight.shape[0], use_bias=False)
        return extend.call(dense, x, kernel=weight)

    converted = t2k.convert(Scaled().eval(), torch.randn(2, 5, 3))
    assert [type(layer).__name__ for layer in converted.model.layers][1:] == ["Dense"]


def test_what_cannot_be_said_is_refused_with_the_package_own_error():
    assert extend.LoweringError is t2k.LoweringError
    assert (extend.lowering, extend.leaf) == (t2k.lowering, t2k.leaf)
