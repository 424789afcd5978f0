"""The page of a file of weights."""

from __future__ import annotations

import pytest
import torch

import torch2keras
from torch2keras.cli.checkpoint_list import TensorRow, format_tensors, list_file, list_tensors
from torch2keras.errors import InputError

STATE = {"conv.weight": torch.ones(3, 5), "n": torch.zeros((), dtype=torch.int64)}


def test_tensors_are_listed_by_entry(tmp_path) -> None:
    torch.save({"model": STATE, "ema": {"conv.weight": torch.ones(3, 5).half()}}, tmp_path / "a.pt")
    rows = [
        TensorRow("ema", "conv.weight", (3, 5), "float16"),
        TensorRow("model", "conv.weight", (3, 5), "float32"),
        TensorRow("model", "n", (), "int64"),
    ]
    assert list_tensors(tmp_path / "a.pt") == rows
    assert list_tensors(tmp_path / "a.pt", "ema") == rows[:1]
    with pytest.raises(InputError, match=r"no entry 'net'(.|\n)*ema, model"):
        list_tensors(tmp_path / "a.pt", "net")


def test_page(tmp_path) -> None:
    torch.save(STATE, tmp_path / "a.pt")
    page = format_tensors(list_tensors(tmp_path / "a.pt"))
    assert page.splitlines() == [
        "conv.weight  [3, 5]  float32",
        "n            []      int64",
        "",
        "2 tensors, 16 numbers",
    ]
    torch.save({"net": STATE}, tmp_path / "a.pt")
    page = format_tensors(list_tensors(tmp_path / "a.pt"))
    assert page.startswith("entry 'net'\nconv.weight")


def test_a_file_of_weights_and_a_saved_model(tmp_path) -> None:
    torch.save(STATE, tmp_path / "a.pt")
    page = list_file(tmp_path / "a.pt")
    assert page.document["tensors"][0]["name"] == "conv.weight"
    assert page.text.endswith("2 tensors, 16 numbers")
    module = torch.nn.Linear(3, 5)
    converted = torch2keras.convert(module, (torch.randn(2, 3),), verify=False)
    path = converted.save(tmp_path / "net.keras")
    page = list_file(path)
    assert [row["sources"] for row in page.document["weights"]] == [("weight",), ("bias",)]
    assert "[3, 5]  float32  <- weight; permute [1, 0]" in page.text
    with pytest.raises(InputError, match="has no entries"):
        list_file(path, "ema")
