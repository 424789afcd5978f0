"""Each rule against PyTorch's op on complex numbers; graphs of rules: test_split_complex."""

from __future__ import annotations

import pytest
import torch

from torch2keras.fx_passes.complex_pair import Pair
from torch2keras.fx_passes.complex_rules import MOST_FACTORS, RULES, modulus

aten = torch.ops.aten
torch.manual_seed(0)
Z, W = torch.randn(3, 5, dtype=torch.complex128), torch.randn(3, 5, dtype=torch.complex128)
X = torch.randn(3, 5, dtype=torch.float64)
ZERO = torch.zeros(3, dtype=torch.complex128)
ODD = torch.tensor([complex("nan"), complex(1, float("inf")), 2 - 3j], dtype=torch.complex128)

UNARY = [
    aten.abs.default, aten.angle.default, aten.sgn.default, aten.conj_physical.default,
    aten.reciprocal.default, aten.square.default, aten.sqrt.default, aten.rsqrt.default,
    aten.exp.default, aten.log.default, aten.log2.default, aten.log10.default, aten.sin.default,
    aten.cos.default, aten.sinh.default, aten.cosh.default, aten.real.default, aten.imag.default,
    aten.view_as_real.default, aten.ones_like.default, aten.linalg_vector_norm.default,
]  # fmt: skip

CASES = [
    *((op, (Z,), {}) for op in UNARY),
    (aten.sgn.default, (ZERO,), {}),
    (aten.abs.default, (ZERO,), {}),
    *((op, (ODD,), {}) for op in (aten.isnan.default, aten.isinf.default, aten.isfinite.default)),
    (aten.div.Tensor, (Z, W), {}),
    (aten.div.Tensor, (Z, X), {}),
    (aten.div.Tensor, (X, Z), {}),
    (aten.div.Tensor, (X, 2j), {}),
    (aten.pow.Tensor_Scalar, (Z, 3), {}),
    (aten.pow.Tensor_Scalar, (Z, MOST_FACTORS + 1), {}),
    (aten.pow.Tensor_Scalar, (Z, -2), {}),
    (aten.pow.Tensor_Scalar, (Z, 2.5), {}),
    (aten.eq.Tensor, (torch.stack([Z, W]), Z), {}),
    (aten.ne.Tensor, (torch.stack([Z, W]), Z), {}),
    (aten.var.correction, (Z, [1]), {"correction": 1}),
    (aten.linear.default, (Z, W), {}),
    (aten.linear.default, (Z, W, Z[0, :3]), {}),
    (aten.polar.default, (X.abs(), X), {}),
    (aten.complex.default, (X, X[:1]), {}),
    (aten.view_as_complex.default, (X[:, :2].contiguous(),), {}),
    (aten.to.dtype, (Z, torch.complex64), {}),
    (aten.linalg_vector_norm.default, (Z, 1, [1]), {"dtype": torch.complex128}),
    (aten.ones.default, ([3, 5],), {"dtype": torch.complex64}),
    (aten.sym_size.int, (Z, 1), {}),
]


def split(value):
    is_complex = isinstance(value, torch.Tensor) and value.is_complex()
    return Pair(value.real, value.imag) if is_complex else value


@pytest.mark.parametrize(("op", "args", "kwargs"), CASES, ids=lambda value: str(value)[:24])
def test_a_rule_is_the_op_on_complex_numbers(op, args, kwargs):
    ours = RULES[op](*map(split, args), **kwargs)
    theirs = op(*args, **kwargs)
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, Pair) == theirs.is_complex()
    if isinstance(ours, Pair):
        ours = torch.complex(*ours)
    torch.testing.assert_close(ours, theirs, equal_nan=True)


def test_a_cast_to_a_real_dtype_keeps_the_real_part():
    assert torch.equal(RULES[aten.to.dtype](split(Z), torch.float64), Z.real)


def test_the_gradient_of_the_modulus_is_zero_at_zero():
    z = torch.tensor([0j, 3 - 4j], requires_grad=True)
    (ours,) = torch.autograd.grad(modulus(split(z)).sum(), z)
    (theirs,) = torch.autograd.grad(z.abs().sum(), z)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("base", "exponent"), [(Z, 2j), (X, 2.0)], ids=["complex", "real base"])
def test_other_powers_are_refused(base, exponent):
    with pytest.raises(NotImplementedError, match="exponent"):
        RULES[aten.pow.Tensor_Scalar](split(base), exponent)
