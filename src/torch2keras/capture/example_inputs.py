"""The example inputs of a capture: bound to forward's parameters, cloned, with their dynamic dims."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.export import Dim
from torch.utils import _pytree as pytree
from torch.utils._pytree import tree_leaves

from torch2keras.errors import InputError


@dataclass(frozen=True)
class Example:
    """One call of the module. `shapes` is torch.export's `dynamic_shapes`, keyed by forward's parameters.

    `doubled` names the dim-0-size-1 tensors that stand twice behind each other, because torch.export fixes sizes 0
    and 1: as positions among the call's tensors.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: dict[str, Any] | None
    doubled: tuple[int, ...] = ()

    def tensors(self) -> list[torch.Tensor]:
        """The tensors of the call, in torch.export's order."""
        return [
            leaf
            for leaf in pytree.tree_leaves((self.args, self.kwargs))
            if isinstance(leaf, torch.Tensor)
        ]


def bound_arguments(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Forward's parameter names -> arguments. Raises InputError where they do not fit forward's signature."""
    signature = inspect.signature(module.forward)
    try:
        return dict(signature.bind(*args, **kwargs).arguments)
    except TypeError as error:
        given = ([f"{len(args)} by position"] if args else []) + list(kwargs)
        parameters = ", ".join(
            str(parameter.replace(annotation=parameter.empty))
            for parameter in signature.parameters.values()
        )
        raise InputError(
            f"the example inputs do not fit {type(module).__name__}.forward: {error}",
            [
                ("forward", f"{type(module).__name__}.forward({parameters})"),
                ("given", ", ".join(given) if given else "no example inputs"),
                (
                    "next",
                    "give one example for each parameter without default, as in convert(module, (x,))",
                ),
            ],
        ) from error


def named_leaves(bound: dict[str, Any]) -> list[tuple[str, Any]]:
    """(name, leaf) of every argument, as ("x", tensor) or ("states[1]", tensor)."""
    found = []
    for name, value in bound.items():
        for path, leaf in pytree.tree_flatten_with_path(value)[0]:
            found.append((name + pytree.keystr(path), leaf))
    return found


def cloned(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call with every tensor cloned: torch.export marks dims of the tensors that it is given, for good.

    A tensor that is given twice becomes two, or torch.export takes two inputs for one.
    """
    copy: tuple[tuple[Any, ...], dict[str, Any]] = pytree.tree_map_only(
        torch.Tensor, lambda tensor: tensor.detach().clone(), (args, kwargs)
    )
    return copy


def doubled(example: Example, positions: tuple[int, ...]) -> Example:
    """The example with the tensors at `positions` twice behind each other along dim 0."""
    counter = iter(range(len(example.tensors())))

    def double(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor) or next(counter) not in positions:
            return leaf
        return torch.cat([leaf, leaf], 0)

    args, kwargs = pytree.tree_map(double, (example.args, example.kwargs))
    return Example(args, kwargs, example.shapes, positions)


def batch_first(bound: dict[str, Any]) -> dict[str, Any] | None:
    """`dynamic_shapes` with dim 0 of every tensor left to torch.export; None where no tensor has a dim."""
    shapes = {name: _batches(value) for name, value in bound.items()}
    has_dims = any(isinstance(leaf, torch.Tensor) and leaf.ndim for _, leaf in named_leaves(bound))
    return shapes if has_dims else None


def requested_dims(
    shapes: dict[str, Any], bound: dict[str, Any]
) -> Iterator[tuple[str, torch.Tensor, int, Any]]:
    """(name, tensor, dim, request) of each dim that the caller's `dynamic_shapes` wants to be dynamic."""
    for name, value in bound.items():
        yield from _requested(name, shapes.get(name), value)


def by_parameter(
    dynamic_shapes: Any, module: nn.Module, example: Example, bound: dict[str, Any]
) -> dict[str, Any]:
    """The caller's `dynamic_shapes` keyed by forward's parameters. Raises InputError for what has no such form.

    For a forward with `*args`, torch.export wants one entry that holds those of all of them; one entry an argument is
    taken too. Arguments without tensors need no entry.
    """
    if hasattr(dynamic_shapes, "dynamic_shapes"):  # ShapesCollection, AdditionalInputs
        dynamic_shapes = dynamic_shapes.dynamic_shapes(module, example.args, example.kwargs)
    if isinstance(dynamic_shapes, (tuple, list)):
        dynamic_shapes = _nested(tuple(dynamic_shapes), module, bound)
    if isinstance(dynamic_shapes, tuple) and len(dynamic_shapes) <= len(bound):
        dynamic_shapes = dict(zip(bound, dynamic_shapes, strict=False))
    if isinstance(dynamic_shapes, dict) and set(dynamic_shapes) <= set(bound):
        left = {name: value for name, value in bound.items() if name not in dynamic_shapes}
        if not any(isinstance(leaf, torch.Tensor) for _, leaf in named_leaves(left)):
            return {name: dynamic_shapes.get(name) for name in bound}
    raise InputError(
        "dynamic_shapes does not fit the example inputs",
        [
            ("inputs", ", ".join(bound)),
            ("given", repr(dynamic_shapes)),
            ("next", "give one entry an input: a tuple in their order, or a dict of their names"),
        ],
    )


def _nested(shapes: tuple[Any, ...], module: nn.Module, bound: dict[str, Any]) -> tuple[Any, ...]:
    """The entries for the arguments of `*args` as one entry."""
    kinds = {
        name: parameter.kind
        for name, parameter in inspect.signature(module.forward).parameters.items()
    }
    for at, (name, value) in enumerate(bound.items()):
        flat = kinds[name] is inspect.Parameter.VAR_POSITIONAL and len(shapes) == len(
            bound
        ) - 1 + len(value)
        if flat and not isinstance(shapes[at], (tuple, list)):
            return (*shapes[:at], shapes[at : at + len(value)], *shapes[at + len(value) :])
    return shapes


def _batches(value: Any) -> Any:
    """Dim 0 of each tensor in a nest; an object that PyTorch knows as a nest is a list of its parts, as it wants."""
    if isinstance(value, torch.Tensor):
        return {0: Dim.AUTO} if value.ndim else None
    if isinstance(value, dict):
        return {key: _batches(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [_batches(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if type(value) in pytree.SUPPORTED_NODES:
        return [_batches(part) for part in pytree.SUPPORTED_NODES[type(value)].flatten_fn(value)[0]]
    return None


def _requested(name: str, shapes: Any, value: Any) -> Iterator[tuple[str, torch.Tensor, int, Any]]:
    if shapes is None:
        return
    if isinstance(value, torch.Tensor):
        dims = shapes.items() if isinstance(shapes, dict) else enumerate(shapes)
        for dim, request in dims:
            if request is not None and not isinstance(request, int) and request != Dim.STATIC:
                yield name, value, dim, request
    elif isinstance(value, dict) and isinstance(shapes, dict):
        for key, element in value.items():
            yield from _requested(f"{name}[{key!r}]", shapes.get(key), element)
    elif isinstance(value, (list, tuple)) and isinstance(shapes, (list, tuple)):
        for position, (element, spec) in enumerate(zip(value, shapes, strict=False)):
            yield from _requested(f"{name}[{position}]", spec, element)


def nominal_dtype(
    module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None
) -> torch.dtype:
    """The floating type that `module` is written for: float32 if any of it or its inputs is, else the one it has.

    float32 too when nothing is floating; of several types below float32, the wider range (bfloat16).
    """
    tensors = chain(
        module.parameters(), module.buffers(), tree_leaves((tuple(args), dict(kwargs or {})))
    )
    kinds = (t.dtype for t in tensors if isinstance(t, torch.Tensor))
    present = {kind.to_real() if kind.is_complex else kind for kind in kinds}
    order = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
    return next((dtype for dtype in order if dtype in present), torch.float32)
