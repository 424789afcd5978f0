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
from torch2keras.capture.sizes.dynamic_shapes import find_dynamic_dims, leave_batch_to_export
from torch2keras.errors import InputError
from torch2keras.fx_passes.fake_values import size_as_number, symbolic_expression

Symbols = dict[Any, int]
"""The size of the caller's example for each symbolic expression."""


def default_examples(call: ExampleCall) -> list[Example]:
    """Return what to try where the caller asks for nothing: the batch dynamic, then all static.

    Where each tensor's dim 0 has size 1, the dynamic batch is that of a doubled example.
    """
    given = call.example
    shapes = leave_batch_to_export(call.bound)
    if shapes is None:
        return [given]
    dynamic = Example(given.args, given.kwargs, shapes)
    tensors = given.tensors()
    with_dims = tuple(at for at, tensor in enumerate(tensors) if tensor.ndim)
    if all(tensors[at].shape[0] == 1 for at in with_dims):
        dynamic = double_batch(dynamic, with_dims)
    return [dynamic, given]


def examples_on_request(
    call: ExampleCall, shapes: dict[str, Any]
) -> tuple[list[Example], list[str]]:
    """Return what to try where the caller asks for `shapes`, and notes on dims that stay static.

    A doubled example comes first where a dynamic dim 0 has size 1. Raises InputError for another
    dynamic dim of size 0 or 1, unless it is only left to torch.export.
    """
    asked = Example(call.example.args, call.example.kwargs, shapes)
    tensors = asked.tensors()
    notes: list[str] = []
    short: list[int] = []
    for name, tensor, dim, request in find_dynamic_dims(shapes, call.bound):
        size = tensor.shape[dim]
        if size > 1:
            continue
        if dim == 0 and size == 1:
            short.append(_find_position(tensor, tensors))
        elif "AUTO" in repr(request):
            notes.append(f"Dim {dim} of {name} is fixed to {size}, the example's size.")
        else:
            raise InputError(
                f"dim {dim} of {name} is to be dynamic and has size {size} in the example",
                [
                    ("why", "torch.export fixes sizes 0 and 1"),
                    ("next", "give an example with size >= 2"),
                ],
            )
    if not short:
        return [asked], notes
    return [double_batch(asked, tuple(short)), asked], notes


def _find_position(tensor: torch.Tensor, tensors: list[torch.Tensor]) -> int:
    """Return the first position of a tensor itself: `list.index` would compare numbers."""
    return list(map(id, tensors)).index(id(tensor))


def explain_misfit(call: ExampleCall, program: ExportedProgram, example: Example) -> str:
    """Return why a program exported from a doubled example does not stand for the caller's.

    It is "" where it does.
    """
    sizes: Symbols = {}
    inputs = zip(user_values(program), call.example.tensors(), strict=True)
    for position, (value, tensor) in enumerate(inputs):
        if position in example.doubled and not _is_symbol(value.shape[0]):
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


def _has_dynamic_batch(values: list[torch.Tensor]) -> bool:
    """Whether the first dim of a value is dynamic."""
    return any(value.ndim and size_as_number(value.shape[0]) is None for value in values)


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


def note_fixed_batch(program: ExportedProgram, reason: str) -> list[str]:
    """Return a note, with sizes and the reason, where no input's first dimension is dynamic."""
    values = user_values(program)
    sizes: list[str] = []
    for value in values:
        if value.ndim and str(value.shape[0]) not in sizes:
            sizes.append(str(value.shape[0]))
    if not sizes or _has_dynamic_batch(values):
        return []
    what = f"The first dim of the inputs, usually the batch, is fixed to {', '.join(sizes)}"
    why = (reason or "forward needs this size").rstrip(".")
    return [f"{what}: {why}."]
