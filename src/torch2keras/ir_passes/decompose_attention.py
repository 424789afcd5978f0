"""Attention for which Keras has no op as its parts: each is an op with axes of its own, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import sympy
import torch
from torch.utils._sympy.functions import ToFloat

from torch2keras.graph.ir import Constant, Graph, Node, Size, TensorType, Value, broadcast_shape

aten = torch.ops.aten


INF = float("inf")


def decompose_attention(graph: Graph) -> Graph:
    """The graph in which attention is whole only where `keras.ops.dot_product_attention` says the same."""
    return replace(graph, nodes=tuple(part for node in graph.nodes for part in _parts(node)))


def has_keras_op(node: Node) -> bool:
    """Whether Keras has an op for it: four dimensions, one batch, values as wide as keys, a constant mask at most.

    One head of keys or of values may serve several of queries, not the other way round.

    A mask that hides all keys from a query gives zeros in PyTorch, and a mean of the values in Keras.
    """
    query, key, value, mask = (node.args[name] for name in ("query", "key", "value", "attn_mask"))
    shapes = [x.type.shape for x in (query, key, value)]
    alike = (
        all(len(shape) == 4 and shape[0] == shapes[0][0] for shape in shapes)
        and shapes[2][-1] == shapes[0][-1]
    )
    heads = alike and node.outputs[0].type.shape[1] == shapes[0][1]
    return heads and (mask is None or (isinstance(mask, Constant) and not _hides_all(mask)))


def _hides_all(mask: Constant) -> bool:
    """Whether a constant mask leaves some query nothing to attend to."""
    values = mask.data
    hidden = ~values if values.dtype is torch.bool else values == -INF
    return bool(hidden.all(-1).any())


def _parts(node: Node) -> Iterator[Node]:
    if (
        node.op is not aten.scaled_dot_product_attention.default
        or has_keras_op(node)
        or node.args["dropout_p"] > 0
    ):
        yield node  # active dropout is refused by name
        return
    parts = _Parts(node)
    parts.attention()
    yield from parts.nodes


@dataclass
class _Parts:
    """The nodes that stand for one call."""

    whole: Node
    nodes: list[Node] = field(default_factory=list)

    def add(
        self,
        op: torch._ops.OpOverload,
        *args: Any,
        shape: tuple[Size, ...],
        dtype: torch.dtype | None = None,
    ) -> Value:
        """One op more; its type is that of the queries unless given."""
        value = Value(
            f"{self.whole.outputs[0].name}_{len(self.nodes)}",
            TensorType(shape, dtype or self.whole.outputs[0].type.dtype),
        )
        self.nodes.append(_call(op, args, value, self.whole))
        return value

    def attention(self) -> None:
        """softmax(scale * query keyT + mask) value; a query that may attend to nothing gives zeros."""
        given, (out,) = self.whole.args, self.whole.outputs
        query, key, value = (given[name] for name in ("query", "key", "value"))
        if given["enable_gqa"]:
            key, value = (self.repeated(x, query.type.shape[-3]) for x in (key, value))
        scale = _default_scale(query.type.shape[-1]) if given["scale"] is None else given["scale"]
        query = self.add(aten.mul.Tensor, query, scale, shape=query.type.shape)
        *batch, length, width = key.type.shape
        key = self.add(aten.transpose.int, key, -2, -1, shape=(*batch, width, length))
        shape = (*broadcast_shape([query.type.shape[:-2], batch]), query.type.shape[-2], length)
        scores = self.add(aten.matmul.default, query, key, shape=shape)
        weights = self.softmax(scores, self.mask(scores))
        self.nodes.append(_call(aten.matmul.default, (weights, value), out, self.whole))

    def repeated(self, x: Value, heads: Size) -> Value:
        """Keys or values that several queries share, once for each."""
        *batch, own, length, width = x.type.shape
        shape = (*batch, heads, length, width)
        return (
            x
            if own == heads
            else self.add(aten.repeat_interleave.self_int, x, heads // own, -3, shape=shape)
        )

    def mask(self, scores: Value) -> Value | None:
        """What the call is given, or that of a causal one."""
        if not self.whole.args["is_causal"]:
            mask: Value | None = self.whole.args["attn_mask"]
            return mask
        shape = scores.type.shape
        ones = self.add(aten.ones_like.default, scores, torch.bool, shape=shape, dtype=torch.bool)
        return self.add(aten.tril.default, ones, shape=shape, dtype=torch.bool)

    def softmax(self, scores: Value, mask: Value | None) -> Value:
        """Over the keys that the mask leaves."""
        shape = scores.type.shape
        if mask is None or (
            isinstance(mask, Constant) and mask.type.dtype != torch.bool and not _hides_all(mask)
        ):
            scores = (
                scores if mask is None else self.add(aten.add.Tensor, scores, mask, shape=shape)
            )
            return self.add(aten.softmax.int, scores, -1, shape=shape)
        if mask.type.dtype == torch.bool:
            low = torch.finfo(scores.type.dtype).min
            scores = self.add(aten.where.ScalarOther, mask, scores, low, shape=shape)
            weights = self.add(aten.softmax.int, scores, -1, shape=shape)
            return self.add(aten.where.ScalarOther, mask, weights, 0.0, shape=shape)
        hidden = self.add(aten.eq.Scalar, mask, -INF, shape=mask.type.shape, dtype=torch.bool)
        kept = (*mask.type.shape[:-1], 1)
        dead = self.add(aten.all.dim, hidden, -1, True, shape=kept, dtype=torch.bool)  # noqa: FBT003 - ATen's keepdim
        mask = self.add(aten.where.ScalarSelf, dead, 0.0, mask, shape=mask.type.shape)
        scores = self.add(aten.add.Tensor, scores, mask, shape=shape)
        weights = self.add(aten.softmax.int, scores, -1, shape=shape)
        return self.add(aten.where.ScalarSelf, dead, 0.0, weights, shape=shape)


def _default_scale(width: Size) -> Any:
    """One by the root of the number of features; in floats, whose type Keras would take from an integer otherwise."""
    return width**-0.5 if isinstance(width, int) else sympy.Pow(ToFloat(width), -0.5)


def _call(op: torch._ops.OpOverload, args: tuple[Any, ...], out: Value, whole_node: Node) -> Node:
    """A call with every argument of the schema bound."""
    schema = op._schema.arguments
    defaults = {a.name: a.default_value if a.has_default_value() else None for a in schema}
    given = {a.name: value for a, value in zip(schema, args, strict=False)}
    return Node(op, defaults | given, (out,), whole_node.origin)
