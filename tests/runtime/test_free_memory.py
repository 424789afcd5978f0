"""Sizes that no machine has are refused before anything is made."""

from __future__ import annotations

import pytest
from torch import nn

from torch2keras.errors import InputError
from torch2keras.runtime.free_memory import (
    count_bytes,
    free_memory,
    limit_memory,
    parse_bytes,
    require_bytes,
    require_room,
)


class Fails(nn.Module):
    """It makes a large table, and then raises."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.table = self.same = nn.Embedding(rows, 10**4)
        self.drop = nn.Dropout(-1)


def test_what_is_made_before_a_failure_has_to_fit() -> None:
    require_room(lambda: Fails(3), "it")
    with limit_memory(10**9):
        require_room(lambda: Fails(2 * 10**4), "it")  # the table is there once
        with pytest.raises(InputError):
            require_room(lambda: Fails(3 * 10**4), "it")


def test_what_fits_and_what_does_not() -> None:
    require_room(lambda: nn.Linear(3, 5), "it")
    with pytest.raises(InputError, match=r"4,000,0\d\d.\d GB, and .* GB are free"):
        require_room(lambda: nn.Linear(10**6, 10**9), "it")


def test_bytes() -> None:
    require_bytes(1, "it")
    with pytest.raises(InputError, match="it asks for more memory than there is"):
        require_bytes(float("inf"), "it")


def test_free_memory_is_a_plausible_number() -> None:
    assert 10**7 < free_memory() < 10**15


def test_a_module_without_meta_is_let_pass() -> None:
    def make() -> nn.Module:
        raise NotImplementedError

    require_room(make, "it")


def test_a_limit_counts_within_its_block() -> None:
    with limit_memory(10**6):
        require_bytes(10**6, "it")
        with pytest.raises(InputError, match=r"0.0 GB, and the limit is 0.001 GB"):
            require_bytes(10**6 + 1, "it")
        with limit_memory(None):
            require_bytes(10**6 + 1, "it")
    require_bytes(10**6 + 1, "it")


def test_the_bytes_of_a_module() -> None:
    assert count_bytes(nn.BatchNorm1d(3)) == 4 * 3 * 4 + 8


@pytest.mark.parametrize(
    ("text", "number"),
    [("8GB", 8 * 10**9), ("1.5 gib", 3 * 2**29), ("500", 500), ("2M", 2 * 10**6), ("1kB", 1000)],
)
def test_sizes_of_memory(text, number):
    assert parse_bytes(text, "--max-memory") == number


@pytest.mark.parametrize("text", ["", "GB", "-1", "1e9", "8 XB", "9" * 99, "1/2"])
def test_what_is_no_size_of_memory(text):
    with pytest.raises(InputError, match="no size of memory"):
        parse_bytes(text, "--max-memory")
