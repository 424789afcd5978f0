"""KerasGraph to KerasGraph: blocks of channels become blocks of pixels by DEPTH_TO_SPACE.

PyTorch numbers the channels before it as (c, a, b), TensorFlow as (a, b, c): the convolution that
makes them gives them in the other order. A single channel has the same number in both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch2keras.deployment_forms.passes.uses import Uses
from torch2keras.keras_graph.graph import Call

DEPTH_TO_SPACE = "forms.depth_to_space"

ORDERS = {5: (0, 1, 3, 2, 4), 6: (0, 1, 4, 2, 5, 3)}
"""From (n, h, w, a, b) or (n, h, w, c, a, b) to (n, h, a, w, b) or (n, h, a, w, b, c)."""

POINTWISE = ("layers.ReLU", "layers.LeakyReLU", "layers.Dropout")


def shuffle_pixels(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[Call, ...]:
    """Return the calls with DEPTH_TO_SPACE for the transposes of blocks of pixels.

    Its arguments are the channels' tensor and the size of a block; it gives what the transpose did.
    """
    uses = Uses(calls, outputs)
    names = Counter(call.name for call in calls)
    changed: dict[tuple[int, ...], Call] = {}
    for call in calls:
        if call.target == "ops.transpose":
            changed |= _shuffle(call, uses, names)
    return tuple(changed.get(call.outputs, call) for call in calls)


def _shuffle(call: Call, uses: Uses, names: Mapping[str, int]) -> Mapping[tuple[int, ...], Call]:
    """Return what takes the place of a transpose, and of the convolution before it."""
    split = uses.maker(call, alone=True)
    if split is None or split.target != "layers.Reshape":
        return {}
    sizes = split.config["target_shape"]
    order = call.args[1]
    if tuple(order) != ORDERS.get(len(sizes) + 1) or -1 in sizes or sizes[-1] != sizes[-2]:
        return {}
    block = sizes[-1]
    moved = tuple((1, *sizes)[place] for place in order)[1:]
    made = {call.outputs: replace(call, target=DEPTH_TO_SPACE, args=(split.args[0], block, moved))}
    if len(sizes) == 4:
        return made
    conv = _find_convolution(split, uses)
    if conv is None or names[conv.name] > 1:
        return {}
    numbers = range(block**2 * sizes[2])
    places = tuple(sorted(numbers, key=lambda number: (number % block**2, number // block**2)))
    weights = {}
    for attribute, weight in conv.weights.items():
        weights[attribute] = weight.take(weight.ndim - 1, places)
    return {**made, conv.outputs: replace(conv, weights=weights)}


def _find_convolution(split: Call, uses: Uses) -> Call | None:
    """Return the convolution whose channels a reshape splits, None where they are no one's own."""
    maker = uses.maker(split, alone=True)
    while maker is not None and maker.target in POINTWISE:
        maker = uses.maker(maker, alone=True)
    if maker is None or maker.target != "layers.Conv2D" or maker.config.get("groups", 1) > 1:
        return None
    return maker
