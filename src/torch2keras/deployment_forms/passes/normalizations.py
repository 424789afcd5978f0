"""KerasGraph to KerasGraph: a convolution and the normalization that alone reads it as one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

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
