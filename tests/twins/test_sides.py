"""What may be given, and what is refused."""

from __future__ import annotations

import keras
import pytest
import torch
from torch import nn

from torch2keras.errors import InputError
from torch2keras.twins.matching import How
from torch2keras.twins.sides import prove_guesses, read_sides
from twin_nets import make_pair


def test_a_state_dict_comes_with_its_module() -> None:
    net, twin, x = make_pair("image")
    state = {name: torch.zeros_like(value) for name, value in net.state_dict().items()}
    sides = read_sides(state, twin, (x,), module=net)
    assert not sides.module.atoms[0].values("kernel").any()
    assert net.stem.weight.any()
    for source, module, text in [
        (state, None, "a state_dict alone"),
        ({"a": torch.zeros(3)}, net, "does not fit the module"),
        (3, net, "no source of weights"),
    ]:
        with pytest.raises(InputError, match=text):
            read_sides(source, twin, (x,), module=module)


def test_a_large_convolution_of_groups_is_one_layer_as_in_the_twin() -> None:
    net = nn.Sequential(nn.Conv1d(6, 4, 3, groups=2))
    inputs = keras.Input((400, 6))
    twin = keras.Model(inputs, keras.layers.Conv1D(4, 3, groups=2)(inputs))
    sides = read_sides(net, twin, (torch.randn(1, 6, 400),))
    (pair,) = sides.match().pairs
    assert pair.how is How.STRUCTURE


def test_a_twin_is_a_keras_model_of_as_many_outputs() -> None:
    net, twin, x = make_pair("image")
    with pytest.raises(InputError, match="is no keras"):
        read_sides(net, net, (x,))

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x), x

    with pytest.raises(InputError, match="has 2 outputs"):
        read_sides(Two().eval(), twin, (x,))


def test_a_mapping_is_taken_and_its_mistakes_are_named() -> None:
    net, twin, x = make_pair("attention")
    sides = read_sides(net, twin, (x,), mapping={"query": "key", "key": "query"})
    match = sides.match()
    given = {sides.module.name(p.ours): p.twin.name for p in match.pairs if p.how is How.GIVEN}
    assert given == {"query": "key", "key": "query"}
    prove_guesses(match)
    assert not sides.write_mapping(match, sides.plan(match)).guessed
    for mapping, text in [
        ({"nowhere": "key"}, "nowhere"),
        ({"query": "norm1"}, "pairs query with norm1"),
    ]:
        with pytest.raises(InputError, match=text):
            read_sides(net, twin, (x,), mapping=mapping)
