"""Layer names: the module's path, cleaned of what Keras or TensorFlow refuse, numbered if repeated.

`/` is refused by Keras, `.` by its PyTorch backend; quotes, spaces, colons and unicode fail when
the layer is called on TensorFlow; a leading `_` fails the SavedModel export.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from torch2keras.keras_graph.graph import Call

UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def sanitize(name: str) -> str:
    """Return a name that Keras, TensorFlow and SavedModel accept: the same for the same name."""
    clean = UNSAFE.sub("_", name)
    return clean if re.match(r"[A-Za-z0-9]", clean) else f"x{clean}"


def name_calls(calls: Sequence[Call], taken: Collection[str]) -> tuple[Call, ...]:
    """Return the calls with a name for each layer, none of them in `taken`.

    Calls with one configuration and the same weights share a name: they are calls of one layer.
    """
    names: dict[Any, str] = {}
    used = set(taken)
    main_paths = {call.origin.path for call in calls if call.weights}
    numbered = _find_numbered_blocks(calls)
    named = []
    for call in calls:
        if not call.is_layer:
            named.append(call)
            continue
        identity = _identity(call)
        name = names.get(identity) or make_unique(_base(call, main_paths | numbered), used)
        used.add(name)
        if call.weights:
            names[identity] = name
        named.append(replace(call, name=name))
    return tuple(named)


def _identity(call: Call) -> Any:
    """Return what two calls of one layer have in common."""
    weights = tuple((attribute, weight.key) for attribute, weight in call.weights.items())
    return call.target, repr(sorted(call.config.items())), weights


def _find_numbered_blocks(calls: Sequence[Call]) -> set[str]:
    """Return the paths of modules that hold others, and that a Sequential numbers.

    What such a block calls itself is not named by the number alone: `6` is the name of the layer
    behind six blocks, which one block more, in the code of the model, would take.
    """
    blocks = set()
    for call in calls:
        steps = call.origin.path.split(".")
        for end, step in enumerate(steps[:-1], 1):
            if step.isdigit():
                blocks.add(".".join(steps[:end]))
    return blocks


def _base(call: Call, main_paths: Collection[str]) -> str:
    """Return the module's path, with what the layer is where the module has a main one beside it.

    `main_paths` are the paths of the modules that are more than this layer.
    """
    parameter = _bare_parameter(call)
    if parameter:
        return sanitize(parameter)
    kind = write_as_snake(call.layer.cls)
    if not call.origin.path:
        return kind
    path = sanitize(call.origin.path)
    return path if call.weights or call.origin.path not in main_paths else f"{path}_{kind}"


def write_as_snake(name: str) -> str:
    """Return the name of a class as Keras writes it in lower case: `re_lu` for `ReLU`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _bare_parameter(call: Call) -> str:
    """Return the path of the parameter for whose sake alone a Dense layer is there, or ""."""
    kernel = call.weights.get("kernel")
    if call.target != "layers.Dense" or kernel is None or kernel.shape[0] != 1:
        return ""
    constant = kernel.constant
    is_linear = constant.type.rank == 2 and 1 in constant.type.shape
    return "" if is_linear or not constant.paths else constant.paths[0]


def make_unique(base: str, used: Collection[str]) -> str:
    """Return the name, numbered where it is taken."""
    name, number = base, 1
    while name in used:
        name, number = f"{base}_{number}", number + 1
    return name
