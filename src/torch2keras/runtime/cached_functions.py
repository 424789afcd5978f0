"""Functions that remember their results (`functools.lru_cache`), run anew each time for a while.

What such a function remembers was computed in the type of an earlier run. Where the exported graph
computes it itself, a run in float64 has to compute it too.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from torch2keras.runtime.native_attributes import is_native, submodules

_Cached = functools._lru_cache_wrapper  # noqa: SLF001 - the type of what lru_cache gives

_DEPTH = 4
"""Decorators within each other that are looked into."""


@contextmanager
def forget_results(module: nn.Module) -> Iterator[int]:
    """Call the functions behind caches themselves; what the caches hold stays for afterwards.

    Found are those of the Python modules that define the classes of `module`'s parts, in their own
    names, in their classes and in the closures of decorators. Yields how many.
    """
    with ExitStack() as stack:
        found = 0
        for names, write in _namespaces(module):
            for name, value in list(names.items()):
                found += _bypass(value, functools.partial(write, name), stack)
        yield found


def _namespaces(
    module: nn.Module,
) -> Iterator[tuple[Mapping[str, Any], Callable[[str, Any], None]]]:
    """Yield the names of each Python module and class, and what writes one of them."""
    classes: set[type] = set()
    for part in submodules(module).values():
        classes.update(type(part).__mro__)
    homes = {known.__module__ for known in classes if isinstance(known.__module__, str)}
    for home in sorted(homes):
        scope = sys.modules.get(home)
        if scope is None or home.partition(".")[0] in ("torch", "builtins"):
            continue
        names = types.ModuleType.__getattribute__(scope, "__dict__")
        yield names, names.__setitem__
        for value in list(names.values()):
            if is_native(value, type) and value.__module__ == home:
                yield (
                    type.__dict__["__dict__"].__get__(value),
                    functools.partial(type.__setattr__, value),
                )


def _bypass(value: Any, write: Callable[[Any], None], stack: ExitStack, depth: int = 0) -> int:
    """Write the function itself where a cached one stands, until the stack closes."""
    if depth == _DEPTH:
        return 0
    kind = type(value)
    if kind is _Cached:
        stack.callback(write, value)
        write(value.__wrapped__)
        return 1
    if kind in (staticmethod, classmethod):

        def write_wrapped(function: Any) -> None:
            write(value if function is value.__func__ else kind(function))

        return _bypass(value.__func__, write_wrapped, stack, depth + 1)
    if kind is not types.FunctionType:
        return 0
    found = 0
    for cell in value.__closure__ or ():
        try:
            inner = cell.cell_contents
        except ValueError:  # not filled yet
            continue
        found += _bypass(inner, functools.partial(setattr, cell, "cell_contents"), stack, depth + 1)
    return found
