"""Layer names: the module's path, cleaned of what Keras or TensorFlow refuse, and numbered where it repeats.

`/` is refused by Keras, `.` by its PyTorch backend; quotes, spaces, colons, unicode fail when called on TensorFlow; a
leading `_` fails the SavedModel export.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from torch2keras.keras_graph.graph import Call

UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def sanitize(name: str) -> str:
    """A name that Keras, TensorFlow and SavedModel accept."""
    clean = UNSAFE.sub("_", name)
    return clean if clean and re.match(r"[A-Za-z0-9]", clean) else f"x{clean}"


def name_calls(calls: Sequence[Call], taken: Collection[str]) -> tuple[Call, ...]:
    """Give each layer a name. Calls with one configuration and the same weights share a name: a shared layer."""
    names: dict[Any, str] = {}
    used = set(taken)
    busy = {call.origin.path for call in calls if call.weights}
    out = []
    for call in calls:
        if not call.is_layer:
            out.append(call)
            continue
        key = _key(call)
        if key is None or key not in names:
            name = make_unique(_base(call, busy), used)
            used.add(name)
            if key is not None:
                names[key] = name
        else:
            name = names[key]
        out.append(replace(call, name=name))
    return tuple(out)


def _key(call: Call) -> Any:
    if not call.weights:
        return None
    weights = tuple((attribute, weight.key) for attribute, weight in call.weights.items())
    return call.target, repr(sorted(call.config.items())), weights


def _base(call: Call, busy: Collection[str]) -> str:
    """The module's path for its main layer; beside a layer with weights, the others add what they are."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", call.target.removeprefix("layers.")).lower()
    kernel = call.weights.get("kernel")
    if (
        call.target == "layers.Dense"
        and kernel
        and kernel.shape[0] == 1
        and kernel.constant.type.rank != 2
        and kernel.constant.paths
    ):
        return sanitize(kernel.constant.paths[0])
    path = sanitize(call.origin.path) if call.origin.path else ""
    if not path:
        return kind
    return path if call.weights or call.origin.path not in busy else f"{path}_{kind}"


def make_unique(base: str, used: Collection[str]) -> str:
    """The name, numbered where it is taken."""
    name, number = base, 1
    while name in used:
        name, number = f"{base}_{number}", number + 1
    return name
