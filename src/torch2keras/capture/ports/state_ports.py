"""What forward keeps from call to call, as further inputs and outputs of the module.

That a module which is given its state (`slots.py`) gives the same numbers, threaded from call to
call, as the module called in a row, is shown here by running both, before anything is converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from torch2keras.capture.example_inputs import Example, bind_example
from torch2keras.capture.failures import eager_failure
from torch2keras.capture.module_checks import check_inputs, check_module
from torch2keras.capture.ports.comparison import are_close, copy_leaves
from torch2keras.capture.ports.kept_state import (
    NUMBERS,
    KeptState,
    find_growing,
    find_kept_state,
    is_same_kind,
    run_in_a_row,
)
from torch2keras.capture.ports.module_ports import (
    StatePort,
    Tensors,
    copy_call,
    copy_nest,
    name_ports,
)
from torch2keras.capture.ports.places import MISSING, AttributePlace
from torch2keras.capture.ports.slots import Inputs, ModulePorts, StateSlot
from torch2keras.errors import CaptureError, list_names

FURTHER_CALLS = 2
"""So many calls more than it takes to fill a window are compared in a row."""

FEWEST_CALLS = 2
"""Calls that it takes to see that what is kept stays of one kind; the first has made it."""

_NO_TENSOR = (
    "it is a Python number that decides what forward does, or takes another structure "
    "with each call"
)

KEEP_TENSOR = "keep a tensor of one shape in its place, without .item(), and choose by torch.where"
"""What to do about a Python number, or a list that grows."""


def open_state_ports(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> ModulePorts:
    """Return a module with a port for each value that it keeps.

    There are none where its outputs depend on no earlier call. Raises InputError where it
    does not run, CaptureError where what it keeps cannot be given to it, or where no initial value
    is known that does what the module does at its first call.
    """
    check_module(module)
    call = bind_example(module, args, kwargs)
    check_inputs([(name, leaf) for name, leaf in call.leaves() if isinstance(leaf, torch.Tensor)])
    try:
        kept = find_kept_state(module, call.example)
    except Exception as error:
        raise eager_failure(module, call.leaves(), error) from error
    if not kept.values and not kept.once:
        return ModulePorts(module)
    row = _Row(module, call.example, kept.calls + FURTHER_CALLS)
    for with_numbers in (False, True):
        ports = make_ports(module, kept, with_numbers=with_numbers)
        if row.equals(ports, ports.initial_state):
            return ports
    raise _explain(module, call.example, kept)


def make_ports(module: nn.Module, kept: KeptState, *, with_numbers: bool) -> ModulePorts:
    """Return the slots of all that calls have changed, with a port for each tensor.

    Python numbers have ports `with_numbers`.
    """
    kinds = (torch.Tensor, *NUMBERS) if with_numbers else (torch.Tensor,)
    slots = [_freeze(kept.places[path], value) for path, value in kept.once.items()]
    wanted: list[tuple[StateSlot, int, str]] = []
    for path, value in kept.values.items():
        slot = _freeze(kept.places[path], value)
        old = pytree.tree_leaves(kept.former[path])
        pairs, _ = pytree.tree_flatten_with_path(value)
        slots.append(slot)
        for position, (keys, leaf) in enumerate(pairs):
            is_same_number = isinstance(leaf, NUMBERS) and leaf == old[position]
            if isinstance(leaf, kinds) and not is_same_number:
                wanted.append((slot, position, path + pytree.keystr(keys)))
    names = name_ports([attribute for _, _, attribute in wanted], module)
    ports: dict[StateSlot, dict[int, StatePort]] = {}
    for (slot, position, attribute), name in zip(wanted, names, strict=True):
        former = pytree.tree_leaves(kept.former[slot.place.path])
        port = _make_port(slot, position, name, attribute, former[position])
        ports.setdefault(slot, {})[position] = port
    return ModulePorts(module, tuple(replace(slot, ports=ports.get(slot, {})) for slot in slots))


def _freeze(place: AttributePlace, value: Any) -> StateSlot:
    leaves, spec = pytree.tree_flatten(value)
    return StateSlot(place, tuple(leaves), spec)


def _make_port(slot: StateSlot, position: int, name: str, attribute: str, former: Any) -> StatePort:
    leaf = slot.leaves[position]
    is_number = not isinstance(leaf, torch.Tensor)
    example = torch.as_tensor(leaf) if is_number else leaf
    growing = frozenset[int]() if is_number else find_growing(former, leaf)
    initial = _find_initial(slot, position, example, growing)
    return StatePort(name, attribute, initial, example, growing, is_number)


def _find_initial(
    slot: StateSlot, position: int, example: torch.Tensor, growing: frozenset[int]
) -> torch.Tensor:
    """Return what the module holds now; zeros, none of them in a growing dim, where it holds none.

    A window that is not full yet has what is missing before its first entries.
    """
    held = pytree.tree_leaves(slot.place.read())
    at = position - (len(slot.leaves) - len(held))
    value = held[at] if at >= 0 else MISSING
    if isinstance(value, NUMBERS) and not example.ndim:
        return torch.as_tensor(value, dtype=example.dtype)
    if isinstance(value, torch.Tensor) and _has_sizes(value, example, growing):
        return value.detach().clone()
    sizes = list(example.shape)
    for dim in growing:
        sizes[dim] = 0
    return example.new_zeros(sizes)


class _Row:
    """Calls of a module in a row, and what they give.

    They come after `earlier` ones on the example, and begin with what the module holds now.
    """

    def __init__(self, module: nn.Module, example: Example, calls: int, earlier: int = 0) -> None:
        self.module = module
        self.earlier = [example.copy_arguments()] * earlier
        self.inputs = [vary_inputs(example, number) for number in range(calls)]
        try:
            self.outputs = self._run()
        except Exception:  # noqa: BLE001 - the module may refuse numbers other than the example's
            self.inputs = [example.copy_arguments()] * calls
            self.outputs = self._run()

    def _run(self) -> list[list[Any]]:
        found = []
        with run_in_a_row(self.module):
            for inputs in (*self.earlier, *self.inputs):
                args, kwargs = copy_call(*inputs)
                found.append(copy_leaves(self.module(*args, **kwargs)))
        return found[len(self.earlier) :]

    def equals(self, ports: ModulePorts, first: Tensors) -> bool:
        """Whether the module gives the same where its state goes from call to call."""
        state = first
        with run_in_a_row(self.module):
            for inputs, expected in zip(self.inputs, self.outputs, strict=True):
                try:
                    outputs, state = ports.call(state, copy_call(*inputs))
                except Exception:  # noqa: BLE001 - forward may want a number to be a number
                    return False
                if not are_close(copy_leaves(outputs), expected):
                    return False
                state = copy_nest(state)
        return True


def vary_inputs(example: Example, number: int) -> Inputs:
    """Return the example's arguments at number 0, else with other floating numbers."""
    generator = torch.Generator().manual_seed(number)

    def vary(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point() or not number:
            return leaf
        return torch.randn(leaf.shape, generator=generator).to(leaf.dtype)

    args, kwargs = pytree.tree_map(vary, example.copy_arguments())
    return args, kwargs


def _explain(module: nn.Module, example: Example, kept: KeptState) -> CaptureError:
    """Return the error for a module that its state in ports does not do justice to."""
    later = _Row(module, example, FURTHER_CALLS, earlier=kept.calls)
    for with_numbers in (False, True):
        ports = make_ports(module, kept, with_numbers=with_numbers)
        if later.equals(ports, {port.name: port.example for port in ports.states}):
            return _refuse_first_value(ports.states, kept.calls)
    names = [*kept.once, *_find_numbers(kept)] or list(kept.values)
    return CaptureError(
        f"what forward keeps cannot be given to it as tensors: {list_names(names)}",
        [
            ("why", _NO_TENSOR),
            ("next", KEEP_TENSOR),
        ],
    )


def _find_numbers(kept: KeptState) -> list[str]:
    """Return where Python numbers have changed between the last two calls."""
    found = []
    for path, value in kept.values.items():
        leaves = zip(pytree.tree_leaves(kept.former[path]), pytree.tree_leaves(value), strict=True)
        if any(isinstance(new, NUMBERS) and new != old for old, new in leaves):
            found.append(path)
    return found


def _has_sizes(value: torch.Tensor, example: torch.Tensor, growing: frozenset[int]) -> bool:
    return is_same_kind(value, example) and find_growing(value, example) <= growing


def _refuse_first_value(ports: Sequence[StatePort], calls: int) -> CaptureError:
    names = list_names([port.attribute for port in ports])
    times = "once" if calls == FEWEST_CALLS else f"{calls} times"
    return CaptureError(
        f"no first value is known for what forward keeps: {names}",
        [
            ("why", "the module's first call gives other numbers than one with zeros there"),
            (
                "next",
                f"call the module {times} before it is converted: what it then keeps is first",
            ),
        ],
    )
