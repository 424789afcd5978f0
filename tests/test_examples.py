"""The demo hears the same pitch everywhere, fine-tuning reaches its goal, notebooks have cells."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("size", ["tiny", pytest.param("full", marks=pytest.mark.slow)])
def test_the_demo_hears_the_same_pitch_in_pytorch_keras_and_litert(size: str):
    command = [sys.executable, str(EXAMPLES / "crepe.py"), size]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    cents = [float(number) for number in re.findall(r"([+-]\d+\.\d+) cents", ran.stdout)]
    assert len(cents) == 6  # of four tones in Keras, and of one in each of the two files
    assert max(map(abs, cents[:5])) < 0.01
    assert abs(cents[5]) < 5  # in 8 bits
    assert "PyTorch imported: False" in ran.stdout


@pytest.mark.slow
def test_a_fine_tuned_net_scores_the_same_on_both_sides():
    command = [sys.executable, str(EXAMPLES / "fine_tune.py")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    before, keras_side, torch_side = [line.split()[-1] for line in ran.stdout.splitlines()]
    assert float(before.rstrip("%")) < 90
    assert float(keras_side.rstrip("%")) > 95
    assert torch_side == keras_side


@pytest.mark.slow
def test_the_notebook_of_the_first_guide_shows_the_layers_and_the_difference():
    command = [sys.executable, str(EXAMPLES / "first_conv1d.py")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = ran.stdout.splitlines()
    assert lines[:3] == ["InputLayer input", "ZeroPadding1D zero_padding1d", "Conv1D conv1d"]
    assert lines[3] == "input: n l c, (2, 3, 20) becomes (2, 20, 3)"
    assert float(lines[4].split()[-1]) < 1e-5
    assert "def build():" in lines


def test_the_notebook_has_cells_of_text_and_of_code():
    text = (EXAMPLES / "first_conv1d.py").read_text(encoding="utf-8")
    assert "format_name: percent" in text
    cells = text.split("# %%")[1:]
    marked = [cell for cell in cells if cell.startswith(" [markdown]\n")]
    assert len(marked) == len(cells) - len(marked) == 5
    for cell in marked:
        lines = cell.strip().splitlines()[1:]
        assert all(line.startswith("#") for line in lines)
