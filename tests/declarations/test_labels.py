"""Labels tell apart what stands in different places, and say of themselves what the layout asks."""

from __future__ import annotations

import itertools

import pytest

from torch2keras.declarations.labels import Label, LabelKind, Slot

# a name of a pattern -> its name and number
NAMES = {"n": ("n", -1), "s0": ("s", 0), "s12": ("s", 12), "upscale_factor": ("upscale_factor", -1)}


@pytest.mark.parametrize("text", NAMES)
def test_a_name_has_a_slot_and_is_written_as_it_was(text) -> None:
    slot = Slot.of_name(text)
    assert (slot.kind, slot.name, slot.number) == (LabelKind.NAMED, *NAMES[text])
    assert slot.text == text


# labels which one op may have side by side; no two of them are one axis
LABELS = {
    "the first of ...": Label.free(0),
    "the first of ... from the right": Label.free(-1),
    "the first that an argument names": Label(Slot.of_argument(0)),
    "its own in term 0": Label(Slot.of_argument(0), 0),
    "a name": Label(Slot.of_name("s")),
    "a starred name": Label(Slot.of_name("s0")),
    "a primed name": Label(Slot.of_name("s0"), 0),
    "a unit of term 0": Label.unit(0),
    "a unit of term 1": Label.unit(1),
    "a unit that a view drops": Label.view_unit(0, 0),
    "a unit that a view makes": Label.view_unit(0, 1),
    "a block before a view": Label.block(0, 0),
    "a block behind a view": Label.block(0, 1),
}


def test_no_two_labels_are_one() -> None:
    for a, b in itertools.combinations(LABELS.values(), 2):
        assert a != b


def test_free_is_what_the_dots_leave() -> None:
    free = [name for name, label in LABELS.items() if label.is_free]
    assert free == ["the first of ...", "the first of ... from the right"]


def test_ordered_is_what_a_term_owns() -> None:
    ordered = {name for name, label in LABELS.items() if label.is_ordered}
    assert {"a primed name", "a block before a view", "its own in term 0"} <= ordered
    assert not ordered & {"a name", "a starred name", "the first of ...", "a unit of term 0"}


def test_a_block_has_one_slot_on_both_sides() -> None:
    assert Label.block(3, 0).slot == Label.block(3, 1).slot
    assert Label.block(3, 0).slot != Label.free(3).slot
