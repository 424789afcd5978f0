"""A caller's `dynamic_shapes` keyed by forward's parameters, however they are given."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.capture.example_inputs import ExampleCall, name_leaves
from torch2keras.errors import InputError


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
        if not _has_tensors(left):
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
        if given or not _has_tensors(value):
            gathered[name] = {key: gathered.pop(key, None) for key in value}
    return gathered


def _has_tensors(arguments: Mapping[str, Any]) -> bool:
    """Whether there is a tensor in arguments given by name."""
    return any(isinstance(leaf, torch.Tensor) for _, leaf in name_leaves(dict(arguments)))
