"""The page of a saved model's map."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import parametrizations

import torch2keras as t2k
from torch2keras.conversion.weight_files.map_page import MapRow, format_map, list_map


def test_each_weight_and_what_it_is_made_of(tmp_path: Path) -> None:
    net = nn.Sequential(parametrizations.weight_norm(nn.Conv1d(3, 5, 3)), nn.BatchNorm1d(5))
    converted = t2k.convert(net.eval(), (torch.randn(2, 3, 11),), verify=False)
    rows = list_map(t2k.weights(converted.save(tmp_path / "net.keras")))
    known = {row.sources: row for row in rows}
    assert len(known) == 6
    bias = known["0.bias",]
    assert (bias.shape, bias.dtype, bias.moves, bias.is_computed) == ((5,), "float32", (), False)
    factors = "0.parametrizations.weight.original1", "0.parametrizations.weight.original0"
    kernel = known[factors]
    assert (kernel.shape, kernel.is_computed) == ((3, 3, 5), True)
    assert kernel.moves == ("permute [2, 1, 0]",)


def test_page() -> None:
    rows = [
        MapRow("c/kernel", (3, 5), "float32", ("c.weight",), ("permute [1, 0]",), False),
        MapRow("c/bias", (5,), "float32", ("a", "b"), (), True),
        MapRow("table/embeddings", (2, 2), "bfloat16", (), (), False),
    ]
    assert format_map(rows).splitlines() == [
        "c/kernel          [3, 5]  float32  <- c.weight; permute [1, 0]",
        "c/bias            [5]     float32  <- a, b; computed",
        "table/embeddings  [2, 2]  bfloat16  <- a constant of the module",
        "",
        "3 weights, 24 numbers",
    ]
