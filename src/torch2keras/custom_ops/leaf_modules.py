"""Leaf modules: modules of the user's that stay one node, and become what the user writes for them.

During capture `forward` of such a module is replaced by one op, `torch2keras::leaf_NAME`, whose
operands are the tensors that forward takes, then the module's parameters and buffers that the
converter names. Its fake kernel runs forward on fake tensors, so a size that is dynamic outside
stays so.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch._guards import detect_fake_mode
from torch.func import functional_call

from torch2keras.custom_ops.library import define_op
from torch2keras.errors import InputError

MODULE_PARAMETER = "module"
"""The converter's parameter that is given the module itself."""


@dataclass(frozen=True)
class Leaf:
    """One class of modules: its op, whose operands are inputs and weights of the module by name.

    A weight's name is its path in the module with `_` for `.`.
    """

    op: torch._ops.OpOverload
    inputs: tuple[str, ...]
    weights: tuple[str, ...]
    outputs: int
    fake: Callable[..., Any] | None


LEAVES: dict[type[nn.Module], Leaf] = {}
"""The leaves by the classes of their modules, exactly these."""


modules_by_id: WeakValueDictionary[str, nn.Module] = WeakValueDictionary()
"""The modules that ops in graphs name, by the text of their id."""


def define_leaf_op(cls: str, operands: Sequence[str], outputs: int) -> torch._ops.OpOverload:
    """Return a new op for the modules of a class, with these operands and so many results."""
    arguments = [f"Tensor? {operand}" for operand in operands]
    arguments.append(f"str {MODULE_PARAMETER}")
    results = ", ".join(["Tensor"] * outputs)
    schema = f"{_free_name(f'leaf_{cls}')}({', '.join(arguments)}) -> ({results})"
    return define_op(schema, _compute_leaf, _fake_leaf)


def _free_name(name: str) -> str:
    """Return the name, with a number behind it where there is such an op already."""
    for number in itertools.count(1):
        numbered = name if number == 1 else f"{name}_{number}"
        if not hasattr(torch.ops.torch2keras, numbered):
            return numbered
    raise AssertionError


def _compute_leaf(*operands: Any) -> Any:
    """Return what the module's own forward gives for these inputs and weights."""
    *tensors, key = operands
    module = modules_by_id[key]
    leaf = LEAVES[type(module)]
    count = len(leaf.inputs)
    weights = dict(zip(leaf.weights, tensors[count:], strict=True))
    given = {}
    for path, _ in _name_state(module):
        weight = weights.get(_to_name(path))
        if weight is not None:
            given[path] = weight
    return _run_forward(module, given, tensors[:count])


def _fake_leaf(*operands: Any) -> Any:
    """Return what forward gives for fake tensors, or what the leaf's own function gives."""
    *tensors, key = operands
    module = modules_by_id[key]
    leaf = LEAVES[type(module)]
    inputs = tensors[: len(leaf.inputs)]
    if leaf.fake is not None:
        return leaf.fake(module, *inputs)
    mode = detect_fake_mode(operands)
    weights = {}
    if mode is not None:
        for path, tensor in _name_state(module):
            weights[path] = mode.from_tensor(tensor)
    return _run_forward(module, weights, inputs)


def _run_forward(
    module: nn.Module, weights: Mapping[str, Tensor], inputs: Sequence[Tensor | None]
) -> Any:
    """Return what the class's forward gives, with these in place of the module's own weights.

    Raises TypeError where it gives another number of tensors than the leaf says.
    """
    leaf = LEAVES[type(module)]
    held = {f"module.{path}": tensor for path, tensor in weights.items()}
    named = dict(zip(leaf.inputs, inputs, strict=True))
    with torch.no_grad():
        results = functional_call(_Original(module), held, (), named)
    count = len(results) if isinstance(results, list | tuple) else 1
    if count != leaf.outputs:
        message = (
            f"{type(module).__name__}.forward gives {count} results, its leaf says {leaf.outputs}"
        )
        raise TypeError(message)
    if isinstance(results, Tensor):
        return results.clone()
    return tuple(result.clone() for result in results)


class _Original(nn.Module):
    """A module with the forward of its class, whatever it was replaced by."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, **inputs: Any) -> Any:
        return type(self.module).forward(self.module, **inputs)


def _name_state(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _to_name(path: str) -> str:
    """Return the name by which a converter takes the parameter or buffer of a path."""
    return path.replace(".", "_")


def check_leaves(module: nn.Module) -> None:
    """Raise InputError for a leaf module with a parameter that its converter does not take."""
    for place, part in module.named_modules():
        leaf = LEAVES.get(type(part))
        if leaf is None:
            continue
        left = [path for path, _ in part.named_parameters() if _to_name(path) not in leaf.weights]
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
def keep_leaves_whole(module: nn.Module) -> Iterator[None]:
    """Run the leaf modules as one op each, within."""
    found = [part for part in module.modules() if type(part) in LEAVES]
    try:
        for part in found:
            modules_by_id[str(id(part))] = part
            part.forward = functools.partial(_call_op, part)
        yield
    finally:
        for part in found:
            del part.forward


def _call_op(module: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    """Return what the module's op gives for the arguments of forward.

    Raises TypeError for an argument beside its inputs that is neither empty nor the default.
    """
    leaf = LEAVES[type(module)]
    signature = inspect.signature(type(module).forward)
    bound = signature.bind(module, *args, **kwargs)
    bound.apply_defaults()
    _, *named = bound.arguments.items()
    given = dict(named)
    inputs = [given.pop(name) for name in leaf.inputs]
    other = []
    for name, value in given.items():
        if value and value is not signature.parameters[name].default:
            other.append(f"{name}={value!r}")
    if other:
        message = (
            f"the leaf {type(module).__name__} is called with {', '.join(other)}, "
            "which its converter does not take"
        )
        raise TypeError(message)
    state = {_to_name(path): tensor for path, tensor in _name_state(module)}
    weights = [state.get(name) for name in leaf.weights]
    return leaf.op(*inputs, *weights, str(id(module)))
