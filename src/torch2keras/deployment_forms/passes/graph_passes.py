"""KerasGraph to KerasGraph: calls that LiteRT has as one, and numbers that it can quantise.

The results are no models of stock Keras: its layers refuse a stride beside a dilation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from torch2keras.deployment_forms.passes.attention_passes import join_attention, join_products
from torch2keras.deployment_forms.passes.gradient_guards import drop_root_guards
from torch2keras.deployment_forms.passes.normalizations import join_normalizations, move_affine
from torch2keras.deployment_forms.passes.pixel_shuffles import shuffle_pixels
from torch2keras.deployment_forms.passes.uses import Uses
from torch2keras.keras_graph.compact import compact_calls, keep_needed
from torch2keras.keras_graph.graph import GETITEM, Call, KerasGraph

CONVOLUTIONS = ("layers.Conv1D", "layers.Conv2D")

POOLS = ("layers.MaxPooling1D", "layers.MaxPooling2D")

NOT_NEGATIVE = ("relu", "relu6", "sigmoid", "softmax", "softplus", "hard_sigmoid", "square", "abs")
"""Functions whose results are never below zero, as ops and as activations."""

NOT_NEGATIVE_LAYERS = ("layers.ReLU", "layers.Softplus", "layers.Softmax")


def rewrite_for_deployment(graph: KerasGraph, *, is_quantized: bool = False) -> KerasGraph:
    """Return the graph by all passes, without the calls that nothing reads any more.

    In a file whose values or constants have few bits a mask goes on choosing: what it adds to the
    scores is too large a number for those.
    """
    calls = graph.calls
    for rewrite in PASSES:
        if is_quantized and rewrite is join_attention:
            continue
        calls = tuple(keep_needed(rewrite(calls, graph.outputs), graph.outputs))
    compact = compact_calls(calls, len(graph.inputs), graph.outputs)
    return replace(graph, calls=compact.calls, outputs=compact.outputs)


def merge_strides(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[Call, ...]:
    """Return the calls with a dilated convolution that has the stride of what is taken of it."""
    uses = Uses(calls, outputs)
    return tuple(merge_stride(call, uses.maker(call, alone=True)) or call for call in calls)


def merge_stride(call: Call, conv: Call | None) -> Call | None:
    """Return the convolution with the stride of an index behind it, None for other calls."""
    if call.target != GETITEM or not isinstance(call.args[1], tuple):
        return None
    if conv is None or conv.target not in CONVOLUTIONS:
        return None
    config = conv.config
    steps = find_strides(call.args[1], len(config["kernel_size"]))
    if steps is None or config["padding"] != "valid" or set(config["strides"]) != {1}:
        return None
    return replace(conv, config={**config, "strides": steps}, outputs=call.outputs)


def find_strides(index: tuple[object, ...], rank: int) -> tuple[int, ...] | None:
    """Return the steps of an index that takes every so-manieth element of spatial dimensions.

    None where it does something else.
    """
    steps = []
    for part in index:
        if not isinstance(part, slice) or (part.start, part.stop) != (None, None):
            return None
        steps.append(part.step or 1)
    steps += [1] * (rank + 2 - len(steps))
    if (steps[0], steps[-1]) != (1, 1) or min(steps) < 1:
        return None
    return tuple(steps[1:-1])


def bound_padding(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[Call, ...]:
    """Return the calls with zeros for minus infinity around what a pooling of maxima reads.

    That is so where no element is below zero, and each window has one. With infinity in it a value
    has no scale by which it could be quantised.
    """
    uses = Uses(calls, outputs)
    bounded = {}
    for call in calls:
        pad = uses.maker(call, alone=True)
        if call.target not in POOLS or pad is None or not fits_windows(pad, call):
            continue
        source = uses.maker(pad)
        if source is not None and is_not_negative(source):
            kwargs = {**pad.kwargs, "constant_values": 0.0}
            bounded[pad.outputs] = replace(pad, kwargs=kwargs)
    return tuple(bounded.get(call.outputs, call) for call in calls)


def fits_windows(pad: Call, pool: Call) -> bool:
    """Whether a call pads with minus infinity, by less than the windows of a pooling behind it."""
    if pad.target != "ops.pad" or pad.kwargs.get("constant_values") != -math.inf:
        return False
    sizes = pool.config["pool_size"]
    if isinstance(sizes, int):
        sizes = (sizes,)
    spatial = pad.args[1][1:-1]
    return all(max(width) < size for width, size in zip(spatial, sizes, strict=True))


def is_not_negative(call: Call) -> bool:
    """Whether no element that a call gives is below zero."""
    if call.target in NOT_NEGATIVE_LAYERS:
        return not call.config.get("negative_slope")
    if call.target == "layers.Activation":
        return call.config["activation"] in NOT_NEGATIVE
    return call.target.removeprefix("ops.") in NOT_NEGATIVE


PASSES: tuple[Callable[[Sequence[Call], Sequence[int]], tuple[Call, ...]], ...] = (
    drop_root_guards,
    merge_strides,
    join_normalizations,
    bound_padding,
    shuffle_pixels,
    join_attention,
    join_products,
    move_affine,
)
"""From the calls and the outputs to the calls, in this order."""
