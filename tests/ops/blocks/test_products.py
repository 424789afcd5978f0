"""Products against torch.einsum, by layers and by ops, with a bias, and of integers."""

from __future__ import annotations

import pytest
import torch

from recorded import record, weight_of
from torch2keras.ops.blocks.products import (
    apply_dense,
    apply_einsum,
    contract,
    drop_units,
    is_matmul,
)

SIZES = {"a": 2, "b": 3, "c": 5, "d": 7, "e": 11}
X, KERNEL, BIAS = torch.randn(2, 3, 5), torch.randn(5, 7), torch.randn(7)


def draw(word: str) -> torch.Tensor:
    return torch.randn([SIZES.get(letter, 1) for letter in word])


@pytest.mark.parametrize("bias", ["none", "constant", "computed"])
@pytest.mark.parametrize("computed", [False, True], ids=["constant", "computed"])
@pytest.mark.parametrize("x", [X, X[0, 0]], ids=["rows", "vector"])
def test_dense_is_a_product_and_a_sum(x: torch.Tensor, bias: str, *, computed: bool) -> None:
    def dense(x, k, b):
        given = {"none": None, "constant": weight_of(BIAS), "computed": b}[bias]
        return apply_dense(x, k if computed else weight_of(KERNEL), given)

    found = record(dense, x, KERNEL, BIAS)
    expected = x @ KERNEL + (0 if bias == "none" else BIAS)
    assert torch.allclose(found.result, expected, atol=1e-5)
    assert ("layers.Dense" in found.targets) == (not computed)


@pytest.mark.parametrize(
    ("left", "right", "result", "target"),
    [
        ("abc", "cd", "abd", "layers.Dense"),
        ("abc", "dc", "abd", "layers.Dense"),
        ("abc", "bd", "adc", "layers.EinsumDense"),
        ("abc", "bcd", "ad", "layers.EinsumDense"),
        ("abc", "c", "abc", "ops.multiply"),
        ("abc", "cb", "abc", "ops.multiply"),
        ("abc", "cd", "bad", "ops.einsum"),
        ("ab1", "bd", "ad1", "layers.Dense"),
    ],
)
def test_products_by_a_constant(left: str, right: str, result: str, target: str) -> None:
    x, kernel = draw(left), draw(right)
    held = weight_of(kernel)
    plain = f"{left},{right}->{result}".replace("1", "")
    expected = torch.einsum(plain, x.reshape([s for s in x.shape if s > 1]), kernel)
    first = record(lambda t: contract([t, held], (left, right, result)), x)
    last = record(lambda t: contract([held, t], (right, left, result)), x)
    for found in (first, last):
        assert torch.allclose(found.result, expected.reshape(found.result.shape), atol=1e-5)
        assert found.result.shape == draw(result).shape
        assert target in found.targets


def test_an_einsum_layer_holds_a_bias_along_its_axis() -> None:
    x, kernel, bias = draw("abc"), draw("bd"), draw("d")
    column = weight_of(bias[:, None])
    found = record(lambda t: contract([t, weight_of(kernel)], ("abc", "bd", "adc"), column), x)
    expected = torch.einsum("abc,bd->adc", x, kernel) + bias[:, None]
    assert torch.allclose(found.result, expected, atol=1e-5)
    assert found.targets == ["layers.EinsumDense"]


@pytest.mark.parametrize(
    ("left", "right", "result", "target"),
    [
        ("abc", "acd", "abd", "ops.matmul"),
        ("abc", "cd", "abd", "ops.matmul"),
        ("abc", "abd", "acd", "ops.einsum"),
        ("a", "a", "", "ops.einsum"),
        ("abc", "de", "abcde", "ops.einsum"),
    ],
)
def test_products_of_values(left: str, right: str, result: str, target: str) -> None:
    x, y = draw(left), draw(right)
    found = record(lambda a, b: contract([a, b], (left, right, result)), x, y)
    expected = torch.einsum(f"{left},{right}->{result}", x, y)
    assert torch.allclose(found.result, expected, atol=1e-5)
    assert found.targets == [target]


def test_integers_are_exact() -> None:
    x = torch.tensor([[2**25 + 1, 3]])
    found = record(lambda t: apply_einsum("ab,cb->ac", [t, t]), x)
    assert found.result.tolist() == [[(2**25 + 1) ** 2 + 9]]
    assert found.result.dtype == torch.int64


def test_dimensions_of_size_one_are_dropped() -> None:
    x = draw("a1b1")
    assert record(lambda t: drop_units(t, "a1b1"), x).result.shape == (2, 3)
    assert drop_units(weight_of(x), "a1b1").shape == (2, 3)
    assert record(lambda t: drop_units(t, "abcd"), x).targets == []


@pytest.mark.parametrize(
    ("left", "right", "result", "expected"),
    [
        ("ij", "jk", "ik", True),
        ("abij", "abjk", "abik", True),
        ("abij", "jk", "abik", True),
        ("abij", "bjk", "abik", False),
        ("ij", "kj", "ik", False),
        ("ij", "jk", "ki", False),
        ("j", "jk", "k", False),
        ("ij", "ji", "ii", False),
    ],
)
def test_matmul_is_seen(left: str, right: str, result: str, expected: bool) -> None:
    assert is_matmul(left, right, result) == expected
