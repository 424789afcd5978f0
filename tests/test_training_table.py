"""The table of docs/training.md measures nets that are trained on both sides."""

from __future__ import annotations

import training_table


def test_nets_are_trained_on_both_sides() -> None:
    cells = training_table.measure(training_table.CASES["bag of words"])
    assert [float(cell) < 1e-9 for cell in cells[:4]] == [True] * 4
    assert all(float(cell.partition(" ")[0]) < 1e-5 for cell in cells[4:])
    refused = training_table.measure(training_table.CASES["weight_norm"])
    assert refused[2:] == ["refused"] * 4


def test_the_table_of_training_has_its_place() -> None:
    page = training_table.PAGE.read_text()
    assert page.count(training_table.BEGIN) == page.count(training_table.END) == 1
