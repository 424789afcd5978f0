"""Calls that compute the same from the same values become one: common subexpression elimination.

A module's forward often makes a mask, a table of positions or a view of its input several times
over. What has weights, state or random numbers is left alone, and so is what belongs to another
module: repeated blocks stay alike, each with what it computes itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch2keras.graph.interpreter import find_paths
from torch2keras.keras_graph.graph import GETITEM, Call, Literal, Ref, map_refs
from torch2keras.keras_graph.weight import Weight

STATELESS_LAYERS = frozenset(
    [
        "layers.Activation",
        "layers.Flatten",
        "layers.Permute",
        "layers.ReLU",
        "layers.Reshape",
        "layers.Softmax",
    ]
)
"""Layers without weights, state and random numbers that are called like ops."""


def merge_equal_calls(
    calls: Sequence[Call], outputs: Collection[int]
) -> tuple[tuple[Call, ...], dict[int, int]]:
    """Return the calls with each value that was there before read from where it was made first.

    The later call stays among them, read by nothing more; its values are returned with those that
    they equal. Calls that make any of the model's `outputs` keep them. Two calls are one where
    their targets, configurations and arguments are equal, and the later one is of the same module
    as the first, or of a module within it.
    """
    kept: dict[int, int] = {}
    firsts: dict[Any, list[Call]] = {}
    merged = []
    for old in calls:
        call = _read_kept(old, kept)
        merged.append(call)
        key = _key(call)
        if key is None or not set(outputs).isdisjoint(call.outputs):
            continue
        before = firsts.setdefault(key, [])
        first = next((one for one in before if _holds(one, call)), None)
        if first is None:
            before.append(call)
        else:
            kept.update(zip(call.outputs, first.outputs, strict=True))
    return tuple(merged), kept


def _read_kept(call: Call, kept: Mapping[int, int]) -> Call:
    """Return a call that reads values where they were made first."""

    def move(item: Any) -> Any:
        return Ref(kept.get(item.index, item.index)) if isinstance(item, Ref) else item

    args = map_refs(call.args, move)
    kwargs = {name: map_refs(value, move) for name, value in call.kwargs.items()}
    return replace(call, args=args, kwargs=kwargs)


def _holds(first: Call, later: Call) -> bool:
    """Whether a call is of the module of another one, or of a module around it."""
    around, path = first.origin.path, later.origin.path
    return not around or around == path or path.startswith(f"{around}.")


def _key(call: Call) -> Any:
    """Return what calls that compute the same have in common, None of a call that is no function.

    Numbers that are written as equal are: `1` and `1.0` differ, and so do two NaNs not.
    """
    is_op = call.target == GETITEM or call.target.startswith("ops.")
    if call.weights or not (is_op or call.target in STATELESS_LAYERS):
        return None
    args = map_refs(call.args, _exchange_literal)
    kwargs = {name: map_refs(value, _exchange_literal) for name, value in call.kwargs.items()}
    config = sorted(call.config.items())
    texts = repr(args), repr(sorted(kwargs.items())), repr(config), call.dtype
    return call.target, len(call.outputs), texts


def _exchange_literal(item: Any) -> Any:
    return _literal_key(item.weight) if isinstance(item, Literal) else item


def _literal_key(weight: Weight) -> tuple[Any, ...]:
    """Return what equal constants share; one that a state names is equal to itself alone."""
    if find_paths(weight.constant):
        return "named", weight.key
    return "literal", weight.shape, weight.dtype, weight.array(weight.dtype).tobytes()
