"""The text that constructs a layer of torch.nn again, where its attributes say what it was."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import torch
from torch import nn

from torch2keras.errors import InputError
from torch2keras.explanation.parse_layer import parse_layer
from torch2keras.keras_graph.source.expressions import constant_text

SWITCHES = ("bias", "add_bias_kv")
"""Options of constructors that tell whether there is a parameter."""

UNSAID = ("self", "mode", "device", "dtype")
"""Parameters of constructors that are left out: the class or the layer's tensors say them."""


def construct(layer: nn.Module) -> str:
    """Return `nn.Conv1d(3, 16, 5)`, which makes a layer of the same kind; "" where none is known.

    The text is held to the layer: what it makes has the same repr and parameters of the same names
    and shapes.
    """
    try:
        text = _construct(layer)
        again = parse_layer(text)
    except (AttributeError, InputError, RuntimeError, SyntaxError, TypeError, ValueError):
        return ""
    return text if _outline(again) == _outline(layer) else ""


def rewrite_layer(text: str) -> str:
    """Return the text of a layer that parses, with `nn.` before each class and double quotes."""
    return _write_node(ast.parse(text.strip(), mode="eval").body)


def _outline(layer: nn.Module) -> Any:
    shapes = {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()}
    return repr(layer), shapes


def _construct(layer: nn.Module) -> str:
    """Return the text of a layer by its attributes.

    Raises AttributeError where one is missing, and TypeError where it is no literal.
    """
    cls = type(layer)
    if getattr(nn, cls.__name__, None) is not cls:
        raise AttributeError(cls.__name__)
    if cls is nn.Sequential:
        return f"nn.Sequential({', '.join(map(_construct, layer.children()))})"
    arguments = []
    for name, parameter in _find_options(cls).items():
        value = _read_option(layer, name)
        if isinstance(value, torch.Tensor | nn.Module):
            raise TypeError(f"{name} is no literal")
        if parameter.default is parameter.empty:
            arguments.append(constant_text(value))
        elif value != parameter.default:
            arguments.append(f"{name}={constant_text(value)}")
    return f"nn.{cls.__name__}({', '.join(arguments)})"


def _find_options(cls: type[nn.Module]) -> dict[str, inspect.Parameter]:
    """Return the named parameters of a constructor: its own, or those of the base it passes all to.

    So nn.LSTM does.
    """
    options = {}
    for base in cls.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is None:
            continue
        for name, parameter in inspect.signature(constructor).parameters.items():
            is_named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            if is_named and name not in UNSAID and not name.startswith("_"):
                options[name] = parameter
        if options or base is nn.Module:
            return options
    return options


def _read_option(layer: nn.Module, name: str) -> Any:
    """Return an option of a layer's constructor: a tuple of equal numbers as one number."""
    value = getattr(layer, name)
    if name in SWITCHES and not isinstance(value, bool):
        return value is not None
    if isinstance(value, tuple) and value and len(set(value)) == 1 and name != "normalized_shape":
        return value[0]
    return value


def _write_node(node: ast.expr) -> str:
    """Return a literal, or a call of a class on such."""
    if not isinstance(node, ast.Call):
        return constant_text(ast.literal_eval(node))
    name = ast.unparse(node.func).rpartition(".")[2]
    arguments = list(map(_write_node, node.args))
    arguments += [f"{keyword.arg}={_write_node(keyword.value)}" for keyword in node.keywords]
    return f"nn.{name}({', '.join(arguments)})"
