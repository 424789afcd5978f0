"""Zeros on one side of a Conv1D become the layer's own "causal" padding.

Two idioms of temporal convolutional networks equal it at every length: `F.pad(x, (d * (k - 1), 0))`
before the layer, and `padding=d * (k - 1)` on both sides with as many elements cut off behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch2keras.keras_graph.graph import GETITEM, Call

WHOLE = slice(None)


def fuse_padding(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[Call, ...]:
    """Return the calls with the last one of each idiom exchanged for a causal Conv1D.

    The others of the idiom stay among them, read by nothing more unless they were read elsewhere.
    """
    makers: dict[int, Call] = {}
    readers: Counter[int] = Counter(outputs)
    holders: Counter[object] = Counter()
    for call in calls:
        makers.update(dict.fromkeys(call.outputs, call))
        readers.update(call.reads())
        holders.update(weight.key for weight in call.weights.values())
    changed = []
    for call in calls:
        conv = call
        if _is_cut(call) and readers[call.args[0].index] == 1:
            conv = makers.get(call.args[0].index, call)
        fused = None
        if conv.target == "layers.Conv1D" and not _is_shared(conv, holders):
            fused = fuse_causal(conv, makers, cut=None if conv is call else call)
        changed.append(fused or call)
    return tuple(changed)


def _is_cut(call: Call) -> bool:
    """Whether a call takes a part of a value by one index a dimension."""
    return call.target == GETITEM and isinstance(call.args[1], tuple)


def _is_shared(conv: Call, holders: Mapping[object, int]) -> bool:
    """Whether a weight of the layer is that of another call too, which may be padded otherwise."""
    return any(holders[weight.key] > 1 for weight in conv.weights.values())


def fuse_causal(conv: Call, makers: Mapping[int, Call], cut: Call | None) -> Call | None:
    """Return a Conv1D over padded zeros, and what its result is cut to, as one causal layer.

    `makers` holds the call that makes each value. Returns None where the idiom is another.
    """
    pad = makers.get(conv.args[0].index)
    reach = _reach(conv)
    if not reach or pad is None or pad.target != "layers.ZeroPadding1D":
        return None
    config = {**conv.config, "padding": "causal"}
    if cut is None:
        fits = pad.config["padding"] == (reach, 0)
        return replace(conv, args=pad.args, config=config) if fits else None
    if pad.config["padding"] != (reach, reach) or conv.config["strides"] != (1,):
        return None
    if not _cuts_length(cut, reach):
        return None
    return replace(conv, args=pad.args, config=config, outputs=cut.outputs)


def _reach(conv: Call) -> int:
    """Return how many elements before its own an output reads; 0 where the layer itself pads.

    A user's converter may have written the sizes as numbers, where ours writes tuples: 0 again.
    """
    sizes = [conv.config.get(key) for key in ("kernel_size", "strides", "dilation_rate")]
    written_by_us = all(isinstance(size, tuple) for size in sizes)
    if not written_by_us or conv.config.get("padding") != "valid":
        return 0
    return int(conv.config["dilation_rate"][0] * (conv.config["kernel_size"][0] - 1))


def _cuts_length(cut: Call, behind: int) -> bool:
    """Whether an index takes off the last elements of dimension 1, this many, and nothing else."""
    index = list(cut.args[1])
    length = index[1:2]
    others = [*index[:1], *index[2:]]
    return length == [slice(None, -behind)] and all(part == WHOLE for part in others)
