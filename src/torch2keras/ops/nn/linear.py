"""Matrix products: linear, matmul, bmm, addmm, bilinear, einsum."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from torch2keras.declarations.costs import contraction_cost
from torch2keras.declarations.registry import lowering
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, ops
from torch2keras.ops.blocks.operands import reshape_along
from torch2keras.ops.blocks.products import Operand, by_equation, contract, dense
from torch2keras.workarounds.add_as_bias import is_misread_as_bias

aten = torch.ops.aten


def linear_torch(args: Mapping[str, Any]) -> str:
    """A weight of one row may come as a vector."""
    return "... i, o i, o -> ... o" if args["weight"].type.rank == 2 else "... i, i, 1 -> ..."


def linear_keras(args: Mapping[str, Any]) -> str:
    """A kernel of (inputs, outputs)."""
    return "... i, i o, o -> ... o" if args["weight"].type.rank == 2 else "... i, i, 1 -> ..."


REORDER_COST = 0.6
"""In transposes. `EinsumDense` over another axis takes as long as a transpose and `Dense`, or longer; two of them take
longer than one transpose that they share."""


@lowering(aten.linear.default, torch=linear_torch, keras=linear_keras, reorder_cost=REORDER_COST)
def linear(x, weight, bias=None, *, context):
    """`Dense`, or `EinsumDense` where that saves a transpose."""
    if context.letters and not is_dense(
        context.letters[0], context.letters[1], context.letters[-1]
    ):
        return over_another_axis(x, weight, bias, context.letters)
    if weight.ndim == 1:
        y = ops.squeeze(dense(x, weight.reshape(-1, 1), None), -1)
        return y if bias is None else y + bias
    return dense(x, weight, bias)


def is_dense(word: str, kernel: str, result: str) -> bool:
    """Whether an equation is `...i,io->...o` or `...i,i->...`."""
    return word[-1:] == kernel[:1] and result == word[:-1] + kernel[1:]


def over_another_axis(
    x: Operand, weight: Operand, bias: Operand | None, letters: Sequence[str]
) -> Tensor:
    """`EinsumDense`, with its bias along the axis that it makes; added apart where Keras would take it for another."""
    equation, result = (*letters[:2], letters[-1]), letters[-1]
    if bias is None:
        return contract([x, weight], equation)
    place = result.index(letters[2])
    sizes = dict(zip("".join(letters[:2]), (*x.shape, *weight.shape), strict=True))
    shape = (*bias.shape, *(1,) * (len(result) - 1 - place))
    if isinstance(bias, Weight) and not is_misread_as_bias(
        tuple(sizes[letter] for letter in result), shape
    ):
        return contract([x, weight], equation, bias.reshape(*shape))
    return ops.add(reshape_along(bias, [place], len(result)), contract([x, weight], equation))


def product_axes(args: Mapping[str, Any]) -> str:
    """Vectors have no free dimension, matrices one each, and what is left of them is a batch that broadcasts.

    The rows that one matrix multiplies may lie in several stored dimensions.
    """
    (_, a), (_, b) = list(args.items())[:2]
    if a.type.rank > 1 and b.type.rank == 2:
        return "... j, j k -> ... k"
    left, right = ("j" if a.type.rank == 1 else "... i j"), ("j" if b.type.rank == 1 else "... j k")
    batch = "... " if "..." in left + right else ""
    return f"{left}, {right} -> {batch}{'i ' if 'i' in left else ''}{'k' if 'k' in right else ''}"


@lowering(aten.matmul.default, axes=product_axes, cost=contraction_cost, equation=True)
def matmul(x, other, *, context):
    """`matmul`, `einsum` where the operands are stored in another order, `Dense` or `EinsumDense` by a parameter."""
    return contract([x, other], context.letters)


@lowering(
    aten.mm.default, aten.bmm.default, axes=product_axes, cost=contraction_cost, equation=True
)
def mm(x, mat2, *, context):
    """As `aten.matmul.default`."""
    return contract([x, mat2], context.letters)


@lowering(aten.mv.default, axes=product_axes, cost=contraction_cost, equation=True)
def mv(x, vec, *, context):
    """As `aten.matmul.default`."""
    return contract([x, vec], context.letters)


@lowering(aten.dot.default, axes=product_axes, cost=contraction_cost, equation=True)
def dot(x, tensor, *, context):
    """As `aten.matmul.default`."""
    return contract([x, tensor], context.letters)


def addmm_axes(args: Mapping[str, Any]) -> str:
    """What is added may be a matrix, a row or a number; rows may lie in several stored dimensions."""
    return f"{('', 'k', '... k')[args['self'].type.rank]}, ... j, j k -> ... k"


@lowering(aten.addmm.default, torch=addmm_axes, keras=addmm_axes)
def addmm(x, mat1, mat2, beta=1, alpha=1):
    """`Dense`, or `matmul` and a sum."""
    if alpha == beta == 1 and isinstance(mat2, Weight) and x.ndim == 1:
        return dense(mat1, mat2, x)
    y = dense(mat1, mat2, None)
    return (y if alpha == 1 else y * alpha) + (x if beta == 1 else ops.multiply(x, beta))


def addbmm_axes(args: Mapping[str, Any]) -> str:
    """The products of all batches are summed."""
    return f"{('', 'k', 'i k')[args['self'].type.rank]}, b i j, b j k -> i k"


@lowering(aten.addbmm.default, torch=addbmm_axes, keras=addbmm_axes)
def addbmm(x, batch1, batch2, beta=1, alpha=1, *, context):
    """`einsum`, which sums over the batch too, and a sum."""
    y = contract([batch1, batch2], context.letters[1:])
    return (y if alpha == 1 else y * alpha) + (x if beta == 1 else ops.multiply(x, beta))


@lowering(
    aten.bilinear.default,
    torch="... i, ... j, o i j, o -> ... o",
    keras="... i, ... j, i j o, o -> ... o",
)
def bilinear(input1, input2, weight, bias=None, *, context):
    """`EinsumDense` on the outer product."""
    left, right, kernel, result = (
        context.letters[0],
        context.letters[1],
        context.letters[2],
        context.letters[-1],
    )
    outer = left + right[-1]
    return contract(
        [contract([input1, input2], (left, right, outer)), weight], (outer, kernel, result), bias
    )


TERM = re.compile(r"\.\.\.|[A-Za-z]")


def einsum_axes(args: Mapping[str, Any]) -> str | None:
    """The equation itself, in any order; None (PyTorch's order) where it takes a diagonal."""
    left, arrow, right = args["equation"].replace(" ", "").partition("->")
    operands = [TERM.findall(term) for term in left.split(",")]
    if any(len(set(term)) < len(term) for term in operands):
        return None
    every = [name for term in operands for name in term]
    once = sorted(name for name in set(every) if name != "..." and every.count(name) == 1)
    result = TERM.findall(right) if arrow else (["..."] if "..." in every else []) + once
    return f"{', '.join(map(' '.join, operands))} -> {' '.join(result)}"


@lowering(aten.einsum.default, axes=einsum_axes, cost=contraction_cost, equation=True)
def einsum(equation, tensors, path=None, *, context):
    """`einsum` in the order in which the operands are stored; `Dense` or `EinsumDense` by a parameter."""
    return (
        by_equation(equation, tensors)
        if context.letters is None
        else contract(tensors, context.letters)
    )
