"""The table of gradients and training."""

from __future__ import annotations

from torch2keras.reporting.learning import write_learning_lines
from torch2keras.verification.results import LearningCheck, Verdict

EXPECTED = """\
  learning    errors as shares of the largest number, in float64
            gradients  20 steps
            eval mode  of SGD
    a.bias  1.0e-16    2.0e-02 ~
    x       5.0e-01 !  -
    ~ moved by rounding alone, in PyTorch too
    ! differs"""


def test_a_line_for_each_parameter():
    gradients = LearningCheck(
        "gradients, eval mode",
        {"a.bias": 1e-16, "x": 0.5},
        {"a.bias": Verdict.EQUAL, "x": Verdict.DIFFERS},
    )
    steps = LearningCheck("20 steps of SGD", {"a.bias": 0.02}, {"a.bias": Verdict.ROUNDING})
    assert "\n".join(write_learning_lines([gradients, steps])) == EXPECTED
    assert gradients.differing == ("x",)
    assert gradients.describe() == "x by 0.5 of its size"
    assert steps.worst == ("", 0.0)


def test_no_table_without_a_comparison():
    assert not list(write_learning_lines([]))
