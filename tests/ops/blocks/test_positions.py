"""The names of an indexing, by the shapes that PyTorch gives; positions from the end."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recorded import record, weight_of
from torch2keras.graph.ir import TensorType, Value
from torch2keras.ops.blocks.positions import (
    as_pattern,
    find_indices,
    has_mask,
    is_mask,
    name_diagonal,
    name_indexing,
    wrap_negative,
)

SIZES = (2, 3, 5, 7)


def value(*shape: int, dtype: torch.dtype = torch.int64) -> Value:
    return Value("v", TensorType(shape, dtype))


def arguments(*indices: Value | None) -> dict[str, Any]:
    return {"self": value(*SIZES), "indices": indices}


@pytest.mark.parametrize(
    ("indices", "operand", "terms", "result"),
    [
        ([value(11)], "a0' d1 d2 d3", ["i0"], "i0 d1 d2 d3"),
        ([None, value(11, 13)], "d0 a1' d2 d3", ["i0 i1"], "d0 i0 i1 d2 d3"),
        ([None, value(11, 1), value(13)], "d0 a1' a2' d3", ["i0 i1", "i1"], "d0 i0 i1 d3"),
        ([value(11), None, value()], "a0' d1 a2' d3", ["i0", ""], "i0 d1 d3"),
        ([None, value(11), None, value(11)], "d0 a1' d2 a3'", ["i0", "i0"], "i0 d0 d2"),
    ],
    ids=str,
)
def test_names_have_the_shapes_of_pytorch(indices, operand, terms, result) -> None:
    names = name_indexing(arguments(*indices))
    assert [" ".join(term) for term in names.indices] == terms
    assert (" ".join(names.operand), " ".join(names.result)) == (operand, result)
    assert sorted(names.indexed + names.others) == sorted(names.operand)
    given = [
        slice(None) if i is None else torch.zeros(i.type.shape, dtype=torch.int64) for i in indices
    ]
    shape = torch.empty(SIZES)[tuple(given)].shape
    known = {f"d{d}": size for d, size in enumerate(SIZES)}
    assert len(names.result) == len(shape)
    for name, size in zip(names.result, shape, strict=True):
        assert known.get(name, size) == size


def test_indices_by_the_dimension_that_they_index() -> None:
    first, last = value(11), value(1)
    assert find_indices(arguments(None, first, None, last)) == {1: first, 3: last}


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.bool, True), (torch.uint8, True), (torch.int64, False), (torch.int32, False)],
)
def test_masks(dtype: torch.dtype, expected: bool) -> None:
    assert has_mask(arguments(None, value(3, dtype=dtype))) == expected
    assert is_mask(weight_of(torch.ones(3, dtype=dtype))) == expected


@pytest.mark.parametrize("constant", [False, True])
def test_negative_positions_count_from_the_end(*, constant: bool) -> None:
    index = torch.tensor([[0, -1, 6], [-7, 3, -2]])
    if constant:
        found = record(lambda _: wrap_negative(weight_of(index), 7), index)
        assert "ops.where" not in found.targets
    else:
        found = record(lambda i: wrap_negative(i, 7), index)
    assert torch.equal(found.result, (index % 7).int())


def test_an_empty_constant_index_has_no_negative_position() -> None:
    index = wrap_negative(weight_of(torch.zeros(0, 2, dtype=torch.int64)), 7)
    assert (index.shape, index.dtype) == ((0, 2), "int32")


@pytest.mark.parametrize(
    ("dim1", "dim2", "expected", "others"),
    [
        (0, 1, "r' c' d2 d3", "d2 d3"),
        (-1, 1, "d0 c' d2 r'", "d0 d2"),
        (2, -4, "c' d1 r' d3", "d1 d3"),
    ],
)
def test_names_of_a_diagonal(dim1: int, dim2: int, expected: str, others: str) -> None:
    names, rest = name_diagonal({"self": value(*SIZES), "dim1": dim1, "dim2": dim2})
    assert (" ".join(names), " ".join(rest)) == (expected, others)


def test_a_pattern_has_a_term_for_each_operand() -> None:
    assert as_pattern([["a", "b'"], []], ["a"]) == "a b',  -> a"
