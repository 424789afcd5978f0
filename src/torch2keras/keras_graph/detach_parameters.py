"""Taking parameters out of a layer that cannot hold them all: Keras freezes and shares whole layers only.

A layer whose parameters are frozen in part, or shared in part with a layer that has other parameters beside them, is
called without its bias, or a normalization without gamma and beta, and these are applied to its result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Constant, Graph, Node
from torch2keras.keras_graph.graph import LayerSpec
from torch2keras.keras_graph.weight import Weight

WITHOUT: Mapping[str, Mapping[str, Any]] = {
    "gamma": {"scale": False},
    "beta": {"center": False},
    "bias": {"use_bias": False, "bias_axes": None},
}
"""Weight that can be applied to a layer's result -> the configuration of a layer that does not hold it."""


@dataclass(frozen=True)
class Detached:
    """A layer, the weights that it keeps, and those that are applied to its result, by the names of its attributes."""

    layer: LayerSpec
    kept: Mapping[str, Weight]
    detached: Mapping[str, Weight]

    def for_result(self, attribute: str, rank: int) -> Weight:
        """Return a detached weight in the shape in which it broadcasts to the layer's result of this rank."""
        weight = self.detached[attribute]
        axes = self.layer.config.get("axis", -1)
        if attribute == "bias":
            axes = range(-weight.ndim, 0)
        elif isinstance(axes, int):
            axes = (axes,)
        shape = [1] * rank
        for dim, size in zip(sorted(axis % rank for axis in axes), weight.shape, strict=True):
            shape[dim] = size
        return weight.reshape(*shape)


def is_divided(weights: Mapping[str, Weight], tied: Collection[int]) -> bool:
    """Whether one layer cannot hold these weights, given the ids of the tensors that must be held alone."""
    trained = [w for attribute, w in weights.items() if not is_statistic(attribute)]
    if len(trained) < 2:
        return False
    if any(id(w.constant.tensor) in tied for w in trained):
        return True
    return len({w.trainable for w in trained}) > 1


def is_statistic(attribute: str) -> bool:
    """Whether this attribute of a layer is a moving average, which no optimizer ever trains."""
    return attribute.startswith("moving_")


def detach_parameters(
    layer: LayerSpec, weights: Mapping[str, Weight], tied: Collection[int]
) -> Detached:
    """Take apart a layer that `is_divided`.

    Raises LoweringError where the weights that are left are divided still, as the kernels of a recurrent layer are.
    """
    detached = {attribute: weights[attribute] for attribute in WITHOUT if attribute in weights}
    kept = {attribute: w for attribute, w in weights.items() if attribute not in detached}
    if not detached or is_divided(kept, tied):
        raise LoweringError(
            f"keras.layers.{layer.cls} would hold frozen and trained, or tied and own parameters at once",
            [
                ("weights", ", ".join(weights)),
                ("next", "freeze all parameters of this layer or none, and untie them"),
            ],
        )
    config = dict(layer.config)
    for attribute in detached:
        absent = WITHOUT[attribute]
        config.update({key: absent[key] for key in absent if key in config})
    return Detached(LayerSpec(layer.cls, config), kept, detached)


def find_tied_tensors(graph: Graph) -> frozenset[int]:
    """Return the ids of the tensors that several nodes read beside different ones, so that each must be held alone.

    They are the trained ones, and the tables of embeddings: a product by a frozen table shares the embedding's layer,
    which has no bias.
    """
    tables = {id(table.tensor) for node in graph.nodes for table in _tables(node)}
    beside: dict[int, set[tuple[int, ...]]] = {}
    for node in graph.nodes:
        constants = [v for v in node.operands if isinstance(v, Constant)]
        trained = [id(v.tensor) for v in constants if v.trainable]
        for tensor in trained:
            beside.setdefault(tensor, set()).add(_without(trained, tensor))
        for tensor in tables.intersection(id(v.tensor) for v in constants).difference(trained):
            everything = [id(v.tensor) for v in constants]
            beside.setdefault(tensor, set()).add(_without(everything, tensor))
    return frozenset(tensor for tensor, others in beside.items() if len(others) > 1)


def _tables(node: Node) -> list[Constant]:
    """Return the constant table of an embedding."""
    table = node.operands[0] if node.op is torch.ops.aten.embedding.default else None
    return [table] if isinstance(table, Constant) else []


def _without(tensors: list[int], own: int) -> tuple[int, ...]:
    return tuple(tensor for tensor in tensors if tensor != own)
