"""Weights that a stranger's layer has of its own, as values that its `call` reads.

While such a layer is called on symbolic tensors, each of its variables is one too. So
`self.gamma * x` is a product of two values, as it is in the module's own graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True, eq=False)
class WeightSource:
    """A variable of a layer, as a step without inputs that gives what the variable holds."""

    layer: Any
    variable: Any

    @property
    def weights(self) -> list[Any]:
        """The variable, as a layer has its own."""
        return [self.variable]


def find_own_weights(layer: Any) -> list[Any]:
    """Return the variables of a layer that no layer within it has; random states are none."""
    inner: set[int] = set()
    for part in find_sublayers(layer):
        inner.update(map(id, part.variables))

    def is_own(variable: Any) -> bool:
        return id(variable) not in inner and "seed_generator" not in variable.path

    return list(filter(is_own, layer.weights))


def find_sublayers(layer: Any, *, deep: bool = True) -> list[Any]:
    """Return the layers within a layer, at any depth, or only those that it has itself."""
    walk = layer._flatten_layers  # noqa: SLF001 - public of models alone
    return list(walk(include_self=False, recursive=deep))


@contextmanager
def hold_symbols(layer: Any) -> Iterator[list[tuple[Any, Any]]]:
    """Let a layer's attributes be symbolic tensors where they are its own variables.

    Yields the variables and their tensors.
    """
    symbols: dict[int, tuple[Any, Any]] = {}
    for variable in find_own_weights(layer):
        tensor = keras.Input(batch_shape=tuple(variable.shape), dtype=variable.dtype)
        symbols[id(variable)] = variable, tensor
    attributes = vars(layer)
    before, meanwhile = {}, {}
    for name, value in attributes.items():
        exchanged = _exchange(value, symbols)
        if exchanged is not value and not _is_list_of_all(name):
            before[name], meanwhile[name] = value, exchanged
    try:
        attributes.update(meanwhile)
        yield list(symbols.values())
    finally:
        attributes.update(before)


def _is_list_of_all(name: str) -> bool:
    """Whether an attribute is Keras's own account of a layer's variables."""
    return name in ("_trainable_variables", "_non_trainable_variables")


def _exchange(value: Any, symbols: dict[int, tuple[Any, Any]]) -> Any:
    """Return an attribute with symbolic tensors for variables; itself where it has none."""
    if id(value) in symbols:
        return symbols[id(value)][1]
    if isinstance(value, list | tuple):
        items = [_exchange(item, symbols) for item in value]
        if not _is_other(items, value):
            return value
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, dict):
        entries = {key: _exchange(item, symbols) for key, item in value.items()}
        is_other = _is_other(list(entries.values()), list(value.values()))
        return entries if is_other else value
    return value


def _is_other(items: Sequence[Any], before: Sequence[Any]) -> bool:
    return any(one is not two for one, two in zip(items, before, strict=True))
