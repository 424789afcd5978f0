"""What is printed is Python, whatever the names of the user are."""

from __future__ import annotations

import ast

from torch2keras.explanation.reasons import Reason
from torch2keras.explanation.result import Explanation, Side


def explained(layer: str, *notes: str, text: str = "so") -> Explanation:
    side = Side("x", (None, 3, 11), (None, 11, 3), "n l c", (0, 2, 1))
    time_first = Side("steps", (20, None, 3), (None, 20, 3), "c n l", (1, 0, 2))
    reason = Reason("Conv1D", "padding", float("-inf"), text)
    return Explanation(
        layer, "model = 1\n", (reason,), (), (side,), (time_first,), 1e-7, 1e-16, notes
    )


def test_the_batch_is_named_on_both_sides() -> None:
    lines = str(explained("nn.Conv1d(3, 5, 3)")).split("\n")
    assert lines[2] == "# x      PyTorch (batch, 3, 11)  Keras (batch, 11, 3): axes 0, 2, 1"
    assert lines[3] == "# steps  PyTorch (20, batch, 3)  Keras (batch, 20, 3): axes 1, 0, 2"


def test_long_lines_and_control_characters_stay_in_comments() -> None:
    hostile = "a\nimport os\r\x0cimport os\u2028import os\x1b[2J"
    page = str(explained(hostile, hostile, "words " * 40, text=hostile))
    code = [line for line in page.split("\n") if line and not line.startswith("#")]
    assert code == ["model = 1"]
    assert page.isascii() or page.replace("\n", "").isprintable()
    assert max(map(len, page.splitlines())) <= 80
    assert [type(node) for node in ast.parse(page).body] == [ast.Assign]


def test_as_data() -> None:
    data = explained("nn.ReLU()", "a note").as_dict()
    assert data["inputs"][0]["permutation"] == (0, 2, 1)
    assert data["notes"] == ("a note",)
    assert data["code"] == "model = 1\n"
