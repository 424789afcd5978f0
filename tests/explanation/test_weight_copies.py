"""What is said of each weight, and the code that copies them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.explanation.weight_copies import list_weight_copies, unwrap_layer, write_copies
from torch2keras.keras_graph.graph import LayerSpec

# layer, shape of its input, what is said of the axes of its first weight
LAYERS = {
    "conv": (nn.Conv1d(3, 5, 7), (2, 3, 11), "(out, in, w) -> (w, in, out)"),
    "groups": (
        nn.Conv2d(6, 10, 3, groups=2),
        (2, 6, 7, 7),
        "(out, in / groups, h, w) -> (h, w, in / groups, out)",
    ),
    "a layer a group": (
        nn.Conv2d(6, 10, 3, groups=2),
        (2, 6, 11, 11),
        "(out, in, h, w) -> (h, w, in, out)",
    ),
    "depthwise": (nn.Conv1d(3, 6, 5, groups=3), (2, 3, 11), ""),
    "transposed groups": (
        nn.ConvTranspose1d(6, 4, 3, groups=2),
        (2, 6, 11),
        "(in, out, w) -> (w, out, in)",
    ),
    "dense": (nn.Linear(3, 5), (2, 3), "(out, in) -> (in, out)"),
    "norm": (nn.BatchNorm1d(3), (2, 3), "as it is"),
    "lstm": (
        nn.LSTM(3, 5, batch_first=True),
        (2, 7, 3),
        "the gates i, f, g, o are Keras's i, f, c, o",
    ),
    "gru": (
        nn.GRU(3, 5, batch_first=True),
        (2, 7, 3),
        "the gates r, z, n come in Keras's order z, r, h",
    ),
}


def graph_of(layer: nn.Module, shape: tuple[int, ...]):
    converted = t2k.convert(layer.eval(), torch.randn(shape), verify=False)
    return converted, converted.conversion.lowered.graph


@pytest.mark.parametrize("name", LAYERS)
def test_every_expression_gives_the_weight(name):
    layer, shape, axes = LAYERS[name]
    converted, graph = graph_of(layer, shape)
    copies = list(list_weight_copies(layer, graph))
    assert copies[0].axes == axes
    state = {name: tensor.numpy() for name, tensor in layer.state_dict().items()}
    scope = {"state": state, "np": np}
    made = [eval(c.expression, scope) for c in copies]  # noqa: S307 - our own text
    assert [array.shape for array in made] == [copy.shape for copy in copies]
    held = sorted(tuple(w.numpy().ravel()) for w in converted.model.weights)
    assert sorted(tuple(array.ravel()) for array in made) == held


def test_no_weight_of_a_recurrent_layer_or_of_attention_is_as_it_is_but_biases():
    for layer, x in [
        (nn.GRU(3, 5, batch_first=True), torch.randn(2, 7, 3)),
        (nn.TransformerEncoderLayer(6, 2, 11, batch_first=True), torch.randn(2, 7, 6)),
    ]:
        graph = t2k.convert(layer.eval(), x, verify=False).conversion.lowered.graph
        for copy in list_weight_copies(layer, graph):
            if copy.axes == "as it is":
                assert len(copy.shape) == 1


def test_layers_that_are_copied_in_one_way_are_a_loop():
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 3, bias=False))
    _, graph = graph_of(net, (2, 3))
    assert write_copies(net, graph, is_nested=False) == [
        "state = {key: tensor.numpy(force=True) for key, tensor in layer.state_dict().items()}",
        "",
        'for name, path in [("x0", "0"), ("x2", "2")]:'.replace("x", ""),
        "    dense = model.get_layer(name)",
        "    # kernel: (out, in) -> (in, out)",
        '    dense.kernel.assign(state[f"{path}.weight"].T)',
        '    dense.bias.assign(state[f"{path}.bias"])',
        "",
        'dense = model.get_layer("3")',
        "# kernel: (out, in) -> (in, out)",
        'dense.kernel.assign(state["3.weight"].T)',
    ]


def test_a_module_without_weights_has_nothing_to_copy():
    layer = nn.ReLU()
    assert write_copies(layer, graph_of(layer, (2, 3))[1], is_nested=False) == []


def test_hostile_names_stay_texts():
    net = nn.Module()
    names = ['a"b', "{path}", "\\", "'''", "\u2028"]
    net = nn.Sequential()
    for name in names:
        net.add_module(name, nn.Linear(3, 3))
    converted, graph = graph_of(net, (2, 3))
    lines = write_copies(net, graph, is_nested=False)
    scope = {"model": converted.model, "layer": net}
    before = [weight.numpy() for weight in converted.model.weights]
    for weight in converted.model.weights:
        weight.assign(np.zeros(weight.shape))
    exec("\n".join(lines), scope)  # noqa: S102 - the package's own text
    for weight, value in zip(converted.model.weights, before, strict=True):
        assert np.array_equal(weight.numpy(), value)


def test_the_layer_within_a_wrapper():
    inner = LayerSpec("LSTM", {"units": 5})
    assert unwrap_layer(LayerSpec("Bidirectional", {"layer": inner})) is inner
    assert unwrap_layer(inner) is inner
