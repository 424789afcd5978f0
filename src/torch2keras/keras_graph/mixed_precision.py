"""A graph whose layers compute in a narrow type and keep their weights in float32.

That is what Keras's policies "mixed_bfloat16" and "mixed_float16" say; each layer is given it by
name, so that no setting of the process is needed to load the model. Outputs come back in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch2keras.keras_graph.graph import Call, KerasGraph, Ref

POLICIES: Mapping[str, str] = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
"""The type that layers compute in, by Keras's name of the policy."""

WIDE = "float32"
"""The type of weights, and of the model's inputs and outputs."""


def mix_precision(graph: KerasGraph, policy: str, floats: Sequence[bool]) -> KerasGraph:
    """Return a graph whose float32 layers have a policy.

    `floats` tells of each output whether it is float32; these are cast back.
    """
    calls: list[Call] = []
    for call in graph.calls:
        is_wide = call.is_layer and call.dtype == WIDE
        calls.append(replace(call, dtype=policy) if is_wide else call)
    following = len(graph.inputs)
    for call in calls:
        following = max(following, *(index + 1 for index in call.outputs))
    outputs: list[int] = []
    for index, is_float in zip(graph.outputs, floats, strict=True):
        if not is_float or index < len(graph.inputs):
            outputs.append(index)
            continue
        calls.append(Call("ops.cast", (Ref(index), WIDE), {}, (following,)))
        outputs.append(following)
        following += 1
    return replace(graph, calls=tuple(calls), outputs=tuple(outputs), policy=policy)
