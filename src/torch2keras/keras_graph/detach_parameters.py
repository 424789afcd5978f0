"""Parameters are taken out of a layer that cannot hold them all: Keras freezes and shares layers.

A layer whose parameters are frozen in part, or shared in part with a layer that has other
parameters beside them, is called without its bias, or a normalization without gamma and beta, and
these are applied to its result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch

from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Constant, Graph
from torch2keras.keras_graph.graph import LayerSpec
from torch2keras.keras_graph.weight import Weight

WITHOUT: Mapping[str, Mapping[str, Any]] = {
    "gamma": {"scale": False},
    "beta": {"center": False},
    "bias": {"use_bias": False, "bias_axes": None},
}
"""A weight that can be applied to a result -> the configuration of a layer without it."""


@dataclass(frozen=True)
class Detached:
    """A layer, the weights that it keeps, and those to be applied to its result, by attribute."""

    layer: LayerSpec
    kept: Mapping[str, Weight]
    detached: Mapping[str, Weight]

    def for_result(self, attribute: str, rank: int) -> Weight:
        """Return a detached weight as it broadcasts to the layer's result of this rank."""
        weight = self.detached[attribute]
        axes = self.layer.config.get("axis", -1)
        if attribute == "bias":
            axes = range(-weight.ndim, 0)
        elif isinstance(axes, int):
            axes = (axes,)
        shape = [1] * rank
        places = sorted(axis % rank for axis in axes)
        for place, size in zip(places, weight.shape, strict=True):
            shape[place] = size
        return weight.reshape(*shape)


def is_divided(
    weights: Mapping[str, Weight], tied: Collection[int], *, is_fixed: bool = False
) -> bool:
    """Whether one layer cannot hold these weights.

    `tied` are ids of tensors to be held alone; a layer that `is_fixed` holds none that is trained.
    """
    parameters = [w for attribute, w in weights.items() if not is_statistic(attribute)]
    trainable = set(map(attrgetter("trainable"), parameters))
    if len(trainable) > 1 or (is_fixed and True in trainable):
        return True
    return len(parameters) > 1 and any(id(w.constant.tensor) in tied for w in parameters)


def is_statistic(attribute: str) -> bool:
    """Whether this attribute of a layer is a moving average, which no optimizer ever trains."""
    return attribute.startswith("moving_")


def detach_parameters(
    layer: LayerSpec, weights: Mapping[str, Weight], tied: Collection[int]
) -> Detached:
    """Take apart a layer that `is_divided`.

    Raises LoweringError where the weights that are left are divided still, as the kernels of a
    recurrent layer are.
    """
    detached, kept = {}, dict(weights)
    for attribute in WITHOUT:
        if attribute in kept:
            detached[attribute] = kept.pop(attribute)
    if not detached or is_divided(kept, tied):
        raise LoweringError(
            f"keras.layers.{layer.cls} would hold frozen and trained, or tied and own parameters"
            " at once",
            [
                ("weights", ", ".join(weights)),
                ("next", "freeze all parameters of this layer or none, and untie them"),
            ],
        )
    config = dict(layer.config)
    for attribute in detached:
        for key, absent in WITHOUT[attribute].items():
            if key in config:
                config[key] = absent
    return Detached(LayerSpec(layer.cls, config), kept, detached)


def find_tied_tensors(graph: Graph) -> frozenset[int]:
    """Return the ids of the tensors that several nodes read beside different ones.

    They are the trained ones, and the frozen tables of embeddings: a product by a table shares the
    embedding's layer, which has no bias.
    """
    tables = _find_tables(graph)
    neighbours: dict[int, tuple[int, ...]] = {}
    tied = set()
    for node in graph.nodes:
        constants = [v for v in node.operands if isinstance(v, Constant)]
        trained = [v for v in constants if v.trainable]
        for own in constants:
            if not own.trainable and id(own.tensor) not in tables:
                continue
            beside = trained if own.trainable else constants
            others = tuple(id(v.tensor) for v in beside if v.tensor is not own.tensor)
            if neighbours.setdefault(id(own.tensor), others) != others:
                tied.add(id(own.tensor))
    return frozenset(tied)


def _find_tables(graph: Graph) -> set[int]:
    """Return the ids of the tensors that are the table of an embedding."""
    tables = set()
    for node in graph.nodes:
        if node.op is torch.ops.aten.embedding.default:
            table = node.operands[0]
            if isinstance(table, Constant):
                tables.add(id(table.tensor))
    return tables
