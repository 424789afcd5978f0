"""Parts of dimensions: numbers and symbols as bounds, of values and of constants."""

from __future__ import annotations

import pytest
import sympy
import torch

from recorded import record, weight_of
from torch2keras.ops.blocks.slices import (
    END,
    cut_other_dims,
    index_along,
    simplify_bound,
    slice_part,
    take_positions,
    window_slices,
)

N = sympy.Symbol("n", integer=True, positive=True)
X = torch.arange(2.0 * 11 * 3).reshape(2, 11, 3)


def test_an_index_along_one_dimension() -> None:
    assert torch.equal(X[index_along(2, 1)], X[:, :, 1])
    assert torch.equal(X[index_along(0, slice(1, None))], X[1:])


@pytest.mark.parametrize(
    ("bound", "size", "expected"),
    [(3, 5, 3), (-2, N, -2), (N - 3, N, -3), (N, N, END), (N + 2, N, END), (2 * N, N, 2 * N)],
)
def test_bounds_by_a_fixed_distance_from_the_end(bound, size, expected) -> None:
    assert simplify_bound(bound, size) == expected


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_window_slices_are_the_columns_of_unfold(kernel: int, stride: int, dilation: int) -> None:
    row = torch.arange(13)
    reach = dilation * (kernel - 1) + 1
    windows = row.unfold(0, reach, stride)[:, ::dilation]
    columns = [row[part] for part in window_slices(kernel, stride, dilation)]
    assert torch.equal(torch.stack(columns, dim=1), windows)


@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [(0, END, 1), (2, 7, 1), (2, 7, 2), (-4, END, 1), (-4, -1, 3), (0, 5, 1), (1, 99, 4)],
)
@pytest.mark.parametrize("constant", [False, True])
def test_a_part_is_that_of_a_python_slice(
    start: int, stop: int, step: int, *, constant: bool
) -> None:
    expected = X[:, slice(start, stop, step)]
    length = expected.shape[1]
    if constant:
        found = record(lambda _: slice_part(weight_of(X), 1, start, stop, step, length), X)
    else:
        found = record(lambda x: slice_part(x, 1, start, stop, step, length), X)
        assert found.targets == (["getitem"] if length < 11 else [])
    assert torch.equal(found.result, expected)


@pytest.mark.parametrize(
    ("shape", "dim", "targets"),
    [
        ((7, 3), 0, ["layers.Embedding"]),
        ((1, 7, 3), 1, ["layers.Embedding", "ops.expand_dims"]),
        ((7, 3, 5), 0, ["layers.Embedding", "ops.reshape"]),
        ((1, 1, 7, 3, 5), 2, ["layers.Embedding", "ops.reshape", "ops.expand_dims"]),
    ],
    ids=str,
)
def test_a_table_of_floats_is_an_embedding(shape: tuple[int, ...], dim: int, targets) -> None:
    table, places = torch.randn(shape), torch.tensor([4, 0, 6, 4])
    found = record(lambda p: take_positions(weight_of(table), p, dim), places)
    assert torch.equal(found.result, table.index_select(dim, places))
    assert found.targets == targets


@pytest.mark.parametrize(
    ("table", "dim"), [(torch.arange(21).reshape(7, 3), 0), (torch.randn(7), 0), (X, 1), (X, 2)]
)
def test_other_entries_are_taken(table: torch.Tensor, dim: int) -> None:
    places = torch.tensor([1, 0, 2, 1])
    found = record(lambda p: take_positions(weight_of(table), p, dim), places)
    assert torch.equal(found.result, table.index_select(dim, places))
    assert found.targets[-1] == "ops.take"


@pytest.mark.parametrize(
    ("shape", "dim", "expected"),
    [((2, 5, 2), 1, X[:, :, :2]), ((1, 5, 2), -1, X[:1, :5, :2]), ((2, 11, 3), 0, X)],
    ids=str,
)
def test_other_dimensions_are_cut(shape: tuple[int, ...], dim: int, expected) -> None:
    found = record(lambda x: cut_other_dims(x, shape, dim), X)
    assert torch.equal(found.result, expected)
    assert torch.equal(
        record(lambda _: cut_other_dims(weight_of(X), shape, dim), X).result, expected
    )
