"""A dynamic batch: the examples that an export is tried with, and whether it stands for all.

torch.export fixes sizes 0 and 1. A batch of 1 is therefore exported from an example that stands
twice behind itself, and what comes out must stand for the example itself too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from torch2keras.capture.captured import output_values, user_values
from torch2keras.capture.example_inputs import Example, ExampleCall, double_batch
from torch2keras.capture.sizes.asked_dims import is_left_to_export
from torch2keras.capture.sizes.batch_dims import find_batch_dims
from torch2keras.capture.sizes.dynamic_shapes import find_dynamic_dims, leave_to_export
from torch2keras.errors import InputError
from torch2keras.fx_passes.fake_values import size_as_number, symbolic_expression

Symbols = dict[Any, int]
"""The size of the caller's example for each symbolic expression."""


def default_examples(call: ExampleCall) -> list[Example]:
    """Return what to try where the caller asks for nothing: the batch dynamic, then all static.

    Where the batch of each tensor has size 1, the dynamic batch is that of a doubled example.
    """
    given = call.example
    tensors = given.tensors()
    dims = find_batch_dims(call)
    if not dims:
        return [given]
    dynamic = Example(given.args, given.kwargs, leave_to_export(call.bound, tensors, dims))
    if all(tensors[position].shape[dim] == 1 for position, dim in dims.items()):
        dynamic = double_batch(dynamic, dims)
    return [dynamic, given]


def examples_on_request(call: ExampleCall, shapes: dict[str, Any]) -> list[Example]:
    """Return what to try where the caller asks for `shapes`.

    A doubled example comes first where a dynamic dim 0 has size 1. Raises InputError for another
    dynamic dim of size 0 or 1, unless it is only left to torch.export.
    """
    asked = Example(call.example.args, call.example.kwargs, shapes)
    tensors = asked.tensors()
    short: dict[int, int] = {}
    for name, tensor, dim, request in find_dynamic_dims(shapes, call.bound):
        size = tensor.shape[dim]
        if size > 1:
            continue
        if dim == 0 and size == 1:
            short[_find_position(tensor, tensors)] = dim
        elif not is_left_to_export(request):
            raise InputError(
                f"dim {dim} of {name} is to be dynamic and has size {size} in the example",
                [
                    ("why", "torch.export fixes sizes 0 and 1"),
                    ("next", "give an example with size >= 2"),
                ],
            )
    if not short:
        return [asked]
    return [double_batch(asked, short), asked]


def _find_position(tensor: torch.Tensor, tensors: list[torch.Tensor]) -> int:
    """Return the first position of a tensor itself: `list.index` would compare numbers."""
    return list(map(id, tensors)).index(id(tensor))


def explain_misfit(call: ExampleCall, program: ExportedProgram, example: Example) -> str:
    """Return why a program exported from a doubled example does not stand for the caller's.

    It is "" where it does, and for an example that is not doubled.
    """
    if not example.doubled:
        return ""
    sizes: Symbols = {}
    inputs = zip(user_values(program), call.example.tensors(), strict=True)
    for position, (value, tensor) in enumerate(inputs):
        dim = example.doubled.get(position)
        if dim is not None and not _is_symbol(value.shape[dim]):
            return "forward uses the batch size as a number"
        if not _agree(value, tensor, sizes):
            return "forward ties the batch size to another size"
    outputs = _only_tensors(output_values(program))
    if not any(map(_is_dynamic, outputs)):
        return "no output keeps the batch"
    own = _only_tensors(pytree.tree_leaves(call.run()))
    shapes = [_insert_sizes(value, sizes) for value in outputs]
    if shapes != [tuple(value.shape) for value in own]:
        return "the outputs for a batch of 1 have other dims than those for larger batches"
    return ""


def _is_symbol(size: Any) -> bool:
    expression = symbolic_expression(size)
    return expression is not None and bool(expression.is_Symbol)


def _agree(value: torch.Tensor, tensor: torch.Tensor, sizes: Symbols) -> bool:
    """Add a tensor's sizes to those of the symbols; return whether they contradict none before."""
    for size, number in zip(value.shape, tensor.shape, strict=True):
        expression = symbolic_expression(size)
        if expression is not None and sizes.setdefault(expression, number) != number:
            return False
    return True


def _is_dynamic(value: torch.Tensor) -> bool:
    """Whether a dim of a value is dynamic."""
    return any(size_as_number(size) is None for size in value.shape)


def _only_tensors(values: list[Any]) -> list[torch.Tensor]:
    return [value for value in values if isinstance(value, torch.Tensor)]


def _insert_sizes(value: torch.Tensor, sizes: Symbols) -> tuple[int, ...]:
    """Return the shape of a fake value with the example's sizes in place of its symbols."""
    shape = []
    for size in value.shape:
        expression = symbolic_expression(size)
        shape.append(int(size if expression is None else expression.subs(sizes)))
    return tuple(shape)
