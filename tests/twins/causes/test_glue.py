"""What stands between layers with weights, whatever it is written as."""

from __future__ import annotations

import keras
import pytest
import torch
from keras import layers
from torch import nn

from torch2keras.twins.causes.glue import find_pool_node, read_dropouts, read_glue, say_fact
from torch2keras.twins.sides import read_sides
from torch2keras.twins.steps import read_steps


def glue_of(*parts):
    x = inputs = keras.Input((12, 4))
    x = layers.Conv1D(4, 3, name="conv")(x)
    for part in parts:
        x = part(x)
    graph = read_steps(keras.Model(inputs, x))
    return graph, read_glue(graph, graph.outputs[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([layers.ReLU()], [keras.ops.relu]),
        ([layers.Activation("softmax")], [layers.Softmax()]),
        (
            [layers.GlobalAveragePooling1D()],
            [layers.Flatten(), layers.Reshape((10, 4)), layers.GlobalAveragePooling1D()],
        ),
        ([layers.Identity()], []),
    ],
)
def test_equal_meanings_have_equal_facts(one, other) -> None:
    facts = [[(f.kind, f.settings) for f in glue_of(*parts)[1].facts] for parts in (one, other)]
    assert facts[0] == facts[1]


def test_steps_are_named_and_said() -> None:
    graph, glue = glue_of(
        layers.Dropout(0.2), layers.MaxPooling1D(2, padding="same"), keras.ops.tanh
    )
    assert glue.start == "conv"
    assert [say_fact(fact) for fact in glue.facts] == ["max pooling", "tanh"]
    assert [fact.settings["rate"] for fact in read_dropouts(graph, graph.outputs[0])] == [0.2]
    assert glue.facts[0].settings["pads"] == [(0, 0)]


def test_a_rate_is_what_was_meant() -> None:
    graph, _ = glue_of(layers.Dropout(0.2 * 6 / 16))
    (fact,) = read_dropouts(graph, graph.outputs[0])
    assert 0.2 * 6 / 16 != fact.settings["rate"] == 0.075


def test_a_pooling_of_the_module_has_pytorchs_settings() -> None:
    net = nn.Sequential(nn.Conv1d(4, 4, 3), nn.AvgPool1d(3, 2, padding=1))
    x = inputs = keras.Input((12, 4))
    x = layers.AveragePooling1D(3, 2, padding="same")(layers.Conv1D(4, 3)(x))
    sides = read_sides(net.eval(), keras.Model(inputs, x), (torch.randn(2, 4, 12),))
    graph = sides.module.graph
    (fact,) = read_glue(graph, graph.outputs[0], sides.module).facts
    assert fact.name == "1"
    settings = {key: fact.settings[key] for key in ("ceil_mode", "count_include_pad")}
    assert settings == {"ceil_mode": False, "count_include_pad": True}
    assert find_pool_node(sides.converted.conversion.graph, "1", "max") is None


def test_statistics_of_the_data_stand_between() -> None:
    x = inputs = keras.Input((4,))
    x = layers.Rescaling(0.5)(layers.Normalization(mean=[1.0] * 4, variance=[2.0] * 4)(x))
    graph = read_steps(keras.Model(inputs, x))
    facts = read_glue(graph, graph.outputs[0]).facts
    assert [say_fact(fact) for fact in facts] == ["normalization", "times with 0.5"]
