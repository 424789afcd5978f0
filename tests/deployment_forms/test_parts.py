"""Slices by whole numbers, by operators that LiteRT has for the type."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deployed import deploy


class Books(nn.Module):
    """The sum of vectors from several books, by numbers that stand side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.books = nn.ModuleList(nn.Embedding(16, 5) for _ in range(3))

    def forward(self, codes: Tensor) -> Tensor:
        columns = codes.unbind(1)
        return sum(book(column) for book, column in zip(self.books, columns, strict=True))


def test_numbers_of_words_are_taken_apart() -> None:
    found = deploy(Books(), torch.randint(16, (2, 3, 7))).operators
    assert found["GATHER"] == 3


class Apart(nn.Module):
    """Numbers that are floats are taken apart by UNPACK."""

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = x.unbind(1)
        return first * second + third


def test_floats_are_taken_apart_at_once() -> None:
    assert deploy(Apart(), torch.randn(2, 3, 7)).operators["UNPACK"] == 1


class Halves(nn.Module):
    """Two halves that were side by side, and an element of a sequence."""

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.view(x.shape[0], 5, 2, 6).unbind(2)
        return first[:, -1] * second[:, 2, 1:5].sum(-1, keepdim=True)


def test_halves_are_split_where_they_lie_side_by_side() -> None:
    found = deploy(Halves(), torch.randn(2, 5, 12)).operators
    assert found["SPLIT"] == 1
    assert not found["UNPACK"]
