"""What ATen ops do with the elements of their first operand: each op's kind, stated once.

The passes on PyTorch's graphs, the registry of lowerings, the inference of axes and the folding of
constants all ask here, in the manner of the traits of MLIR and xDSL
(https://github.com/xdslproject/xdsl/blob/main/xdsl/traits.py). The table is about PyTorch alone and
stands on the ground floor, because the passes in `fx_passes` lie below `declarations`. An op that
has no kind is not in the table: nothing follows from that.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from itertools import chain

import torch
from torch._ops import OpOverload

aten = torch.ops.aten


class OpKind(Enum):
    """What an op does with its operands' elements; an op has one kind."""

    REGROUPS = "the elements of the operand in row-major order, in other dimensions"
    PERMUTES = "the dimensions of the operand in another order"
    ADJOINS = "the last two dimensions exchanged, and complex numbers conjugated"
    STRETCHES = "the operand with dimensions of size one repeated: a view"
    COPIES = "the operand as it is"
    DETACHES = "the operand as it is, without a gradient"
    REORDERS = "each element of the operand once, in another order"
    SELECTS = "some elements of the operand, each at most once, told by numbers"
    PICKS = "elements of the operand that another operand names"
    REPEATS = "elements of the operand, some of them several times"
    JOINS = "elements of several operands, and numbers"
    SUMS = "sums of the operands' elements, with signs, means, or zeros in place of some"
    MULTIPLIES = "linear in each of two operands"
    CASTS = "the operand in another dtype"
    ZEROS = "zeros"
    FILLS = "the argument `fill_value` everywhere"
    SCALARS = "one number of the arguments"


OPS: dict[OpKind, tuple[OpOverload, ...]] = {
    OpKind.REGROUPS: (
        aten.view.default, aten.reshape.default,
        aten._unsafe_view.default, aten._reshape_alias.default,
        aten.view_as.default, aten.reshape_as.default, aten.flatten.using_ints, aten.unflatten.int,
        aten.ravel.default, aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims,
        aten.unsqueeze.default, aten.atleast_1d.default,
        aten.atleast_2d.default, aten.atleast_3d.default,
    ),
    OpKind.PERMUTES: (
        aten.permute.default, aten.transpose.int, aten.t.default,
        aten.numpy_T.default, aten.mT.default,
        aten.movedim.int, aten.movedim.intlist, aten.moveaxis.int, aten.moveaxis.intlist,
        aten.swapaxes.default, aten.swapdims.default,
    ),
    OpKind.ADJOINS: (aten.adjoint.default, aten.mH.default, aten.matrix_H.default),
    OpKind.STRETCHES: (
        aten.expand.default, aten.expand_as.default, aten.broadcast_to.default,
        aten.broadcast_tensors.default,
    ),
    OpKind.COPIES: (
        aten.clone.default, aten.contiguous.default, aten.alias.default, aten.positive.default,
        aten.lift_fresh.default, aten.lift_fresh_copy.default, aten.alias_copy.default,
        aten.detach_copy.default,
    ),
    OpKind.DETACHES: (aten.detach.default,),
    OpKind.REORDERS: (aten.flip.default, aten.roll.default),
    OpKind.SELECTS: (
        aten.slice.Tensor, aten.select.int, aten.narrow.default, aten.unbind.int, aten.split.Tensor,
        aten.split_with_sizes.default, aten.chunk.default, aten.diagonal.default,
    ),
    OpKind.PICKS: (
        aten.index.Tensor, aten.index_select.default,
        aten.gather.default, aten.take_along_dim.default,
    ),
    OpKind.REPEATS: (aten.repeat.default, aten.repeat_interleave.self_int, aten.unfold.default),
    OpKind.JOINS: (
        aten.cat.default, aten.stack.default, aten.where.self, aten.masked_fill.Scalar,
        aten.masked_fill.Tensor, aten.select_scatter.default, aten.slice_scatter.default,
        aten.index_put.default, aten.constant_pad_nd.default, aten.pad.default,
    ),
    OpKind.SUMS: (
        aten.add.Tensor, aten.add.Scalar, aten.sub.Tensor, aten.sub.Scalar, aten.rsub.Tensor,
        aten.rsub.Scalar, aten.neg.default, aten._neg_view.default, aten.resolve_neg.default,
        aten.sum.default, aten.sum.dim_IntList, aten.mean.default,
        aten.mean.dim, aten.cumsum.default,
        aten.tril.default, aten.triu.default, aten.diag_embed.default,
    ),
    OpKind.MULTIPLIES: (
        aten.mul.Tensor, aten.mul.Scalar, aten.matmul.default, aten.mm.default, aten.bmm.default,
        aten.mv.default, aten.dot.default, aten.outer.default,
    ),
    OpKind.CASTS: (
        aten.to.dtype, aten.to.dtype_layout, aten.to.device, aten.to.other, aten._to_copy.default,
        aten.type_as.default,
    ),
    OpKind.ZEROS: (aten.zeros.default, aten.zeros_like.default, aten.new_zeros.default),
    OpKind.FILLS: (aten.full.default, aten.full_like.default, aten.new_full.default),
    OpKind.SCALARS: (aten.scalar_tensor.default, aten.fill.Scalar),
}  # fmt: skip


RENAMES_AXES = (OpKind.REGROUPS, OpKind.PERMUTES, OpKind.COPIES)
"""Kinds that leave every element where it is: Keras needs no op for them once axes have names."""

KEEPS_EACH_ONCE = (OpKind.REGROUPS, OpKind.PERMUTES, OpKind.REORDERS, OpKind.SELECTS)
"""Kinds whose result holds no element of the operand twice: a parameter stays a parameter."""

MOVES_ELEMENTS = (
    *RENAMES_AXES,
    OpKind.DETACHES,
    OpKind.STRETCHES,
    OpKind.REORDERS,
    OpKind.SELECTS,
    OpKind.PICKS,
    OpKind.REPEATS,
)
"""Kinds whose result holds no other elements than their first operand."""

LINEAR = (
    *MOVES_ELEMENTS,
    OpKind.JOINS,
    OpKind.SUMS,
    OpKind.ZEROS,
    OpKind.FILLS,
    OpKind.SCALARS,
)
"""Kinds that give of a sum of operands the sum of what they give of each, numbers included."""


KIND_OF: dict[OpOverload, OpKind] = {}
for _kind, _ops in OPS.items():
    KIND_OF.update(dict.fromkeys(_ops, _kind))


def kind_of(op: object) -> OpKind | None:
    """Return the kind of an op; None where the table has nothing about it."""
    return KIND_OF.get(op)  # type: ignore[call-overload, no-any-return]


def ops_of(*kinds: OpKind) -> frozenset[OpOverload]:
    """Return all ops of these kinds."""
    return frozenset(chain.from_iterable(OPS[kind] for kind in kinds))


@cache
def count_tensors(op: OpOverload) -> int:
    """Return how many arguments of an op are tensors or lists of them."""
    return sum("Tensor" in str(argument.type) for argument in op._schema.arguments)


def draws_random_numbers(op: OpOverload) -> bool:
    """Return whether an op takes random numbers from PyTorch's generator."""
    return torch.Tag.nondeterministic_seeded in op.tags
