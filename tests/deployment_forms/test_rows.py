"""Rows of tables are gathered by one operator."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deployed import deploy


class Words(nn.Module):
    """Numbers of words in a table with a row of padding, and in one that is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(16, 5, padding_idx=0)

    def forward(self, numbers: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        other = functional.embedding(numbers, rows[0].tanh(), padding_idx=2)
        return self.table(numbers), other


def test_rows_are_gathered() -> None:
    found = deploy(Words(), torch.randint(16, (2, 7)), torch.randn(2, 16, 3)).operators
    assert found["GATHER"] == 2
    assert not {"LESS", "SELECT", "SELECT_V2", "EQUAL"} & set(found)


class Tied(nn.Module):
    """A table that scores the words too."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(16, 5), nn.Linear(5, 16, bias=False)
        self.head.weight = self.table.weight

    def forward(self, numbers: Tensor) -> Tensor:
        return self.head(self.table(numbers).tanh())


def test_rows_of_a_table_that_is_a_product_too_are_gathered() -> None:
    found = deploy(Tied(), torch.randint(16, (2, 7))).operators
    assert set(found) <= {"GATHER", "TANH", "FULLY_CONNECTED", "RESHAPE"}
