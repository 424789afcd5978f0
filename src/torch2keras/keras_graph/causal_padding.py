"""Zeros on the left of a Conv1D, and what is cut off behind one padded on both sides, as the layer's "causal" padding.

Both idioms of temporal convolutional networks equal it at every length: `F.pad(x, (d * (k - 1), 0))` before the
layer, and `padding=d * (k - 1)` with as many elements removed from the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch2keras.keras_graph.graph import Call, Ref, map_refs


@dataclass(frozen=True)
class Fused:
    """The calls that are left, the outputs, and the new number of each value that is left."""

    calls: tuple[Call, ...]
    outputs: tuple[int, ...]
    place: Mapping[int, int]


def fuse_padding(calls: Sequence[Call], inputs: int, outputs: Sequence[int]) -> Fused:
    """Exchange the idioms; calls that nothing reads any more are dropped. `inputs` is how many values come first."""
    made = {index: call for call in calls for index in call.outputs}
    reads = Counter(index for call in calls for index in call.reads()) + Counter(outputs)
    shared = Counter(weight.key for call in calls for weight in call.weights.values())
    changed = []
    for call in calls:
        conv = call
        if (
            call.target == "getitem"
            and isinstance(call.args[1], tuple)
            and reads[call.args[0].index] == 1
        ):
            conv = made.get(call.args[0].index, call)
        alone = all(shared[weight.key] == 1 for weight in conv.weights.values())
        fused = (
            causal(conv, made, cut=None if conv is call else call)
            if conv.target == "layers.Conv1D" and alone
            else None
        )
        changed.append(fused or call)
    return compact(changed, inputs, outputs)


def causal(conv: Call, made: Mapping[int, Call], cut: Call | None) -> Call | None:
    """A Conv1D over padded zeros, and what its result is cut to, as one causal layer; None for another thing."""
    pad = made.get(conv.args[0].index)
    if not all(
        isinstance(conv.config.get(key), tuple)
        for key in ("kernel_size", "strides", "dilation_rate")
    ):
        return None  # written otherwise by a user's converter
    reach = conv.config["dilation_rate"][0] * (conv.config["kernel_size"][0] - 1)
    if (
        not reach
        or conv.config.get("padding") != "valid"
        or pad is None
        or pad.target != "layers.ZeroPadding1D"
    ):
        return None
    if cut is not None and (
        conv.config["strides"] != (1,) or list(cut.args[1])[1:2] != [slice(None, -reach)]
    ):
        return None
    others = [part for d, part in enumerate(cut.args[1]) if d != 1] if cut is not None else []
    if pad.config["padding"] != ((reach, reach) if cut is not None else (reach, 0)) or any(
        p != slice(None) for p in others
    ):
        return None
    config = {**conv.config, "padding": "causal"}
    return replace(
        conv, args=pad.args, config=config, outputs=cut.outputs if cut is not None else conv.outputs
    )


def compact(calls: Sequence[Call], inputs: int, outputs: Sequence[int]) -> Fused:
    """Without the calls that nothing reads, the values numbered anew in the order in which they are made."""
    alive, kept = set(outputs), []
    for call in reversed(calls):
        if alive.intersection(call.outputs):
            kept.append(call)
            alive.update(call.reads())
    place = {index: index for index in range(inputs)}
    for call in reversed(kept):
        place.update({index: len(place) + k for k, index in enumerate(call.outputs)})

    def move(item: Any) -> Any:
        return Ref(place[item.index]) if isinstance(item, Ref) else item

    moved = tuple(
        replace(
            call,
            args=map_refs(call.args, move),
            kwargs={name: map_refs(value, move) for name, value in call.kwargs.items()},
            outputs=tuple(place[index] for index in call.outputs),
        )
        for call in reversed(kept)
    )
    return Fused(moved, tuple(place[index] for index in outputs), place)
