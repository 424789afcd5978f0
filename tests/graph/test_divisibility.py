"""Sizes that are multiples of a number: found in guards, and used."""

from __future__ import annotations

import pytest
import sympy
import torch
from torch.export import Dim
from torch.utils._sympy.functions import FloorDiv, Mod

from op_case import check, function
from torch2keras.graph.divisibility import find_divisible_symbols

N, S = sympy.symbols("n s", integer=True, positive=True)
LONG = {"dynamic_shapes": ({0: Dim.AUTO, 2: Dim.AUTO},)}

# guards -> what the sizes are multiples of
GUARDS = {
    "remainder": ([sympy.Eq(Mod(S, 4), 0)], {S: 4}),
    "product": ([sympy.Eq(N * S, 4 * N * FloorDiv(S, 4))], {S: 4}),
    "halves": ([sympy.Eq(FloorDiv(S + 1, 2), FloorDiv(S, 2))], {S: 2}),
    "two divisors": ([sympy.Eq(Mod(S, 4), 0), sympy.Eq(Mod(S, 6), 0)], {S: 12}),
    "two sizes": ([sympy.Eq(Mod(S, 3), 0), sympy.Eq(Mod(N, 2), 0)], {S: 3, N: 2}),
    "shifted": ([sympy.Eq(Mod(S + 1, 4), 0)], {}),
    "another remainder": ([sympy.Ne(Mod(S, 4), 0)], {}),
    "one of two": ([sympy.Or(sympy.Eq(S, 5), sympy.Eq(Mod(S, 4), 0))], {}),
    "not contradicted": ([sympy.Eq(FloorDiv(S, 4), FloorDiv(N, 4))], {}),
    "none": ([sympy.Ne(S, 4)], {}),
}


@pytest.mark.parametrize("name", GUARDS)
def test_guards(name: str) -> None:
    guards, expected = GUARDS[name]
    found = find_divisible_symbols(guards, {S: 24, N: 10})
    assert {s: int(m.as_coeff_Mul()[0]) for s, m in found.items()} == expected
    assert all(m.free_symbols.isdisjoint({S, N}) for m in found.values())


CASES = {
    "unflatten": function(lambda x: x.unflatten(2, (-1, 4)).mean(-1), (2, 3, 20), **LONG),
    "view": function(
        lambda x: x.view(x.shape[0], 3, x.shape[2] // 5, 5).amax(2), (2, 3, 20), **LONG
    ),
    "even and odd places": function(lambda x: x[:, :, ::2] * x[:, :, 1::2], (2, 3, 22), **LONG),
    "halves of the batch": function(lambda x: torch.mul(*x.chunk(2, 0)), (6, 3)),
    "counted": function(
        lambda x: x.unflatten(2, (-1, 4)) + torch.arange(x.shape[2] // 4)[:, None],
        (2, 3, 20),
        **LONG,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_sizes_that_are_multiples(name: str) -> None:
    converted = check(CASES[name])
    assert converted.model.input_shape[0] is None
    assert "dynamic_shapes" not in CASES[name].options or None in converted.model.input_shape[1:]
