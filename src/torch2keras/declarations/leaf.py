"""`@leaf`: a module of the user's own as one layer, in Keras code of theirs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from torch2keras.custom_ops.leaf_modules import (
    LEAVES,
    MODULE_PARAMETER,
    Leaf,
    define_leaf_op,
    modules_by_id,
)
from torch2keras.declarations.registry import Converter, Declaration, lowering


def leaf(
    cls: type[nn.Module],
    *,
    axes: Declaration | None = None,
    torch: Declaration | None = None,
    keras: Declaration | None = None,
    outputs: int = 1,
    fake: Callable[..., Any] | None = None,
) -> Callable[[Converter], Converter]:
    """Register what modules of exactly this class become in Keras.

    The converter's parameters are forward's, by name (tensors, or None), then the module's
    parameters and buffers ("." is written "_"), then `module`, the module itself, for its numbers.
    It is ordinary Keras code as that of `lowering`, and so are the declarations, with a term for
    each tensor. `outputs` is how many tensors forward gives, in a tuple where they are several.
    `fake(module, *inputs)` gives tensors of the results' shapes and dtypes, where forward does not
    run on PyTorch's fake tensors (docs/leaf-modules.md).

    Raises TypeError where the parameters do not fit, ValueError where a pattern is malformed.
    """

    def register(convert: Converter) -> Converter:
        inputs, weights = _operands(cls, convert)
        op = define_leaf_op(cls.__name__, [*inputs, *weights], outputs)
        LEAVES[cls] = Leaf(op, inputs, weights, outputs, fake)

        @functools.wraps(convert)
        def of_module(*args: Any, **names: Any) -> Any:
            return convert(*args[:-1], modules_by_id[args[-1]], **names)

        lowering(op, axes=axes, torch=torch, keras=keras)(of_module)
        return convert

    return register


def _operands(cls: type[nn.Module], convert: Converter) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the converter's parameters that are forward's, and the others but `module`."""
    parameters = inspect.signature(convert).parameters.values()
    own = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    forward = list(inspect.signature(cls.forward).parameters)[1:]
    inputs = tuple(name for name in own if name in forward)
    if not inputs or own[: len(inputs)] != list(inputs) or own[-1] != MODULE_PARAMETER:
        wanted = f"parameters of {cls.__name__}.forward ({', '.join(forward)})"
        message = (
            f"{convert.__name__} takes {own}, but a leaf's converter takes {wanted}, "
            f"then the names of weights, then {MODULE_PARAMETER!r}"
        )
        raise TypeError(message)
    return inputs, tuple(own[len(inputs) : -1])
