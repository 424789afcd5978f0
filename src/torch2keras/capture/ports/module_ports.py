"""A module with further inputs, and what is known of each of them.

`add_parameters` makes a module of the same state, class name and paths whose forward takes more
tensors by keyword. So nothing of the package has to know that there is one around the user's: no
name gets a prefix, and export, verification and weights take it for the module itself.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from torch2keras.runtime.native_attributes import instance_dict

NEW = "new_"
"""How the name of the output begins that is the next value of an input."""

Tensors = dict[str, torch.Tensor]

Forward = Callable[[tuple[Any, ...], dict[str, Any], Tensors], Any]
"""What runs in place of forward: arguments, keywords, and the tensors that are further inputs."""


@dataclass(frozen=True, eq=False)
class StatePort:
    """A value that forward keeps from one call to the next, as an input and an output."""

    name: str
    """The name of the input; that of the output has `NEW` before it."""
    attribute: str
    """Where the module keeps it, as "encoder.cache['k']"."""
    initial: torch.Tensor
    """What stands for the module as it is given; a size may be zero where it grows."""
    example: torch.Tensor
    """A later value: the example to convert with."""
    growing: frozenset[int] = frozenset()
    """The dims whose sizes change from call to call."""
    is_number: bool = False
    """Whether the module keeps a Python number."""


class PortedModule(nn.Module):
    """Shares the tables of a module, and calls it within its own forward."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        own, theirs = vars(self), instance_dict(module) or {}
        for table in ("_parameters", "_buffers", "_modules"):
            own[table] = theirs[table]
        own["training"] = theirs.get("training", False)
        own["_original"] = module  # past nn.Module's registration of children

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the module's own, which its class may have overridden."""
        return vars(self)["_original"].state_dict(*args, **kwargs)


def add_parameters(module: nn.Module, names: Collection[str], run: Forward) -> nn.Module:
    """Return a module whose forward takes `names` as further keywords, and is `run`."""
    cls = type(module)
    members = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    ported: PortedModule = type(cls.__name__, (PortedModule,), members)(module)
    own, theirs = vars(ported), instance_dict(module) or {}

    @functools.wraps(module.forward)
    def forward(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_dynamo_compiling():
            raise RuntimeError("Dynamo does not follow values through the dicts of a module")
        given = {name: kwargs.pop(name) for name in names}
        mode = theirs.get("training", False)
        theirs["training"] = own["training"]
        try:
            return run(args, kwargs, given)
        finally:
            theirs["training"] = mode

    vars(forward)["__signature__"] = _extend_signature(inspect.signature(module.forward), names)
    own["forward"] = forward
    return ported


def _extend_signature(signature: inspect.Signature, names: Collection[str]) -> inspect.Signature:
    parameters = list(signature.parameters.values())
    further = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
    rest = [p for p in parameters if p.kind is p.VAR_KEYWORD]
    return signature.replace(
        parameters=[*parameters[: len(parameters) - len(rest)], *further, *rest]
    )


def name_ports(
    wanted: Collection[str], module: nn.Module, others: Collection[str] = ()
) -> list[str]:
    """Return a name for each attribute path, none of them twice or a parameter of forward.

    Those of `others` are not taken either.
    """
    used = {*inspect.signature(module.forward).parameters, *others}
    names = []
    for path in wanted:
        plain = re.sub(r"\W+", "_", path).strip("_") or "state"
        name = plain if plain.isidentifier() else f"state_{plain}"
        number = 1
        while name in used:
            number += 1
            name = f"{plain}_{number}"
        used.add(name)
        names.append(name)
    return names


def copy_call(args: Any, kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments with every tensor cloned."""
    copied, named = copy_nest((tuple(args), dict(kwargs)))
    return copied, named


def copy_nest(value: Any) -> Any:
    """Return a value with its lists and dicts new and its tensors cloned; all else as it is."""
    return pytree.tree_map_only(torch.Tensor, lambda tensor: tensor.detach().clone(), value)
