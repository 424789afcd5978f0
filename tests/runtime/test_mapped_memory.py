from __future__ import annotations

import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from torch2keras.checkpoints.checkpoint_files import read_checkpoint
from torch2keras.runtime.journal import Journal
from torch2keras.runtime.mapped_memory import (
    SMALL,
    note_mapped,
    release_all,
    release_tensors,
)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="pages are given back on Linux alone"
)

ROWS, COLUMNS = 1031, 521
"""2 MB of floats."""


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, torch.Tensor]:
    """Two mapped tensors, whose pages are given back when they are read."""
    file = tmp_path / "net.safetensors"
    made = {name: torch.randn(ROWS, COLUMNS) for name in ("one", "two")}
    safetensors.torch.save_file(made, file)
    return dict(read_checkpoint(file).states[""])


def count_resident(tensor: torch.Tensor) -> int:
    """Return how many kilobytes of a tensor's memory the process holds."""
    address = tensor.data_ptr()
    held = 0
    inside = False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        first = line.split()[0]
        if "-" in first and not first.endswith(":"):
            start, stop = (int(part, 16) for part in first.split("-"))
            inside = start <= address < stop
        elif inside and first == "Rss:":
            held += int(line.split()[1])
    return held


def test_what_was_read_is_given_back_and_read_again(weights) -> None:
    total = weights["one"].sum() + weights["two"].sum()
    assert count_resident(weights["one"]) > 2000
    release_all()
    assert count_resident(weights["one"]) < 100
    assert weights["one"].sum() + weights["two"].sum() == total


def test_a_run_under_a_journal_holds_none_of_its_weights(weights) -> None:
    net = nn.Linear(COLUMNS, ROWS, bias=False)
    net.weight = nn.Parameter(weights["one"])
    x = torch.randn(3, COLUMNS)
    with torch.no_grad():
        expected = net(x)
        release_all()
        with Journal():
            found = net(x)
    assert torch.equal(found, expected)
    assert count_resident(weights["one"]) < 100


def test_what_was_written_to_stays(weights) -> None:
    weights["one"][5, 7] = 11.0
    weights["two"].numpy()[3, 2] = 13.0  # which no operator of PyTorch's sees
    release_tensors(weights.values())
    assert weights["one"][5, 7] == 11.0
    assert weights["two"][3, 2] == 13.0


def test_memory_of_others_is_left_alone() -> None:
    own = torch.randn(ROWS, COLUMNS)
    before = own.clone()
    note_mapped([own, torch.empty(ROWS, COLUMNS, device="meta"), torch.eye(7).to_sparse()])
    release_all()
    assert own.nbytes > SMALL
    assert torch.equal(own, before)
