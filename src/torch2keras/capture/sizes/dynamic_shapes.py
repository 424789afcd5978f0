"""The `dynamic_shapes` of torch.export, for a caller who asks for none and for one who does."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.export import Dim
from torch.utils import _pytree as pytree

from torch2keras.capture.example_inputs import ExampleCall, name_leaves
from torch2keras.errors import InputError


def leave_batch_to_export(bound: dict[str, Any]) -> dict[str, Any] | None:
    """Return `dynamic_shapes` with dim 0 of every tensor left to torch.export.

    It is None where no tensor has a dim.
    """
    for _, leaf in name_leaves(bound):
        if isinstance(leaf, torch.Tensor) and leaf.ndim:
            return {name: _leave_batch(value) for name, value in bound.items()}
    return None


def _leave_batch(value: Any) -> Any:
    """Return the same for one nest of arguments.

    torch.export wants a list of the parts for a class that only pytree knows.
    """
    if isinstance(value, torch.Tensor):
        return {0: Dim.AUTO} if value.ndim else None
    if isinstance(value, dict):
        return {key: _leave_batch(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = list(map(_leave_batch, value))
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if type(value) in pytree.SUPPORTED_NODES:
        contents, _ = pytree.SUPPORTED_NODES[type(value)].flatten_fn(value)
        return list(map(_leave_batch, contents))
    return None


def find_dynamic_dims(
    shapes: dict[str, Any], bound: dict[str, Any]
) -> Iterator[tuple[str, torch.Tensor, int, Any]]:
    """Yield (name, tensor, dim, request) of each dim that a caller wants to be dynamic."""
    for name, value in bound.items():
        yield from _find_in_nest(name, shapes.get(name), value)


def _find_in_nest(
    name: str, shapes: Any, value: Any
) -> Iterator[tuple[str, torch.Tensor, int, Any]]:
    if shapes is None:
        return
    if isinstance(value, torch.Tensor):
        requests = shapes.items() if isinstance(shapes, dict) else enumerate(shapes)
        for dim, request in requests:
            if request is not None and not isinstance(request, int) and request != Dim.STATIC:
                yield name, value, dim, request
    elif isinstance(value, dict) and isinstance(shapes, dict):
        for key, element in value.items():
            yield from _find_in_nest(f"{name}[{key!r}]", shapes.get(key), element)
    elif isinstance(value, (list, tuple)) and isinstance(shapes, (list, tuple)):
        for position, (element, spec) in enumerate(zip(value, shapes, strict=False)):
            yield from _find_in_nest(f"{name}[{position}]", spec, element)


def key_by_parameter(dynamic_shapes: Any, call: ExampleCall) -> dict[str, Any]:
    """Return a caller's `dynamic_shapes` keyed by forward's parameters.

    For a forward with `*args` or `**kwargs`, torch.export wants one entry that holds those of all
    of them; one entry an argument is taken too. Arguments without tensors need no entry. Raises
    InputError for what cannot be keyed so.
    """
    shapes, bound = dynamic_shapes, call.bound
    if hasattr(shapes, "dynamic_shapes"):  # ShapesCollection, AdditionalInputs
        shapes = shapes.dynamic_shapes(call.module, call.example.args, call.example.kwargs)
    if isinstance(shapes, (tuple, list)):
        shapes = _gather_variadic(tuple(shapes), call)
    if isinstance(shapes, tuple) and len(shapes) <= len(bound):
        shapes = dict(zip(bound, shapes, strict=False))
    if isinstance(shapes, dict):
        shapes = _gather_keywords(shapes, call)
    if isinstance(shapes, dict) and set(shapes) <= set(bound):
        left = {name: value for name, value in bound.items() if name not in shapes}
        if not any(isinstance(leaf, torch.Tensor) for _, leaf in name_leaves(left)):
            return {name: shapes.get(name) for name in bound}
    raise InputError(
        "dynamic_shapes does not fit the example inputs",
        [
            ("inputs", ", ".join(bound)),
            ("given", repr(shapes)),
            ("next", "give one entry an input: a tuple in their order, or a dict of their names"),
        ],
    )


def _gather_variadic(shapes: tuple[Any, ...], call: ExampleCall) -> tuple[Any, ...]:
    """Return the entries with those of the arguments of `*args` as one entry."""
    parameters = inspect.signature(call.module.forward).parameters
    for at, (name, value) in enumerate(call.bound.items()):
        if parameters[name].kind is not inspect.Parameter.VAR_POSITIONAL:
            continue
        one_each = len(shapes) == len(call.bound) - 1 + len(value)
        if one_each and not isinstance(shapes[at], (tuple, list)):
            behind = at + len(value)
            return (*shapes[:at], shapes[at:behind], *shapes[behind:])
    return shapes


def _gather_keywords(shapes: Mapping[str, Any], call: ExampleCall) -> dict[str, Any]:
    """Return the entries with those of the arguments of `**kwargs` as one entry."""
    gathered = dict(shapes)
    parameters = inspect.signature(call.module.forward).parameters
    for name, value in call.bound.items():
        if parameters[name].kind is not inspect.Parameter.VAR_KEYWORD or name in shapes:
            continue
        given = (set(value) & set(shapes)) - set(call.bound)
        if given:
            gathered[name] = {key: gathered.pop(key, None) for key in value}
    return gathered
