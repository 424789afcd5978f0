"""Leaf modules: modules of the user's that stay one node, and become what the user writes for them in Keras.

During capture `forward` of such a module is replaced by one op, `torch2keras::leaf_NAME`, whose operands are the
tensors that forward takes, then the module's parameters and buffers that the converter names. Its fake kernel runs
forward on fake tensors, so a size that is dynamic outside stays so.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch._guards import detect_fake_mode
from torch.func import functional_call

from torch2keras.custom_ops.library import library
from torch2keras.errors import InputError

MODULE_PARAMETER = "module"
"""The converter's parameter that is given the module itself."""


@dataclass(frozen=True)
class Leaf:
    """One class of modules: its op, whose operands are inputs of forward and weights of the module, by name."""

    op: torch._ops.OpOverload
    inputs: tuple[str, ...]
    weights: tuple[str, ...]
    outputs: int
    fake: Callable[..., Any] | None


LEAVES: dict[type[nn.Module], Leaf] = {}


modules_by_id: WeakValueDictionary[str, nn.Module] = WeakValueDictionary()
"""The modules that ops in graphs name."""


def define_op(cls: str, operands: list[str], outputs: int) -> torch._ops.OpOverload:
    """A new op of these operands."""
    name = next(n for n in _numbered(f"leaf_{cls}") if not hasattr(torch.ops.torch2keras, n))
    results = ", ".join(["Tensor"] * outputs)
    schema = f"{name}({''.join(f'Tensor? {o}, ' for o in operands)}str {MODULE_PARAMETER}) -> ({results})"
    library.define(schema, tags=torch.Tag.pt2_compliant_tag)  # type: ignore[no-untyped-call]
    library.impl(name, _compute, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"torch2keras::{name}", _shapes, lib=library)
    op: torch._ops.OpOverload = getattr(torch.ops.torch2keras, name).default
    return op


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in itertools.count(2))


def _compute(*operands: Any) -> Any:
    """The module's own forward, on these inputs and weights."""
    module = modules_by_id[operands[-1]]
    own = LEAVES[type(module)]
    inputs = dict(zip(own.inputs, operands, strict=False))
    weights = dict(zip(own.weights, operands[len(inputs) : -1], strict=True))
    given = {path: weights[name] for path, name in _paths(module) if weights.get(name) is not None}
    return _called(module, given, inputs)


def _shapes(*operands: Any) -> Any:
    """The fake kernel."""
    module = modules_by_id[operands[-1]]
    own = LEAVES[type(module)]
    if own.fake is not None:
        return own.fake(module, *operands[: len(own.inputs)])
    mode = detect_fake_mode(operands)
    inputs = dict(zip(own.inputs, operands, strict=False))
    weights = {path: mode.from_tensor(tensor) for path, tensor in _state(module)} if mode else {}
    return _called(module, weights, inputs)


def _called(module: nn.Module, weights: Mapping[str, Tensor], inputs: dict[str, Any]) -> Any:
    """What the class's forward gives, with these in place of the module's own weights."""
    with torch.no_grad():
        results = functional_call(
            _Original(module), {f"module.{path}": t for path, t in weights.items()}, (), inputs
        )
    count = len(results) if isinstance(results, list | tuple) else 1
    if count != LEAVES[type(module)].outputs:
        message = f"{type(module).__name__}.forward gives {count} results, its leaf says {LEAVES[type(module)].outputs}"
        raise TypeError(message)
    return (
        results.clone()
        if isinstance(results, Tensor)
        else tuple(result.clone() for result in results)
    )


class _Original(nn.Module):
    """A module with the forward of its class, whatever it was replaced by."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, **inputs: Any) -> Any:
        return type(self.module).forward(self.module, **inputs)


def _state(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _paths(module: nn.Module) -> Iterator[tuple[str, str]]:
    """(path, the converter's name for it) of each parameter and buffer."""
    return ((path, path.replace(".", "_")) for path, _ in _state(module))


def check_leaves(module: nn.Module) -> None:
    """Raise InputError for a leaf module with a parameter that its converter does not take."""
    for place, part in module.named_modules():
        own = LEAVES.get(type(part))
        left = [
            path
            for path, _ in part.named_parameters()
            if own and path.replace(".", "_") not in own.weights
        ]
        if left:
            raise InputError(
                f"the leaf {type(part).__name__} leaves out parameters: {', '.join(left)}",
                [
                    ("module", place or "(the module itself)"),
                    ("why", "they would be lost in Keras"),
                    ("next", "name them among the parameters of its converter, with _ for ."),
                ],
            )


@contextmanager
def whole_leaves(module: nn.Module) -> Iterator[None]:
    """Within, the leaf modules run as one op each."""
    found = [part for part in module.modules() if type(part) in LEAVES]
    try:
        for part in found:
            modules_by_id[str(id(part))] = part
            part.forward = functools.partial(_as_op, part)
        yield
    finally:
        for part in found:
            del part.forward


def _as_op(module: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    own = LEAVES[type(module)]
    bound = inspect.signature(type(module).forward).bind(module, *args, **kwargs)
    bound.apply_defaults()
    given = dict(list(bound.arguments.items())[1:])
    inputs = [given.pop(name) for name in own.inputs]
    defaults = inspect.signature(type(module).forward).parameters
    other = [
        f"{name}={value!r}"
        for name, value in given.items()
        if value and value is not defaults[name].default
    ]
    if other:
        message = f"the leaf {type(module).__name__} is called with {', '.join(other)}, which its converter does not take"
        raise TypeError(message)
    state = {path.replace(".", "_"): tensor for path, tensor in _state(module)}
    return own.op(*inputs, *[state.get(name) for name in own.weights], str(id(module)))
