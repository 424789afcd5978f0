from __future__ import annotations

import operator

import pytest
import torch

from torch2keras.fx_passes.complex_pair import Pair, bilinear, pair, partwise, real_dtype

aten = torch.ops.aten
torch.manual_seed(0)
Z, W = torch.randn(3, 5, dtype=torch.complex128), torch.randn(3, 5, dtype=torch.complex128)
X = torch.randn(3, 5, dtype=torch.float64)


def split(value):
    """A value as rules get it: a pair for a complex tensor."""
    is_complex = isinstance(value, torch.Tensor) and value.is_complex()
    return Pair(value.real, value.imag) if is_complex else value


def joined(value):
    return torch.complex(*torch.broadcast_tensors(value.re, value.im))


@pytest.mark.parametrize(
    ("value", "parts"), [(2 + 3j, (2, 3)), (2, (2, 0)), (2.5, (2.5, 0)), (Pair(1, 2), (1, 2))]
)
def test_a_number_as_a_pair(value, parts):
    assert pair(value) == Pair(*parts)


def test_a_real_tensor_as_a_pair():
    re, im = pair(X)
    assert re is X
    assert torch.equal(im, torch.zeros_like(X))


PARTWISE = [
    (aten.add.Tensor, (Z, W), {}),
    (aten.add.Tensor, (Z, X), {"alpha": 3}),
    (aten.add.Scalar, (Z, 2j), {}),
    (aten.sub.Tensor, (X, Z), {}),
    (aten.permute.default, (Z, [1, 0]), {}),
    (aten.cat.default, ([Z, X], 1), {}),
    (aten.where.self, (X > 0, Z, X), {}),
    (aten.index.Tensor, (Z, [None, torch.tensor([3, 1, 1])]), {}),
    (aten.masked_fill.Scalar, (Z, X > 0, 1 - 2j), {}),
    (aten.sum.dim_IntList, (Z, [1]), {"dtype": torch.complex64}),
    (aten.full_like.default, (Z, 2j), {"dtype": torch.complex64}),
]


@pytest.mark.parametrize(("op", "args", "kwargs"), PARTWISE, ids=lambda value: str(value)[:20])
def test_partwise_is_the_op_on_complex_numbers(op, args, kwargs):
    given = [list(map(split, arg)) if isinstance(arg, list) else split(arg) for arg in args]
    ours = joined(partwise(op)(*given, **kwargs))
    torch.testing.assert_close(ours, op(*args, **kwargs))


def test_partwise_of_an_op_with_several_results():
    ours = partwise(aten.split.Tensor)(split(Z), 2, 1)
    assert isinstance(ours, list)
    for each, wanted in zip(ours, Z.split(2, 1), strict=True):
        assert torch.equal(joined(each), wanted)


def test_a_complex_factor_is_refused():
    with pytest.raises(NotImplementedError, match=r"alpha=2j"):
        partwise(aten.add.Tensor)(split(Z), split(W), alpha=2j)


FACTORS = [
    (Z, W, 4),
    (Z, X, 2),
    (X, Z, 2),
    (Z, 2 + 3j, 4),
    (Z, 3j, 2),
    (Z, 3, 2),
    (Z, 0j, 2),
    (X, 3j, 1),
    (X, X, 1),
]


@pytest.mark.parametrize(("a", "b", "count"), FACTORS, ids=lambda value: str(value)[:8])
def test_a_product_has_no_term_of_a_part_that_is_zero(a, b, count):
    terms = []

    def times(x, y):
        terms.append((x, y))
        return operator.mul(x, y)

    ours = joined(bilinear(times)(split(a), split(b)))
    torch.testing.assert_close(ours, (a * b).to(torch.complex128))
    assert len(terms) == count


def test_a_matrix_product_keeps_its_order():
    ours = joined(bilinear(aten.matmul.default)(split(Z), split(W.mT)))
    torch.testing.assert_close(ours, Z @ W.mT)


@pytest.mark.parametrize(
    ("dtype", "real"),
    [
        (torch.complex64, torch.float32),
        (torch.complex128, torch.float64),
        (torch.int16, torch.int16),
        (torch.bfloat16, torch.bfloat16),
    ],
)
def test_real_dtype(dtype, real):
    assert real_dtype(dtype) is real
