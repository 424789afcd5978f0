"""Ops that no lowering will be written for, each with its reason and what to write instead."""

from __future__ import annotations

import torch

from torch2keras.capture.failures import EXPERTS
from torch2keras.declarations.registry import Refusal, registry

aten = torch.ops.aten

BY_DATA = "the shape of the result depends on the data, and Keras knows shapes before it runs"

MASKED = Refusal(
    BY_DATA,
    f"keep the shape: torch.where(mask, x, 0), and mask.sum() for the number;\n{EXPERTS}",
)

UNIQUE = Refusal(
    BY_DATA,
    "keep the shape: s = torch.sort(x).values is new where s[1:] != s[:-1]",
)

COUNTED = Refusal(
    BY_DATA,
    "name the number of bins: torch.nn.functional.one_hot(x, bins).sum(0)",
)

REPEATED = Refusal(
    BY_DATA,
    "name the most repeats in all, and repeat by a matrix of 0 and 1, x being (tokens, channels):\n"
    "end = repeats.cumsum(0); t = torch.arange(most)[:, None]\n"
    "((t >= end - repeats) & (t < end)).to(x.dtype) @ x",
)

STRIDES = Refusal(
    "it reads memory by strides, which Keras tensors don't have",
    "write it with slices, x.unfold(dim, size, step) or reshape",
)

BIT_VIEW = Refusal(
    "it reads the bits of the numbers as another type",
    "convert the numbers, x.to(dtype), or do it outside of the module",
)

RANDOM = Refusal(
    "Keras layers draw random numbers in training only, and predict() turns them off",
    'convert(..., random="ports") makes the numbers an input of the model, drawn outside of it;\n'
    "or pass the noise as an input: def forward(self, x, noise)",
)

NOISE = "pass the noise as an input: def forward(self, x, noise), and draw it outside of the module"

WITHOUT_FORMULA = Refusal(RANDOM.why, NOISE)

CHOSEN = Refusal(
    RANDOM.why,
    'convert(..., random="ports") makes the numbers an input of the model, for one choice, or for '
    "several without replacement;\n"
    "several with it: def forward(self, x, noise), and torch.searchsorted(p.cumsum(-1), noise)",
)

NOT_UNIQUE = Refusal(
    "the order of its values and the factors of its vectors are not unique, "
    "and other libraries choose others",
    "use torch.linalg.eigvalsh where the matrix is symmetric, or pass the result as an input",
)

NO_SUCH_FACTORS = Refusal(
    "stock Keras has no such factorization",
    "use torch.linalg.cholesky, qr, lu or solve",
)

ENDLESS = Refusal(
    "it is a series with as many terms as the numbers ask for, which stock Keras cannot express",
    "compute it outside of the module, and pass the result as an input",
)

CORNERS = Refusal("its edges depend on the data", "give the edges as tensors: bins=[edges, ...]")

BITS = Refusal(
    "it mixes the bits of the numbers",
    "compute it outside of the module, and pass the result as an input",
)

DRAWN = Refusal(
    "its regions are drawn at random, also in eval mode",
    "use torch.nn.functional.adaptive_max_pool2d (or 3d), whose regions are the same at each call",
)

REASONS: dict[Refusal, tuple[torch._ops.OpOverload, ...]] = {
    MASKED: (
        aten.nonzero.default, aten.nonzero_static.default, aten.masked_select.default,
    ),
    UNIQUE: (
        aten._unique2.default, aten.unique_dim.default, aten.unique_consecutive.default,
    ),
    COUNTED: (aten.bincount.default,),
    REPEATED: (aten.repeat_interleave.Tensor,),
    STRIDES: (aten.as_strided.default, aten.as_strided_scatter.default),
    BIT_VIEW: (aten.view.dtype,),
    RANDOM: (
        aten.rand.default, aten.rand_like.default, aten.randn.default, aten.randn_like.default,
        aten.randint.default, aten.randint.low, aten.randint_like.default,
        aten.randint_like.low_dtype, aten.randperm.default, aten.bernoulli.default,
        aten.bernoulli.p, aten.normal.Tensor_Tensor,
        aten.normal.Tensor_float, aten.normal.float_Tensor, aten.exponential.default,
    ),
    WITHOUT_FORMULA: (aten.poisson.default,),
    CHOSEN: (aten.multinomial.default,),
    NOT_UNIQUE: (
        aten.linalg_eig.default, aten.linalg_eigvals.default, aten._linalg_eigvals.default,
    ),
    NO_SUCH_FACTORS: (
        aten.geqrf.default, aten.linalg_ldl_factor_ex.default, aten.linalg_ldl_solve.default,
    ),
    ENDLESS: (aten.igamma.default, aten.igammac.default),
    CORNERS: (
        aten._histogramdd_bin_edges.default, aten._histogramdd_from_bin_cts.default,
    ),
    BITS: (aten.hash_tensor.default,),
    DRAWN: (aten.fractional_max_pool2d.default, aten.fractional_max_pool3d.default),
}  # fmt: skip

for _reason, _ops in REASONS.items():
    registry.refused |= dict.fromkeys(_ops, _reason)
