"""What an op costs in an order that TensorFlow's kernel does not have."""

from __future__ import annotations

import pytest

from torch2keras.declarations.costs import (
    ALONG_ANOTHER,
    HIDDEN,
    SCATTERED,
    TANGLED,
    contraction_cost,
    last_axis_cost,
)
from torch2keras.declarations.labels import AxisLabel, Label, Slot


def word(text: str) -> list[AxisLabel]:
    """One axis a letter; a capital is the dimension that the op acts on."""
    axes = []
    for letter in text:
        number = ord(letter)
        label = Label(Slot.of_argument(number)) if letter.isupper() else Label.free(number)
        axes.append(AxisLabel(label, 0))
    return axes


# the words of operands and result -> how many of them are moved, and how many of those end with a
# batch axis
CONTRACTIONS = {
    "matmul": ("bhqd bhdk bhqk", 0, 0),
    "matmul with keys as they are": ("bhqd bhkd bhqk", 0, 0),
    "matmul, the result turned": ("bhqd bhkd bhkq", 0, 0),
    "rows in two dimensions": ("bpqd bkd bpqk", 0, 0),
    "rows apart": ("pbqd bkd bpqk", 1, 0),
    "attention with heads behind the positions": ("bqhd bkhd bhqk", 2, 0),
    "what it gives, with heads behind the positions": ("bhqk bkhd bqhd", 2, 0),
    "heads last": ("bqdh bkdh bqkh", 3, 3),
    "the batch in another order": ("hbqd bhkd bhqk", 1, 0),
    "summed apart": ("bsqt bstk bqk", 1, 0),
    "a vector": ("bqd bd bq", 0, 0),
    "numbers": ("d d ", 0, 0),
}


@pytest.mark.parametrize("name", CONTRACTIONS)
def test_contraction(name: str) -> None:
    words, moved, scattered = CONTRACTIONS[name]
    assert sum(contraction_cost([word(w) for w in words.split(" ")])) == pytest.approx(
        HIDDEN * moved + SCATTERED * scattered
    )


def test_windows_that_an_equation_would_move_cost_more() -> None:
    """Here b and w are a batch of windows, q and p their positions."""
    assert contraction_cost([word("bwqphd"), word("bwkhd"), word("bwhqpk")]) == pytest.approx(
        [HIDDEN, HIDDEN, 0.0]
    )
    assert contraction_cost([word("bqwphd"), word("bwkhd"), word("bwhqpk")]) == pytest.approx(
        [TANGLED, HIDDEN, 0.0]
    )


def test_an_equation_of_three_operands_costs_nothing() -> None:
    assert contraction_cost([word("ab"), word("bc"), word("cd"), word("ad")]) == [0.0] * 4


@pytest.mark.parametrize(
    ("text", "cost"), [("bhqK", 0.0), ("bqKh", ALONG_ANOTHER), ("K", 0.0), ("Kb", ALONG_ANOTHER)]
)
def test_along_last(text: str, cost: float) -> None:
    assert last_axis_cost([word(text), word(text)]) == [cost, cost]
