"""KerasGraph to KerasGraph: attention whose mask is computed as one call, and one product for it.

`ir_passes/decompose_attention.py` has written it as products of all heads around a softmax, whose
scores a mask chooses. XNNPACK has no choice (SELECT_V2), but sums and products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

from torch2keras.deployment_forms.passes.uses import Uses
from torch2keras.keras_graph.graph import Call, Ref, map_refs

SCORES = "abcd,aecd->acbe"
"""Of queries (n, t, h, d) and keys (n, s, h, d), with letters in the order of their appearance."""

VALUES = "abcd,adbe->acbe"
"""Of weights (n, h, t, s) and values (n, s, h, e)."""

MASKED_ATTENTION = "forms.masked_attention"

JOINED_DENSE = "forms.joined_dense"

ATTENTION = (MASKED_ATTENTION, "ops.dot_product_attention")

RESHAPES = ("layers.Reshape", "ops.reshape")

LOW = -1e30
"""A score of at most this is that of what is masked."""


def join_attention(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[Call, ...]:
    """Return the calls with masked attention as one call, MASKED_ATTENTION.

    Its arguments are queries, keys and values (n, l, heads, size) and a mask of booleans that
    broadcasts to the scores (n, heads, t, s).
    """
    uses = Uses(calls, outputs)
    return tuple(_join_masked(call, uses) or call for call in calls)


def _join_masked(call: Call, uses: Uses) -> Call | None:
    """Return attention for the product of weights and values that ends it, None for others."""
    if not _is_einsum(call, VALUES):
        return None
    kept = uses.maker(call, 1, alone=True)
    if kept is not None and kept.target == "layers.Dropout":
        kept = uses.maker(kept, alone=True)
    if kept is None or not _chooses(kept, 0.0):
        return None
    softmax = uses.maker(kept, 1, alone=True)
    if softmax is None or not _is_softmax(softmax):
        return None
    masked = uses.maker(softmax, alone=True)
    if masked is None or not _chooses(masked, LOW):
        return None
    mask = kept.args[0]
    if not isinstance(mask, Ref) or masked.args[0] != mask:
        return None
    scores = uses.maker(masked, 1, alone=True)
    if scores is None or not _is_einsum(scores, SCORES):
        return None
    args = (*scores.args[1:], call.args[2], mask)
    return replace(call, target=MASKED_ATTENTION, args=args, kwargs={})


def _is_einsum(call: Call, equation: str) -> bool:
    if call.target != "ops.einsum" or len(call.args) != 3:
        return False
    letters = dict.fromkeys(filter(str.isalpha, call.args[0]))
    named = str.maketrans(dict(zip(letters, "abcdefghij", strict=False)))
    return str(call.args[0]).translate(named) == equation


def _chooses(call: Call, otherwise: float) -> bool:
    """Whether a call takes an element where the mask holds, and a number of at most this else."""
    if call.target != "ops.where" or not isinstance(call.args[2], float):
        return False
    number = call.args[2]
    return number == 0.0 if otherwise == 0.0 else number <= otherwise


def _is_softmax(call: Call) -> bool:
    if call.target != "layers.Softmax" or len(call.args) != 1 or call.dtype != "float32":
        return False
    return call.config.get("axis", -1) in (-1, 3)


class LayerPath(NamedTuple):
    """The layer that makes queries, keys or values, and the calls from it to the attention."""

    layer: Call
    path: tuple[Call, ...]
    """From the layer on: reshapes and factors."""

    @property
    def factor(self) -> float:
        """By what the layer's results are multiplied."""
        factors = [float(call.args[1]) for call in self.path if call.target == "ops.multiply"]
        return prod(factors)

    def skip_factors(self) -> dict[int, int]:
        """Return what is read in the place of each value of the path that is but a multiple."""
        moved: dict[int, int] = {}
        for call in self.path:
            if call.target == "ops.multiply":
                source = call.args[0].index
                moved[call.outputs[0]] = moved.get(source, source)
        return moved


def join_products(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[Call, ...]:
    """Return the calls with one JOINED_DENSE for queries, keys and values of one sequence.

    Each of the three layers has as many units, no activation, and nothing else reads it. A factor
    of the queries becomes one of the weights.
    """
    uses = Uses(calls, outputs)
    joined: dict[int, Call | None] = {}
    moved: dict[int, int] = {}
    for call in calls:
        if call.target not in ATTENTION:
            continue
        operands = [_find_layer(call, number, uses) for number in range(3)]
        found = [operand for operand in operands if operand is not None]
        if len(found) == 3 and _are_alike([operand.layer for operand in found]):
            joined |= _join_layers(found)
            for operand in found:
                moved |= operand.skip_factors()
    made = []
    for call in calls:
        kept = joined.get(call.outputs[0], call)
        if kept is not None:
            made.append(_move_reads(kept, moved))
    return tuple(made)


def _move_reads(call: Call, moved: Mapping[int, int]) -> Call:
    """Return a call that reads other values in the place of some."""

    def move(item: Any) -> Any:
        if isinstance(item, Ref):
            return Ref(moved.get(item.index, item.index))
        return item

    return replace(call, args=map_refs(call.args, move))


def _find_layer(attention: Call, number: int, uses: Uses) -> LayerPath | None:
    """Return where an operand of attention comes from, None if it is not from a layer alone."""
    path: list[Call] = []
    call = uses.maker(attention, number, alone=True)
    while call is not None and call.target != "layers.Dense":
        is_factor = call.target == "ops.multiply" and isinstance(call.args[1], float)
        if call.target not in RESHAPES and not is_factor:
            return None
        path.append(call)
        call = uses.maker(call, alone=True)
    return None if call is None else LayerPath(call, tuple(reversed(path)))


def _are_alike(layers: Sequence[Call]) -> bool:
    """Whether three layers read the same and give as much, in floats and without an activation."""
    first = layers[0]
    if len({layer.outputs for layer in layers}) < len(layers) or first.dtype != "float32":
        return False
    for layer in layers:
        if layer.args != first.args or layer.kwargs or layer.dtype != first.dtype:
            return False
        if layer.config.get("activation") not in (None, "linear"):
            return False
        if layer.config["units"] != first.config["units"]:
            return False
    return True


def _join_layers(operands: Sequence[LayerPath]) -> dict[int, Call | None]:
    """Return what takes the place of each layer: one call that of the first, nothing the others'.

    Layers are told by the value that they make.
    """
    layers = [operand.layer for operand in operands]
    weights = {}
    for number, layer in enumerate(layers):
        for attribute, weight in layer.weights.items():
            weights[f"{number}.{attribute}"] = weight
    made = tuple(layer.outputs[0] for layer in layers)
    whole = replace(
        layers[0],
        target=JOINED_DENSE,
        kwargs={
            "factors": tuple(operand.factor for operand in operands),
            "modules": tuple(layer.origin.path for layer in layers),
        },
        outputs=made,
        weights=weights,
    )
    return {**dict.fromkeys(made), min(made): whole}
