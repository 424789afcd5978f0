"""Ops that no lowering will be written for, each with its reason: it stands in the error."""

from __future__ import annotations

import torch

from torch2keras.declarations.registry import registry

aten = torch.ops.aten

DATA = (
    "the shape of the result depends on the data; "
    "keep the shape, for example with torch.where(mask, x, 0)"
)

STRIDES = (
    "it reads memory by strides, which Keras tensors don't have; use slices, unfold or reshape"
)

RANDOM = (
    "Keras layers draw random numbers in training only, and predict() turns them off; "
    "pass the noise as an input"
)

NOT_UNIQUE = (
    "the order of its values and the factors of its vectors are not unique, "
    "and other libraries choose others"
)

NO_SUCH_FACTORS = "stock Keras has no such factorization; use cholesky, qr, lu or solve"

ENDLESS = (
    "it is a series with as many terms as the numbers ask for, which stock Keras cannot express"
)

CORNERS = "its edges depend on the data; give them as tensors"

BITS = "it mixes the bits of the numbers"

DRAWN = "its regions are drawn at random, also in eval mode"

REASONS: dict[str, tuple[torch._ops.OpOverload, ...]] = {
    DATA: (
        aten.nonzero.default, aten.nonzero_static.default, aten.masked_select.default,
        aten._unique2.default, aten.unique_dim.default, aten.unique_consecutive.default,
        aten.repeat_interleave.Tensor, aten.bincount.default,
    ),
    STRIDES: (aten.as_strided.default, aten.as_strided_scatter.default, aten.view.dtype),
    RANDOM: (
        aten.rand.default, aten.rand_like.default, aten.randn.default, aten.randn_like.default,
        aten.randint.default, aten.randint.low, aten.randint_like.default,
        aten.randint_like.low_dtype, aten.randperm.default, aten.bernoulli.default,
        aten.bernoulli.p, aten.multinomial.default, aten.normal.Tensor_Tensor,
        aten.normal.Tensor_float, aten.normal.float_Tensor, aten.poisson.default,
        aten.exponential.default,
    ),
    NOT_UNIQUE: (
        aten.linalg_eig.default, aten.linalg_eigvals.default, aten._linalg_eigvals.default,
    ),
    NO_SUCH_FACTORS: (
        aten.geqrf.default, aten.linalg_ldl_factor_ex.default, aten.linalg_ldl_solve.default,
    ),
    ENDLESS: (aten.igamma.default, aten.igammac.default),
    CORNERS: (aten._histogramdd_bin_edges.default,),
    BITS: (aten.hash_tensor.default,),
    DRAWN: (aten.fractional_max_pool2d.default, aten.fractional_max_pool3d.default),
}  # fmt: skip

for _reason, _ops in REASONS.items():
    registry.refused |= dict.fromkeys(_ops, _reason)
