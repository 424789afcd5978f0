"""KerasGraph to KerasGraph: normalizations give their weights to the layers beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch2keras.deployment_forms.passes.attention_passes import JOINED_DENSE
from torch2keras.deployment_forms.passes.uses import Uses
from torch2keras.keras_graph.graph import Call

NORMALIZED: Mapping[str, str] = {
    "layers.Conv1D": "forms.Conv1D",
    "layers.Conv2D": "forms.Conv2D",
    "layers.DepthwiseConv1D": "forms.DepthwiseConv1D",
    "layers.DepthwiseConv2D": "forms.DepthwiseConv2D",
}
"""The targets of convolutions with a normalization, by those without."""


def join_normalizations(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[Call, ...]:
    """Return the calls with one call for a convolution and a normalization of its channels.

    It has the weights of both, the normalization's as "normalization.gamma".
    """
    uses = Uses(calls, outputs)
    return tuple(_join(call, uses.maker(call, alone=True)) or call for call in calls)


def _join(norm: Call, conv: Call | None) -> Call | None:
    """Return one call for both, None for calls of another kind."""
    if norm.target != "layers.BatchNormalization" or norm.kwargs or conv is None:
        return None
    if conv.target not in NORMALIZED or conv.config.get("activation") is not None:
        return None
    rank = 2 + len(conv.weights["kernel"].shape[:-2])
    is_last = norm.config.get("axis", -1) in (-1, rank - 1)
    if not is_last or {conv.dtype, norm.dtype} != {"float32"}:
        return None
    weights = dict(conv.weights)
    for attribute, weight in norm.weights.items():
        weights[f"normalization.{attribute}"] = weight
    return replace(
        conv,
        target=NORMALIZED[conv.target],
        kwargs={
            "epsilon": norm.config["epsilon"],
            "modules": (conv.origin.path, norm.origin.path),
        },
        outputs=norm.outputs,
        weights=weights,
    )


def move_affine(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[Call, ...]:
    """Return the calls with the factor and summand of a normalization as weights of what reads it.

    That is a dense layer, or several as one, which alone reads a normalization of the last axis.
    """
    uses = Uses(calls, outputs)
    changed: dict[tuple[int, ...], Call] = {}
    for call in calls:
        norm = uses.maker(call, alone=True)
        if norm is None or not _takes_affine(call) or not _has_affine(norm):
            continue
        weights = dict(call.weights)
        for attribute, weight in norm.weights.items():
            weights[f"normalization.{attribute}"] = weight
        changed[call.outputs] = replace(call, weights=weights)
        config = {**norm.config, "center": False, "scale": False}
        changed[norm.outputs] = replace(norm, config=config, weights={})
    return tuple(changed.get(call.outputs, call) for call in calls)


def _takes_affine(call: Call) -> bool:
    is_dense = call.target == JOINED_DENSE or (call.target == "layers.Dense" and not call.kwargs)
    return is_dense and call.dtype == "float32"


def _has_affine(norm: Call) -> bool:
    if norm.target != "layers.LayerNormalization" or not norm.weights:
        return False
    is_last = norm.config.get("axis", -1) in (-1, [-1], (-1,))
    return is_last and not norm.kwargs and norm.dtype == "float32"
