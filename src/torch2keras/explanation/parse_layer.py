"""A layer written as text, built without evaluating the text.

Only calls of `torch.nn` classes on literals and on such calls are taken.
"""

from __future__ import annotations

import ast
import difflib
from typing import Any

from torch import nn

from torch2keras.errors import InputError, Torch2KerasError
from torch2keras.runtime.free_memory import require_room
from torch2keras.runtime.typed_errors import describe_exception

EXAMPLE = 'for example "nn.Conv1d(3, 16, 5, stride=2, padding=2)"'


WRITE_ONE = f"write one layer, {EXAMPLE}"


LONGEST_QUOTE = 200
"""Characters of the user's text that a message repeats."""


def parse_layer(text: str) -> nn.Module:
    """Return the `torch.nn` module that the text describes.

    Raises InputError for anything but a call of a class of torch.nn on literals or such calls.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = getattr(error, "msg", None) or str(error) or "it is nested too deeply"
        raise InputError(
            f"cannot read {text[:LONGEST_QUOTE]!r}: {why}", [("next", WRITE_ONE)]
        ) from error
    module = _build(tree.body, text)
    if not isinstance(module, nn.Module):
        raise InputError(f"{text!r} is no layer", [("next", WRITE_ONE)])
    return module


def _build(node: ast.expr, text: str) -> Any:
    """Return the literal or the layer that an expression is. Raises InputError for others."""
    if isinstance(node, ast.Call):
        return _build_layer(node, text)
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        step = f"use numbers, strings, tuples and layers of torch.nn only, {EXAMPLE}"
        raise InputError(
            f"{ast.unparse(node)!r} is neither a literal nor a layer",
            [("text", text), ("next", step)],
        ) from error


def _build_layer(call: ast.Call, text: str) -> nn.Module:
    layer_class = _find_class(call.func, text)
    args = [_build(argument, text) for argument in call.args]
    kwargs = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise InputError(
                f"{ast.unparse(call)!r} unpacks a dict",
                [("next", f"name each argument, {EXAMPLE}")],
            )
        kwargs[keyword.arg] = _build(keyword.value, text)
    layer = ast.unparse(call)
    try:
        require_room(lambda: layer_class(*args, **kwargs), layer)
        return layer_class(*args, **kwargs)
    except Torch2KerasError:
        raise
    except Exception as error:  # as each layer has it: assertions, divisions by zero, and others
        why = describe_exception(error)
        raise InputError(
            f"PyTorch refuses {layer}: {why}", [("next", "correct the arguments")]
        ) from error


def _find_class(function: ast.expr, text: str) -> type[nn.Module]:
    """Return the class of torch.nn that is called. Raises InputError where it is none."""
    path = ast.unparse(function)
    prefix, _, name = path.rpartition(".")
    if prefix in ("", "nn", "torch.nn") and _is_layer_class(getattr(nn, name, None)):
        found: type[nn.Module] = getattr(nn, name)
        return found
    names = [name for name, value in vars(nn).items() if _is_layer_class(value)]
    close = difflib.get_close_matches(name, names, n=1)
    step = f"write one layer of torch.nn, {EXAMPLE}"
    if close:
        step = f"did you mean nn.{close[0]}?"
    raise InputError(f"{path} is no layer of torch.nn", [("text", text), ("next", step)])


def _is_layer_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, nn.Module)
