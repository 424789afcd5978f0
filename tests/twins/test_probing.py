"""Layers that look alike are told apart by what they compute."""

from __future__ import annotations

from torch2keras.twins.matching import How
from torch2keras.twins.probing import probe_match
from torch2keras.twins.sides import read_sides
from torch2keras.workarounds.float64_promotion import double_precision
from twin_nets import make_pair


def test_projections_of_attention_are_proven_by_their_scores() -> None:
    net, twin, x = make_pair("attention", "turned")
    sides = read_sides(net, twin, (x,))
    guess = {sides.module.name(pair.ours): pair.twin.name for pair in sides.match().pairs}
    assert (guess["query"], guess["key"]) == ("key", "query")
    with double_precision():
        probed = probe_match(sides, sides.make_inputs())
    assert probed.walk.divergences == []
    for pair in probed.match.pairs:
        assert sides.module.name(pair.ours) == pair.twin.name
        assert pair.how in (How.STRUCTURE, How.PROBE)


def test_a_choice_beside_a_mistake_stays_a_guess() -> None:
    net, twin, x = make_pair("attention", "softmax axis")
    sides = read_sides(net, twin, (x,))
    with double_precision():
        probed = probe_match(sides, sides.make_inputs())
    guessed = [pair.twin.name for pair in probed.match.pairs if pair.how is How.ORDER]
    assert guessed == ["query", "key", "value"]
    assert probed.suspects == []
