"""The page of an inspection."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest
import torch
from torch import nn

import torch2keras as t2k

HOSTILE = "<script>alert(1)</script>"


class Refused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.add_module(HOSTILE, nn.Linear(3, 5))

    def forward(self, x):
        return torch.nonzero(self.get_submodule(HOSTILE)(x)), x.relu()


@pytest.fixture(scope="module")
def inspection() -> t2k.Inspection:
    return t2k.inspect(Refused(), torch.randn(2, 3))


def test_what_is_refused_stands_first(inspection) -> None:
    page = inspection.to_html()
    (message,) = inspection.refusals
    assert html.escape(message.splitlines()[0]) in page
    assert page.index("1 refused") < page.index("What is refused") < page.index("Dense")
    assert html.escape(HOSTILE) in page
    assert HOSTILE not in page
    assert " src=" not in page


def test_what_is_not_refused_says_so() -> None:
    page = t2k.inspect(nn.Conv1d(3, 5, 3), torch.randn(2, 3, 11)).to_html()
    assert "none refused" in page
    assert "What is refused" not in page


def test_it_is_written_by_its_suffix(inspection, tmp_path: Path) -> None:
    assert inspection.save(tmp_path / "i.html").read_text() == inspection.to_html()
    assert json.loads(inspection.save(tmp_path / "i.json").read_text())["refusals"]
    assert inspection.save(tmp_path / "i.txt").read_text() == str(inspection)
    with pytest.raises(t2k.OutputError):
        inspection.save(tmp_path / "i.pdf")
    assert "<iframe" in inspection._repr_html_()
