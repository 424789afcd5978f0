"""The twin's own weights beside those that it should have."""

from __future__ import annotations

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

from torch2keras.twins.causes.cause import CauseKind
from torch2keras.twins.causes.weight_causes import OwnWeights, check_own_weights, is_close
from torch2keras.twins.sides import read_sides


def check(spoil, is_transferred: bool = True):
    net = nn.Sequential(nn.Conv1d(4, 4, 3), nn.ReLU(), nn.Conv1d(4, 4, 3)).eval()
    model = keras.Sequential(
        [keras.Input((12, 4)), layers.Conv1D(4, 3), layers.ReLU(), layers.Conv1D(4, 3)]
    )
    sides = read_sides(net, model, (torch.randn(2, 4, 12),))
    match = sides.match()
    plan = sides.plan(match)
    if is_transferred:
        plan.apply()
    kernel = model.layers[0].kernel
    kernel.assign(spoil(np.asarray(kernel)))
    return check_own_weights(sides, match, plan)


def test_what_became_of_a_kernel_is_told() -> None:
    for spoil, text in [
        (lambda kernel: kernel.transpose(0, 2, 1), "it is transposed"),
        (lambda kernel: kernel[::-1], "it runs backwards"),
        (lambda kernel: kernel + 1, "other values than the module's"),
    ]:
        own = check(spoil)
        (cause,) = own.causes
        assert (own.equal, own.compared, cause.kind) == (3, 4, CauseKind.WEIGHT)
        assert text in cause.text


def test_weights_that_were_not_transferred_have_no_cause() -> None:
    own = check(lambda kernel: kernel, is_transferred=False)
    assert own == OwnWeights(0, 4)
    assert str(own) == "0 of 4 of its own weights are the module's"


def test_a_copy_may_be_rounded() -> None:
    values = np.random.default_rng(0).normal(size=100)
    assert is_close(values.astype("float16").astype("float32"), values)
    assert is_close(values.astype("float32"), values)
    assert not is_close(values + 0.01, values)
    assert not is_close(values, values.reshape(10, 10))
