"""PyTorch's type promotion, for the operands of a Keras op."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import sympy
import torch

from torch2keras.declarations.registry import IGNORED
from torch2keras.graph.ir import Node, Value, argument_leaves
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import cast

UNTYPED = ("condition", "mask", "alpha")
"""Arguments that have no part in the type of the result."""


def promote_arguments(node: Node, arguments: Sequence[Any]) -> list[Any]:
    """Return a converter's arguments, the tensors cast to the type that PyTorch computes in.

    `arguments` belong to the node's schema, in its order, without the ignored ones. The type is
    that of the result, or, where it is bool as of a comparison, the operands' common one.
    """
    schema = [a for a in node.op._schema.arguments if a.name not in IGNORED]
    typed = [a for a in schema if _has_type(a)]
    dtype = node.outputs[0].type.dtype
    if dtype is torch.bool:
        operands = [argument_leaves(node.args[a.name]) for a in typed]
        dtype = result_dtype(list(itertools.chain.from_iterable(operands)))
    promoted = []
    for declared, argument in zip(schema, arguments, strict=True):
        promoted.append(_cast_operands(argument, dtype) if declared in typed else argument)
    return promoted


def _has_type(argument: torch._C.Argument) -> bool:
    """Whether an argument of a schema takes part in the promotion."""
    kind = str(argument.type)
    return argument.name not in UNTYPED and ("Tensor" in kind or "number" in kind)


def _cast_operands(argument: Any, dtype: torch.dtype) -> Any:
    """Return an operand, or a list of them, in a dtype; numbers stay as they are."""
    if isinstance(argument, list | tuple):
        return type(argument)(_cast_operands(a, dtype) for a in argument)
    return cast(argument, dtype) if isinstance(argument, Operand) else argument


def result_dtype(arguments: Sequence[Any]) -> torch.dtype:
    """Return the dtype of `torch.result_type` for values, Python numbers and symbolic sizes.

    Values without dimensions count less than others, and numbers less still, as in PyTorch
    (https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc).
    """
    values: list[Any] = []
    numbers: list[Any] = []
    for argument in arguments:
        if isinstance(argument, Value):
            values.append(_probe(argument.type.dtype, () if argument.type.rank == 0 else (1,)))
        elif isinstance(argument, sympy.Expr):
            numbers.append(1)
        elif isinstance(argument, int | float):
            numbers.append(argument)
    found: torch.Tensor = functools.reduce(
        lambda a, b: _probe(torch.result_type(a, b), (1,)), [*values, *numbers]
    )
    return found.dtype


def _probe(dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    """Return a tensor that has a type and no data."""
    return torch.empty(shape, dtype=dtype, device="meta")
