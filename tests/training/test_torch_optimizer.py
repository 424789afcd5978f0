"""The base of optimizers by PyTorch's formulas: settings, states and configs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from torch2keras.training.adaptive_formulas import TorchAdam
from torch2keras.training.gradient_descent import TorchSGD
from torch2keras.training.torch_optimizer import Setting, sum_repeated_rows


def variables(*shapes):
    return [
        keras.Variable(np.ones(shape, "float32"), name=f"v{i}") for i, shape in enumerate(shapes)
    ]


def move(optimizer, held):
    optimizer.apply([tf.ones_like(v.value) for v in held], held)
    return [float(v.numpy().flat[0]) for v in held]


def test_each_variable_moves_by_its_own_setting():
    held = variables((2,), (3,), (4,), (5,))
    optimizer = TorchSGD(0.5, {"weight_decay": 0.5})
    plain = dict(TorchSGD.DEFAULTS)
    optimizer.bind(
        [
            (held[0], Setting(plain)),
            (held[1], Setting(plain, rate=0.5)),
            (held[2], Setting(plain, moves=False)),
        ]
    )
    assert move(optimizer, held) == [0.5, 0.75, 1.0, 0.25]


def test_a_config_holds_the_settings_of_all_variables():
    held = variables((2,), (2,))
    optimizer = TorchSGD(0.5)
    optimizer.bind([(held[1], Setting(dict(TorchSGD.DEFAULTS), rate=0.5))])
    optimizer.build(held)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    fresh = variables((2,), (2,))
    assert move(again, fresh) == [0.5, 0.75]
    assert again.get_config() == optimizer.get_config()


def test_fewer_variables_are_known_by_their_paths_and_strangers_are_refused():
    held = variables((2,), (3,))
    optimizer = TorchSGD(0.5)
    optimizer.bind([(held[1], Setting(dict(TorchSGD.DEFAULTS), rate=0.5))])
    optimizer.build(held)
    config = optimizer.get_config()
    assert move(TorchSGD.from_config(config), held[1:]) == [0.75]
    with pytest.raises(ValueError, match="does not know how other"):
        TorchSGD.from_config(config).build([keras.Variable(np.ones(4), name="other")])


def test_an_unknown_option_is_refused():
    with pytest.raises(ValueError, match="TorchAdam has no option 'epsilon'"):
        TorchAdam(0.1, {"epsilon": 1e-7})


def test_a_variable_that_stays_has_no_state():
    held = variables((2,), (2,))
    optimizer = TorchAdam(0.1)
    optimizer.bind([(held[0], Setting(dict(TorchAdam.DEFAULTS), moves=False))])
    optimizer.build(held)
    assert not optimizer.state_of(held[0])
    assert set(optimizer.state_of(held[1])) == {"exp_avg", "exp_avg_sq"}


def test_rows_that_were_looked_up_twice_are_summed():
    slices = tf.IndexedSlices(tf.constant([[1.0], [2.0]]), tf.constant([1, 1]), tf.constant([3, 1]))
    np.testing.assert_array_equal(sum_repeated_rows(slices), [[0.0], [3.0], [0.0]])
