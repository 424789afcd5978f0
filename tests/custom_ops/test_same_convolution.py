"""The convolution with "same" padding is TensorFlow's, and its fake kernel tells the shape."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from torch2keras.custom_ops.same_convolution import find_same_total, same_convolution


@pytest.mark.parametrize("length", [1, 2, 7, 20, 21, 22])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 2, 1), (4, 3, 1), (5, 1, 2)])
def test_it_is_what_keras_calls_same(length: int, kernel: int, stride: int, dilation: int) -> None:
    x, weight, bias = torch.randn(2, 3, length), torch.randn(5, 3, kernel), torch.randn(5)
    ours = same_convolution(x, weight, bias, [stride], [dilation], 1)
    layer = keras.layers.Conv1D(
        5, kernel, strides=stride, dilation_rate=dilation, padding="same", dtype="float32"
    )
    columns = x.permute(0, 2, 1).numpy()
    layer.build(columns.shape)
    layer.set_weights([weight.permute(2, 1, 0).numpy(), bias.numpy()])
    theirs = np.transpose(layer(columns), (0, 2, 1))
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-5)
    with FakeTensorMode() as mode:
        fake = map(mode.from_tensor, (x, weight, bias))
        assert same_convolution(*fake, [stride], [dilation], 1).shape == ours.shape


def test_the_total_of_a_length_that_needs_none_is_zero() -> None:
    assert find_same_total(8, 2, 2, 1) == 0
    assert find_same_total(8, 1, 3, 1) == 0
    assert find_same_total(8, 3, 2, 1) == 1
