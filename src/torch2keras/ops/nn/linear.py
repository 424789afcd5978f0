"""Matrix products: linear, matmul, bmm, addmm, bilinear, einsum."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import torch

from torch2keras.declarations.costs import contraction_cost
from torch2keras.declarations.registry import lowering
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Tensor, ops
from torch2keras.ops.blocks.operands import add_bias, reshape_along
from torch2keras.ops.blocks.products import apply_dense, apply_einsum, contract
from torch2keras.workarounds.add_as_bias import is_misread_as_bias

aten = torch.ops.aten

VECTOR = "... i, i, 1 -> ..."
"""A weight of one row may come as a vector."""

REORDER_COST = 0.6
"""In transposes. `EinsumDense` over another axis takes as long as a transpose and `Dense`, or
longer; two of them take longer than one transpose that they share."""


def linear_torch(args: Mapping[str, Any]) -> str:
    """A weight of (outputs, inputs)."""
    if args["weight"].type.rank == 1:
        return VECTOR
    return "... i, o i, o -> ... o"


def linear_keras(args: Mapping[str, Any]) -> str:
    """A kernel of (inputs, outputs)."""
    if args["weight"].type.rank == 1:
        return VECTOR
    return "... i, i o, o -> ... o"


@lowering(aten.linear.default, torch=linear_torch, keras=linear_keras, reorder_cost=REORDER_COST)
def linear(x, weight, bias=None, *, context):
    """`Dense`, or `EinsumDense` where that saves a transpose."""
    letters = context.letters
    if letters is not None and not is_dense(letters[0], letters[1], letters[-1]):
        return contract_and_add(x, weight, bias, letters)
    if weight.ndim == 1:
        column = weight.reshape(-1, 1)
        return add_bias(ops.squeeze(apply_dense(x, column, None), -1), bias)
    return apply_dense(x, weight, bias)


def is_dense(word: str, kernel: str, result: str) -> bool:
    """Whether an equation is `...i,io->...o` or `...i,i->...`."""
    return word[-1:] == kernel[:1] and result == word[:-1] + kernel[1:]


def contract_and_add(
    x: Operand, weight: Operand, bias: Operand | None, letters: Sequence[str]
) -> Tensor:
    """`EinsumDense` over another axis than the last, with its bias along the axis that it makes.

    The bias is added behind the layer where Keras would take it for one of another axis.
    """
    result = letters[-1]
    equation = (letters[0], letters[1], result)
    if bias is None:
        return contract([x, weight], equation)
    place = result.index(letters[2])
    if bias.is_constant:
        sizes = dict(zip(letters[0] + letters[1], x.shape + weight.shape, strict=True))
        shape = tuple(sizes[letter] for letter in result)
        column = bias.expand_dims(*range(1, len(result) - place))
        if not is_misread_as_bias(shape, column.shape):
            return contract([x, weight], equation, column)
    return ops.add(reshape_along(bias, [place], len(result)), contract([x, weight], equation))


def product_axes(args: Mapping[str, Any]) -> str:
    """Vectors have no free dimension, matrices one each; the rest is a batch that broadcasts.

    The rows that one matrix multiplies may lie in several stored dimensions.
    """
    (_, a), (_, b) = list(args.items())[:2]
    if a.type.rank > 1 and b.type.rank == 2:
        return "... j, j k -> ... k"
    left = "j" if a.type.rank == 1 else "... i j"
    right = "j" if b.type.rank == 1 else "... j k"
    names = {*left.split(), *right.split()}
    result = [name for name in ("...", "i", "k") if name in names]
    return f"{left}, {right} -> {' '.join(result)}"


@lowering(aten.matmul.default, axes=product_axes, cost=contraction_cost, equation=True)
def matmul(x, other, *, context):
    """`matmul`, or `einsum` for another stored order; `Dense` or `EinsumDense` by a parameter."""
    return contract([x, other], context.letters)


@lowering(
    aten.mm.default, aten.bmm.default, axes=product_axes, cost=contraction_cost, equation=True
)
def mm(x, mat2, *, context):
    """The same as `aten.matmul.default`."""
    return contract([x, mat2], context.letters)


@lowering(aten.mv.default, axes=product_axes, cost=contraction_cost, equation=True)
def mv(x, vec, *, context):
    """The same as `aten.matmul.default`."""
    return contract([x, vec], context.letters)


@lowering(aten.dot.default, axes=product_axes, cost=contraction_cost, equation=True)
def dot(x, tensor, *, context):
    """The same as `aten.matmul.default`."""
    return contract([x, tensor], context.letters)


def addmm_axes(args: Mapping[str, Any]) -> str:
    """A matrix, a row or a number is added; rows may lie in several stored dimensions."""
    summand = ("", "k", "... k")[args["self"].type.rank]
    return f"{summand}, ... j, j k -> ... k"


@lowering(aten.addmm.default, torch=addmm_axes, keras=addmm_axes)
def addmm(x, mat1, mat2, beta=1, alpha=1):
    """`Dense`, or `matmul` and a sum."""
    if alpha == beta == 1 and mat2.is_constant and x.ndim == 1:
        return apply_dense(mat1, mat2, x)
    return ops.add(scale_by(apply_dense(mat1, mat2, None), alpha), scale_by(x, beta))


def scale_by(x: Operand, factor: float) -> Operand:
    """`x` times a factor."""
    return x if factor == 1 else ops.multiply(x, factor)


def addbmm_axes(args: Mapping[str, Any]) -> str:
    """The products of all batches are summed."""
    summand = ("", "k", "i k")[args["self"].type.rank]
    return f"{summand}, b i j, b j k -> i k"


@lowering(aten.addbmm.default, torch=addbmm_axes, keras=addbmm_axes)
def addbmm(x, batch1, batch2, beta=1, alpha=1, *, context):
    """`einsum`, which sums over the batch too, and a sum."""
    product = contract([batch1, batch2], context.letters[1:])
    return ops.add(scale_by(product, alpha), scale_by(x, beta))


@lowering(
    aten.bilinear.default,
    torch="... i, ... j, o i j, o -> ... o",
    keras="... i, ... j, i j o, o -> ... o",
)
def bilinear(input1, input2, weight, bias=None, *, context):
    """`EinsumDense` on the outer product."""
    left, right, kernel, *_, result = context.letters
    outer = left + right[-1]
    products = contract([input1, input2], (left, right, outer))
    return contract([products, weight], (outer, kernel, result), bias)


TERM = re.compile(r"\.\.\.|[A-Za-z]")
"""The name of a dimension in an equation of torch.einsum."""


def einsum_axes(args: Mapping[str, Any]) -> str | None:
    """The equation itself, in any order; None (PyTorch's order) where it takes a diagonal."""
    left, arrow, right = args["equation"].replace(" ", "").partition("->")
    operands = [TERM.findall(term) for term in left.split(",")]
    if any(len(set(term)) < len(term) for term in operands):
        return None
    result = TERM.findall(right) if arrow else implicit_result(operands)
    return f"{', '.join(map(' '.join, operands))} -> {' '.join(result)}"


def implicit_result(operands: Sequence[Sequence[str]]) -> list[str]:
    """The result of an equation without an arrow: the ellipsis, then the names that occur once."""
    counts = Counter(chain(*operands))
    ellipsis = ["..."] * min(1, counts.pop("...", 0))
    return ellipsis + sorted(name for name, number in counts.items() if number == 1)


@lowering(aten.einsum.default, axes=einsum_axes, cost=contraction_cost, equation=True)
def einsum(equation, tensors, path=None, *, context):
    """`einsum` in the order of storage; `Dense` or `EinsumDense` by a parameter."""
    if context.letters is None:
        return apply_einsum(equation, tensors)
    return contract(tensors, context.letters)
