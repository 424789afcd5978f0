"""A layer written as text, built without evaluating the text: only calls of `torch.nn` classes on literals."""

from __future__ import annotations

import ast
import difflib
from typing import Any

from torch import nn

from torch2keras.errors import InputError

EXAMPLE = 'for example "nn.Conv1d(3, 16, 5, stride=2, padding=2)"'


def parse_layer(text: str) -> nn.Module:
    """The `torch.nn` module that the text describes.

    Raises InputError for anything but a call of a class of torch.nn whose arguments are literals or such calls.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = getattr(error, "msg", None) or str(error) or "it is nested too deeply"
        raise InputError(
            f"cannot read {text[:200]!r}: {why}", [("next", f"write one layer, {EXAMPLE}")]
        ) from error
    module = _value(tree.body, text)
    if not isinstance(module, nn.Module):
        raise InputError(f"{text!r} is no layer", [("next", f"write one layer, {EXAMPLE}")])
    return module


def _value(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Call):
        cls = _layer_class(node.func, text)
        args = [_value(a, text) for a in node.args]
        if any(k.arg is None for k in node.keywords):
            raise InputError(
                f"{ast.unparse(node)!r} unpacks a dict",
                [("next", f"name each argument, {EXAMPLE}")],
            )
        kwargs = {str(k.arg): _value(k.value, text) for k in node.keywords}
        try:
            return cls(*args, **kwargs)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"PyTorch refuses {ast.unparse(node)}: {error}", [("next", "correct the arguments")]
            ) from error
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise InputError(
            f"{ast.unparse(node)!r} is neither a literal nor a layer",
            [
                ("text", text),
                ("next", f"use numbers, strings, tuples and layers of torch.nn only, {EXAMPLE}"),
            ],
        ) from error


def _layer_class(function: ast.expr, text: str) -> type[nn.Module]:
    path = ast.unparse(function)
    prefix, _, name = path.rpartition(".")
    found = getattr(nn, name, None) if prefix in ("", "nn", "torch.nn") else None
    if isinstance(found, type) and issubclass(found, nn.Module):
        return found
    names = [n for n, v in vars(nn).items() if isinstance(v, type) and issubclass(v, nn.Module)]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean nn.{close[0]}?" if close else f"write one layer of torch.nn, {EXAMPLE}"
    raise InputError(f"{path} is no layer of torch.nn", [("text", text), ("next", hint)])
