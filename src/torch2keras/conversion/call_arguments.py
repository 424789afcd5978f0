"""The arguments of a call in the order in which the example had them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch2keras.conversion.record import Conversion


def order_arguments(
    conversion: Conversion, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return a call whose flat tensors are in the order of the model's inputs.

    Keywords may come in any order, and stand for what the example gave by position. A call that
    does not fit forward's signature stays as it is.
    """
    given = dict(kwargs)
    if not given:
        return args, given
    try:
        signature = inspect.signature(conversion.module.forward)
        example = _list_by_name(signature, conversion.args, conversion.kwargs)
        asked = _list_by_name(signature, args, given)
    except (TypeError, ValueError):
        return args, given
    by_position = [name for name in example if name not in conversion.kwargs]
    names = dict.fromkeys([*by_position, *conversion.kwargs, *asked])
    return (), {name: asked[name] for name in names if name in asked}


def _list_by_name(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments by parameter, those of `**kwargs` by their own names."""
    named: dict[str, Any] = {}
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        is_variadic = signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
        named.update(value if is_variadic else {name: value})
    return named
