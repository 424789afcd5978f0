"""The example that a module is captured on: bound to forward's parameters, copied, doubled, run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from torch2keras.capture.failures import eager_failure
from torch2keras.errors import InputError
from torch2keras.runtime.journal import Journal, borrow, put_back


@dataclass(frozen=True)
class Example:
    """The arguments of one call, and which of their dims are to be dynamic.

    `shapes` is torch.export's `dynamic_shapes`, keyed by forward's parameters; None where all is
    static. `doubled` gives the dim along which tensors, by their positions among those of the call,
    stand twice behind each other here, because the caller's have size 1 there and torch.export
    fixes sizes 0 and 1.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: dict[str, Any] | None = None
    doubled: Mapping[int, int] = field(default_factory=dict)

    def tensors(self) -> list[torch.Tensor]:
        """Return the tensors of the call, in torch.export's order."""
        leaves = pytree.tree_leaves((self.args, self.kwargs))
        return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]

    def copy_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments with every tensor cloned.

        torch.export marks dims of the tensors that it is given, for good; and a tensor that is
        given twice must be two, or it takes two inputs for one.
        """
        args, kwargs = pytree.tree_map_only(
            torch.Tensor, lambda tensor: tensor.detach().clone(), (self.args, self.kwargs)
        )
        return args, kwargs


@dataclass(frozen=True)
class ExampleCall:
    """A module and the caller's example; `bound` holds the arguments by forward's parameters."""

    module: nn.Module
    example: Example
    bound: dict[str, Any]

    def leaves(self) -> list[tuple[str, Any]]:
        """Return (name, leaf) of every argument, as ("x", tensor) or ("states[1]", tensor)."""
        return name_leaves(self.bound)

    def run(self) -> Any:
        """Return the module's outputs on the example; its parameters and buffers stay as they are.

        Raises InputError where the module itself fails.
        """
        journal = Journal()
        try:
            with torch.no_grad(), put_back(journal), journal:
                args, kwargs = self.example.copy_arguments()
                state = {}
                for name, tensor in (*self.module.named_parameters(), *self.module.named_buffers()):
                    state[name] = borrow(tensor)
                return torch.func.functional_call(self.module, state, args, kwargs)
        except Exception as error:
            raise eager_failure(self.module, self.leaves(), error) from error


def bind_example(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ExampleCall:
    """Return the call of `module` on these arguments.

    Raises InputError where they do not fit forward's signature.
    """
    signature = inspect.signature(module.forward)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        forward = f"{type(module).__name__}.forward"
        rows = [
            ("forward", f"{forward}({_list_parameters(signature)})"),
            ("given", _list_arguments(args, kwargs)),
            (
                "next",
                "give one example for each parameter without default, as in convert(module, (x,))",
            ),
        ]
        raise InputError(f"the example inputs do not fit {forward}: {error}", rows) from error
    return ExampleCall(module, Example(args, kwargs), dict(bound.arguments))


def _list_parameters(signature: inspect.Signature) -> str:
    """Return the parameters without their annotations, as `x, mask=None`."""
    parameters = signature.parameters.values()
    return ", ".join(str(parameter.replace(annotation=parameter.empty)) for parameter in parameters)


def _list_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return what was given, as `2 by position, mask`."""
    given = list(kwargs)
    if args:
        given.insert(0, f"{len(args)} by position")
    return ", ".join(given) or "no example inputs"


def name_leaves(bound: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return (name, leaf) of arguments by name, as ("x", tensor) or ("states[1]", tensor)."""
    found = []
    for name, value in bound.items():
        for path, leaf in pytree.tree_flatten_with_path(value)[0]:
            found.append((name + pytree.keystr(path), leaf))
    return found


def double_batch(example: Example, dims: Mapping[int, int]) -> Example:
    """Return the example with tensors twice behind themselves, along a dim for each position."""
    counter = iter(range(len(example.tensors())))

    def double(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        dim = dims.get(next(counter))
        return leaf if dim is None else torch.cat([leaf, leaf], dim)

    args, kwargs = pytree.tree_map(double, (example.args, example.kwargs))
    return Example(args, kwargs, example.shapes, dims)
