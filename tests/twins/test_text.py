"""How a matching is printed."""

from __future__ import annotations

from torch2keras.twins.mapping import PairRow, TwinMapping
from torch2keras.twins.text import MOST_LINES, say_matching, write_section


def test_what_is_guessed_and_left_over_is_said() -> None:
    mapping = TwinMapping(
        (PairRow("a", "x", "structure"), PairRow("b", "y", "order")), ("c",), ("z",)
    )
    assert say_matching(mapping).splitlines() == [
        "2 layers matched (1 by structure, 1 by order)",
        "guessed, since others look alike",
        "  b | y",
        "left over of the module",
        "  c",
        "left over of the Keras model",
        "  z",
    ]
    assert say_matching(TwinMapping(())) == "0 layers matched"


def test_long_sections_are_cut() -> None:
    lines = write_section("title", list("x" * (MOST_LINES + 3))).splitlines()
    assert len(lines) == MOST_LINES + 2
    assert lines[-1] == "  and 3 more"
    assert write_section("title", []) == ""
