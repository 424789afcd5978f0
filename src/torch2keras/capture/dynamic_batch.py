"""Which sizes are dynamic: the examples and shapes that an export is tried with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from torch2keras.capture.captured import output_values, user_values
from torch2keras.capture.example_inputs import (
    Example,
    batch_first,
    cloned,
    doubled,
    named_leaves,
    requested_dims,
)
from torch2keras.capture.failures import eager_failure
from torch2keras.errors import InputError
from torch2keras.fx_passes.fake_values import static_size, symbolic_expression


def default_attempts(given: Example, bound: dict[str, Any]) -> Iterator[Example]:
    """Batch dynamic with a doubled example where it is 1, batch dynamic as given, everything static."""
    shapes = batch_first(bound)
    tensors = given.tensors()
    with_dims = tuple(position for position, tensor in enumerate(tensors) if tensor.ndim)
    sizes = {tensors[position].shape[0] for position in with_dims}
    if shapes is not None and sizes == {1}:
        yield doubled(Example(given.args, given.kwargs, shapes), with_dims)
    elif shapes is not None:
        yield Example(given.args, given.kwargs, shapes)
    yield given


def asked_attempts(
    given: Example, shapes: dict[str, Any], bound: dict[str, Any]
) -> tuple[list[Example], list[str]]:
    """The caller's shapes, with a doubled example first where a dynamic dim 0 has size 1."""
    notes: list[str] = []
    asked = Example(given.args, given.kwargs, shapes)
    tensors = given.tensors()
    short: list[int] = []
    for name, tensor, dim, request in requested_dims(shapes, bound):
        if tensor.shape[dim] > 1:
            continue
        if dim == 0 and tensor.shape[0] == 1:
            short.append(next(at for at, other in enumerate(tensors) if other is tensor))
        elif "AUTO" in repr(request):
            notes.append(
                f"Dim {dim} of {name} is fixed to {tensor.shape[dim]}, the example's size."
            )
        else:
            raise InputError(
                f"dim {dim} of {name} is to be dynamic and has size {tensor.shape[dim]} in the example",
                [
                    ("why", "torch.export fixes sizes 0 and 1"),
                    ("next", "give an example with size >= 2"),
                ],
            )
    if not short:
        return [asked], notes
    return [doubled(asked, tuple(short)), asked], notes


def reason_not_dynamic(
    module: nn.Module,
    program: ExportedProgram,
    example: Example,
    given: Example,
    bound: dict[str, Any],
) -> str:
    """Why a program that was exported from a doubled example does not stand for the example; "" where it does."""
    values = user_values(program)
    sizes: dict[Any, int] = {}
    for position, (value, tensor) in enumerate(zip(values, given.tensors(), strict=True)):
        for dim, size in enumerate(value.shape):
            expression = symbolic_expression(size)
            if (
                position in example.doubled
                and dim == 0
                and (expression is None or not expression.is_Symbol)
            ):
                return "forward uses the batch size as a number"
            if (
                expression is not None
                and sizes.setdefault(expression, tensor.shape[dim]) != tensor.shape[dim]
            ):
                return "forward ties the batch size to another size"
    outputs = [value for value in output_values(program) if isinstance(value, torch.Tensor)]
    if not any(value.ndim and static_size(value.shape[0]) is None for value in outputs):
        return "no output keeps the batch as its first dim"
    eager = [
        value
        for value in pytree.tree_leaves(run_on_example(module, given, bound))
        if isinstance(value, torch.Tensor)
    ]
    if [_sized(value, sizes) for value in outputs] != [tuple(value.shape) for value in eager]:
        return "the outputs for a batch of 1 have other dims than those for larger batches"
    return ""


def run_on_example(module: nn.Module, given: Example, bound: dict[str, Any]) -> Any:
    """The module's outputs on the example, its state untouched. Raises InputError where the module itself fails."""
    args, kwargs = cloned(given.args, given.kwargs)
    state = {
        name: tensor.detach().clone()
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
    }
    try:
        with torch.no_grad():
            return torch.func.functional_call(module, state, args, kwargs)
    except Exception as error:
        raise eager_failure(module, named_leaves(bound), error) from error


def _sized(value: torch.Tensor, sizes: dict[Any, int]) -> tuple[int, ...]:
    """The shape of a fake value with the example's sizes in place of its symbols."""
    expressions = [symbolic_expression(size) for size in value.shape]
    return tuple(
        int(size) if expression is None else int(expression.subs(sizes))
        for size, expression in zip(value.shape, expressions, strict=True)
    )


def batch_notes(program: ExportedProgram, refusal: str) -> list[str]:
    """A note where no input's first dimension is dynamic: to which sizes it is fixed, and why."""
    values = [value for value in user_values(program) if value.ndim]
    if not values or any(static_size(value.shape[0]) is None for value in values):
        return []
    sizes = ", ".join(dict.fromkeys(str(value.shape[0]) for value in values))
    why = refusal or "forward needs this size"
    return [
        f"The first dim of the inputs, usually the batch, is fixed to {sizes}: {why.rstrip('.')}."
    ]
