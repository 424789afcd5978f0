"""The example of fine-tuning reaches its goal, on both sides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.slow
def test_a_fine_tuned_net_scores_the_same_on_both_sides():
    command = [sys.executable, str(EXAMPLES / "fine_tune.py")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    before, keras_side, torch_side = [line.split()[-1] for line in ran.stdout.splitlines()]
    assert float(before.rstrip("%")) < 90
    assert float(keras_side.rstrip("%")) > 95
    assert torch_side == keras_side
