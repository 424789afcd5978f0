"""Pooling of three dimensions in float64, against PyTorch."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from torch2keras.runtime.arrays import to_numpy
from torch2keras.workarounds.float64_pooling import pool_3d
from torch2keras.workarounds.float64_promotion import double_precision

X = torch.randn(2, 3, 7, 11, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
CHANNELS_LAST = X.permute(0, 2, 3, 4, 1).contiguous().numpy()
POOLS = {
    "max": (keras.ops.max_pool, F.max_pool3d),
    "average": (keras.ops.average_pool, F.avg_pool3d),
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize(
    ("size", "strides"), [((2, 3, 5), (2, 3, 5)), ((3, 1, 2), (1, 2, 3)), ((1, 2, 3), (2, 1, 1))]
)
def test_in_two_steps_it_is_the_pooling_of_all_three(name, size, strides) -> None:
    kerass, theirs = POOLS[name]
    with double_precision():
        x = keras.ops.convert_to_tensor(CHANNELS_LAST)
        found = to_numpy(pool_3d(kerass, x, size, strides, "valid"))
    exact = theirs(X, size, strides).permute(0, 2, 3, 4, 1).numpy()
    np.testing.assert_allclose(found, exact, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", POOLS)
def test_tensorflow_still_has_no_kernel(name: str) -> None:
    """Where this fails, it has one, and the workaround can go."""
    missing = r"(?s)could not find|No OpKernel|DOUBLE|double"
    with double_precision(), pytest.raises(Exception, match=missing):
        POOLS[name][0](keras.ops.convert_to_tensor(CHANNELS_LAST), (2, 3, 5), (2, 3, 5))
