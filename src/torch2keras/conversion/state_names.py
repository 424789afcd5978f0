"""The entries of a module's own state_dict, and which of its parameters and buffers each one is.

A class may override `state_dict`, or hang hooks on it: entries get other names, are left out, or
hold objects that are no tensors.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from torch2keras.errors import InputError, list_names
from torch2keras.runtime.isolation import isolate_module, silence_output
from torch2keras.runtime.native_attributes import is_native
from torch2keras.runtime.typed_errors import describe_exception

EXTRA_STATE = "_extra_state"
"""How the name of what `nn.Module.get_extra_state` gives ends."""

State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class StateNames:
    """How a module's own state_dict was made at conversion."""

    tensors: Mapping[str, str] = field(default_factory=dict)
    """Entry -> path of the parameter or buffer, as torch.export names it."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Entries that are no tensors of the module, with their values."""
    order: tuple[str, ...] = ()
    problem: str = ""
    """Why the entries cannot be told; empty where they can."""

    def require_known(self) -> None:
        """Raise InputError where the module's state_dict is not made of what it holds."""
        if self.problem:
            advice = (
                "let the module and its parts keep torch.nn.Module's own state_dict, "
                "without hooks, and convert again"
            )
            raise InputError(
                "the state_dict of this module cannot be read as its parameters and buffers",
                [("why", self.problem), ("next", advice)],
            )

    def to_entries(self, state: State) -> dict[str, Any]:
        """Return the module's own entries of a state by paths, in the module's order."""
        self.require_known()
        entries: dict[str, Any] = {}
        for name in self.order:
            if name in self.tensors:
                entries[name] = state[self.tensors[name]]
            else:
                entries[name] = copy_object(self.extras[name])
        return entries

    def to_state(
        self, entries: Mapping[str, Any], shapes: Mapping[str, torch.Size]
    ) -> dict[str, torch.Tensor]:
        """Return a state by paths of entries that the module has; `shapes` are those of the paths.

        Raises InputError where shapes or objects are not the module's.
        """
        self.require_known()
        state: dict[str, torch.Tensor] = {}
        problems: list[str] = []
        for name, value in entries.items():
            if name in self.tensors:
                problems += self._take(state, name, value, shapes[self.tensors[name]])
            elif not is_same(value, self.extras[name]):
                problems.append(f"{name}: not what it was at the conversion, and is no tensor")
        if problems:
            raise InputError(
                "the state_dict does not fit the module", [("problems", "\n".join(problems))]
            )
        return state

    def _take(
        self, state: dict[str, torch.Tensor], name: str, value: Any, shape: torch.Size
    ) -> Iterator[str]:
        """Put one entry into the state, or yield what is wrong with it."""
        path = self.tensors[name]
        try:
            tensor = torch.as_tensor(value).detach()
        except (TypeError, ValueError, RuntimeError):
            yield f"{name}: a {type(value).__name__} is no tensor"
            return
        if tensor.shape != shape:
            yield f"{name}: shape {list(tensor.shape)}, the module has {list(shape)}"
        elif path in state and not torch.equal(state[path], tensor):
            yield f"{name}: other values than another name of this parameter has"
        state[path] = tensor


def read_state_names(module: nn.Module, table: State) -> StateNames:
    """Return the entries of `module.state_dict()`; `table` has its tensors by torch.export's names.

    The module is left as it was, and nothing that it raises leaves this function.
    """
    try:
        with isolate_module(module), silence_output(), torch.no_grad():
            entries = dict(module.state_dict())
    except Exception as error:  # noqa: BLE001 - a stranger's state_dict may raise anything
        return StateNames(problem=f"state_dict() raises {describe_exception(error)}")
    addresses = {_address(tensor): path for path, tensor in reversed(list(table.items()))}
    tensors: dict[str, str] = {}
    extras: dict[str, Any] = {}
    strange: list[str] = []
    for name, value in entries.items():
        path = None
        if is_native(value, torch.Tensor):
            path = _find_path(name, value, table, addresses)
        if path is not None:
            tensors[name] = path
        elif is_native(value, torch.Tensor) and not name.endswith(EXTRA_STATE):
            strange.append(name)
        else:
            extras[name] = copy_object(value)
    problem = ""
    if strange:
        problem = f"no parameter or buffer: {list_names(strange)}"
    return StateNames(tensors, extras, tuple(entries), problem)


def _address(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Return what is equal for tensors that are the same elements in memory."""
    return tensor.data_ptr() or id(tensor), tensor.shape, tensor.stride(), tensor.dtype


def _find_path(
    name: str, tensor: torch.Tensor, table: State, addresses: Mapping[tuple[Any, ...], str]
) -> str | None:
    """Return the path of the module's tensor that an entry is, or is a copy of."""
    if name in table and _address(table[name]) == _address(tensor):
        return name
    path = addresses.get(_address(tensor))
    if path is not None:
        return path
    parts = name.split(".")
    for start in range(len(parts)):
        ending = ".".join(parts[start:])
        if ending in table and is_same(table[ending], tensor):
            return ending
    return None


def copy_object(value: Any) -> Any:
    """Return a copy of an object, or itself where it cannot be copied."""
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - a stranger's object may raise anything
        return value


def is_same(one: Any, other: Any) -> bool:
    """Return whether two objects are equal; tensors in type and in every bit but a NaN's."""
    if is_native(one, torch.Tensor) and is_native(other, torch.Tensor):
        if (one.dtype, one.shape) != (other.dtype, other.shape):
            return False
        return torch.allclose(one.detach(), other.detach(), rtol=0, atol=0, equal_nan=True)
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - a stranger's object may raise anything
        return False
