"""A class's source becomes comments, and its lines are known by their numbers."""

from __future__ import annotations

from torch2keras.keras_graph.source.remarks.class_source import ClassSource, number_lines

SOURCE = ClassSource("net.Block", "net.py", "/a/net.py", {9: "def forward(self, x):", 10: "    x"})


def test_a_listing_has_a_head_and_numbers() -> None:
    assert SOURCE.comment_lines() == [
        "# net.Block, net.py:",
        "#  9  def forward(self, x):",
        "# 10      x",
    ]
    assert ClassSource("net.Block", "", "", {}).comment_lines() == ["# net.Block"]


def test_a_line_of_source_stays_a_comment() -> None:
    hostile = ClassSource('a"""\nimport os', "b\r", "", {1: "é\x0cimport os\u2028x\ty  "})
    lines = hostile.comment_lines()
    assert len(lines) == len("\n".join(lines).splitlines()) == 2
    assert all(line.startswith("# ") and line.isascii() for line in lines)


def test_lines_are_found_by_their_place() -> None:
    assert number_lines([SOURCE]) == {"/a/net.py:9": 9, "/a/net.py:10": 10}
