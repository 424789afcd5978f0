"""The sources of a module's classes, where they can be had."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from types import FunctionType

from torch import nn

from torch2keras.keras_graph.source.remarks.class_source import ClassSource
from torch2keras.runtime.native_attributes import walk_submodules

OWN_CALL = re.compile(r"\bself\.(\w+)\(")
"""What a method calls of its own object: a submodule, or another method."""


def read_class_sources(module: nn.Module) -> dict[str, ClassSource]:
    """Return the source of each submodule's class by path, without lines where it has none.

    It has `forward`, and the methods that forward calls, without their docstrings.
    """
    known: dict[type, ClassSource] = {}
    found = {}
    for path, part in walk_submodules(module):
        cls = type(part)
        if cls not in known:
            known[cls] = _read_class(cls)
        found[path] = known[cls]
    return found


def _read_class(cls: type) -> ClassSource:
    name = f"{cls.__module__}.{cls.__qualname__}".removeprefix("__main__.")
    try:
        file = inspect.getsourcefile(cls) or ""
        forward = _read_method(cls, "forward")
        lines = dict(forward)
        for called in OWN_CALL.findall("\n".join(forward.values())):
            lines |= _read_method(cls, called)
    except Exception:  # noqa: BLE001 - made by exec, or in a console: there is no source to show
        return ClassSource(name, "", "", {})
    depth = cls.__module__.count(".") + 1
    place = "/".join(file.replace("\\", "/").split("/")[-depth:])
    return ClassSource(name, place, file, dict(sorted(lines.items())))


def _read_method(cls: type, name: str) -> dict[int, str]:
    """Return the lines of a method by number; none for what is no method or is PyTorch's own."""
    method = inspect.unwrap(getattr(cls, name, None) or _read_method)
    if not isinstance(method, FunctionType) or not hasattr(cls, name):
        return {}
    if method.__module__.startswith("torch.nn.") or method.__code__.co_name != name:
        return {}
    lines, start = inspect.getsourcelines(method)
    plain = textwrap.dedent("".join(lines)).splitlines()
    function = ast.parse("\n".join(plain)).body[0]
    hidden = _find_docstring(function)
    numbered = enumerate(plain, 1)
    return {start + n - 1: line for n, line in numbered if line.strip() and n not in hidden}


def _find_docstring(function: ast.stmt) -> range:
    """Return the numbers of the lines of a function's docstring."""
    if isinstance(function, ast.FunctionDef) and ast.get_docstring(function, clean=False):
        first = function.body[0]
        return range(first.lineno, (first.end_lineno or first.lineno) + 1)
    return range(0)
