"""What forward changes from one call to the next, seen by calling it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from torch2keras.capture.example_inputs import Example
from torch2keras.capture.ports.module_ports import copy_nest
from torch2keras.capture.ports.places import (
    AttributePlace,
    find_attribute_places,
    note_fingerprints,
)
from torch2keras.runtime.isolation import isolate_module
from torch2keras.runtime.journal import Journal, put_back

MOST_CALLS = 24
"""A window of past inputs that takes more calls to fill is not found."""

CALLS_OF_A_CACHE = 3
"""What grows from call to call is taken as it is after so many."""

NUMBERS = (bool, int, float)

Values = dict[str, Any]
"""Path -> what stands there, its tensors copied."""


@dataclass(frozen=True, eq=False)
class KeptState:
    """What calls of a module have changed."""

    places: Mapping[str, AttributePlace]
    former: Values
    """What each call replaces by values of the same kind, before the last call."""
    values: Values
    """The same after the last call."""
    once: Values
    """What only the first calls have changed, or what takes another kind with each; afterwards."""
    calls: int


@contextmanager
def run_in_a_row(module: nn.Module) -> Iterator[None]:
    """Let a module be called several times, each after the other; all comes back at the end."""
    journal = Journal()
    with isolate_module(module, seed=0), torch.no_grad(), put_back(journal), journal:
        yield


def find_kept_state(module: nn.Module, example: Example) -> KeptState:
    """Return what forward keeps, by calls on the example until its kinds of values stay the same.

    Everything is put back. Raises what the module raises.
    """
    history: list[dict[str, Any]] = []
    touched: set[str] = set()
    last: set[str] = set()
    with run_in_a_row(module):
        before = note_fingerprints(find_attribute_places(module), with_values=True)
        for number in range(MOST_CALLS):
            args, kwargs = example.copy_arguments()
            module(*args, **kwargs)
            places = find_attribute_places(module)
            after = note_fingerprints(places, with_values=True)
            last = {path for path in after if after[path] != before.get(path)}
            touched |= last
            history.append(_copy_values(places, touched))
            before = after
            if number and _are_settled(last, *history[-2:]):
                break
    return _choose_call(places, last, history)


def _copy_values(places: Mapping[str, AttributePlace], paths: set[str]) -> dict[str, Any]:
    return {path: copy_nest(places[path].read()) for path in sorted(paths) if path in places}


def _are_settled(changed: set[str], former: Values, now: Values) -> bool:
    for path in changed:
        if not is_same_kind(former.get(path), now[path]) or _grows(former[path], now[path]):
            return False
    return True


def _choose_call(
    places: Mapping[str, AttributePlace], changed: set[str], history: list[dict[str, Any]]
) -> KeptState:
    """Return what is kept as of the last call, or as of an early one where it only grows."""
    calls = len(history)
    early = history[:CALLS_OF_A_CACHE]
    if calls == MOST_CALLS and _are_same_kind(changed, early[-2], early[-1]):
        calls = CALLS_OF_A_CACHE
    kept = KeptState(places, {}, {}, {}, calls)
    for path, value in history[calls - 1].items():
        former = history[calls - 2].get(path)
        if path in changed and is_same_kind(former, value):
            kept.former[path] = former
            kept.values[path] = value
        else:
            kept.once[path] = value
    return kept


def _are_same_kind(changed: set[str], former: Values, now: Values) -> bool:
    return all(is_same_kind(former.get(path), now[path]) for path in changed & set(now))


def is_same_kind(former: Any, now: Any) -> bool:
    """Whether two values differ in nothing but numbers and sizes."""
    old, old_spec = pytree.tree_flatten(former)
    new, new_spec = pytree.tree_flatten(now)
    return old_spec == new_spec and all(map(_is_same_leaf, old, new))


def _is_same_leaf(old: Any, new: Any) -> bool:
    if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
        return old.dtype == new.dtype and old.ndim == new.ndim
    return type(old) is type(new)


def _grows(former: Any, now: Any) -> bool:
    """Whether the size of a tensor differs in two values of one kind."""
    for old, new in zip(pytree.tree_leaves(former), pytree.tree_leaves(now), strict=True):
        if isinstance(old, torch.Tensor) and find_growing(old, new):
            return True
    return False


def find_growing(old: torch.Tensor, new: torch.Tensor) -> frozenset[int]:
    """Return the dims in which two tensors differ."""
    sizes = zip(old.shape, new.shape, strict=True)
    return frozenset(dim for dim, (before, after) in enumerate(sizes) if before != after)
