"""Attention for which Keras has no op as its parts, each with axes of its own in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import sympy
import torch
from torch.utils._sympy.functions import ToFloat

from torch2keras.custom_ops.training_noise import dropped_attention
from torch2keras.graph.ir import Constant, Graph, Node, Size, TensorType, Value, broadcast_shape

aten = torch.ops.aten


INF = float("inf")


def decompose_attention(graph: Graph) -> Graph:
    """Return the graph in which attention is whole only where Keras has an op for it."""
    return replace(graph, nodes=tuple(chain.from_iterable(map(_parts, graph.nodes))))


def has_keras_op(node: Node) -> bool:
    """Return whether `keras.ops.dot_product_attention` computes the same as a node.

    It takes four dimensions, one batch, values as wide as keys, and a constant mask at most. One
    head of keys or of values may serve several of queries, not the other way round. A mask that
    hides all keys from a query gives zeros in PyTorch, and a mean of the values in Keras.
    """
    query, *others = (node.args[name].type.shape for name in ("query", "key", "value"))
    if any(len(shape) != 4 or shape[0] != query[0] for shape in (query, *others)):
        return False
    value_width, heads = others[1][-1], node.outputs[0].type.shape[1]
    if value_width != query[-1] or heads != query[1]:
        return False
    mask = node.args["attn_mask"]
    return mask is None or (isinstance(mask, Constant) and not _hides_all(mask))


def _hides_all(mask: Constant) -> bool:
    """Whether a constant mask leaves some query nothing to attend to."""
    values = mask.data
    hidden = ~values if values.dtype is torch.bool else values == -INF
    return bool(hidden.all(-1).any())


def _parts(node: Node) -> Iterator[Node]:
    if not _is_decomposed(node):
        yield node
        return
    parts = _Parts(node)
    parts.add_attention()
    yield from parts.nodes


def _is_decomposed(node: Node) -> bool:
    """Return whether a node is attention without an op of Keras; the op drops nothing."""
    if node.op is dropped_attention:
        return True
    if node.op is not aten.scaled_dot_product_attention.default:
        return False
    is_active = node.args["dropout_p"] > 0  # which is refused by name
    return not is_active and not has_keras_op(node)


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
        """Add one op, whose type is that of the queries unless given, and return its value."""
        (out,) = self.whole.outputs
        name = f"{out.name}_{len(self.nodes)}"
        value = Value(name, TensorType(shape, dtype or out.type.dtype))
        self.nodes.append(_call(op, args, value, self.whole))
        return value

    def add_attention(self) -> None:
        """Add softmax(scale * query keyT + mask) value, its weights dropped where that is asked.

        A query that may attend to nothing gives zeros.
        """
        given, (out,) = self.whole.args, self.whole.outputs
        query, key, value = (given[name] for name in ("query", "key", "value"))
        if given["enable_gqa"]:
            heads = query.type.shape[-3]
            key, value = self.repeat_heads(key, heads), self.repeat_heads(value, heads)
        scale = given["scale"]
        if scale is None:
            scale = _default_scale(query.type.shape[-1])
        query = self.add(aten.mul.Tensor, query, scale, shape=query.type.shape)
        *batch, length, width = key.type.shape
        key = self.add(aten.transpose.int, key, -2, -1, shape=(*batch, width, length))
        shape = (*broadcast_shape([query.type.shape[:-2], batch]), query.type.shape[-2], length)
        scores = self.add(aten.matmul.default, query, key, shape=shape)
        weights = self.softmax(scores, self.mask(scores))
        if self.whole.op is dropped_attention:
            rate, is_active = given["dropout_p"], False
            weights = self.add(aten.dropout.default, weights, rate, is_active, shape=shape)
        self.nodes.append(_call(aten.matmul.default, (weights, value), out, self.whole))

    def repeat_heads(self, x: Value, heads: Size) -> Value:
        """Repeat keys or values that several heads of queries share, once for each."""
        *batch, own, length, width = x.type.shape
        if own == heads:
            return x
        shape = (*batch, heads, length, width)
        return self.add(aten.repeat_interleave.self_int, x, heads // own, -3, shape=shape)

    def mask(self, scores: Value) -> Value | None:
        """Return the mask that the call is given, or that of a causal one."""
        if not self.whole.args["is_causal"]:
            mask: Value | None = self.whole.args["attn_mask"]
            return mask
        shape = scores.type.shape
        ones = self.add(aten.ones_like.default, scores, torch.bool, shape=shape, dtype=torch.bool)
        return self.add(aten.tril.default, ones, shape=shape, dtype=torch.bool)

    def softmax(self, scores: Value, mask: Value | None) -> Value:
        """Add the softmax of the scores over the keys that the mask leaves."""
        shape = scores.type.shape
        if mask is None:
            return self.add(aten.softmax.int, scores, -1, shape=shape)
        is_boolean = mask.type.dtype == torch.bool
        if isinstance(mask, Constant) and not is_boolean and not _hides_all(mask):
            scores = self.add(aten.add.Tensor, scores, mask, shape=shape)
            return self.add(aten.softmax.int, scores, -1, shape=shape)
        if is_boolean:
            low = torch.finfo(scores.type.dtype).min
            scores = self.add(aten.where.ScalarOther, mask, scores, low, shape=shape)
            weights = self.add(aten.softmax.int, scores, -1, shape=shape)
            return self.add(aten.where.ScalarOther, mask, weights, 0.0, shape=shape)
        hidden = self.add(aten.eq.Scalar, mask, -INF, shape=mask.type.shape, dtype=torch.bool)
        kept = (*mask.type.shape[:-1], 1)
        keepdim = True
        dead = self.add(aten.all.dim, hidden, -1, keepdim, shape=kept, dtype=torch.bool)
        mask = self.add(aten.where.ScalarSelf, dead, 0.0, mask, shape=mask.type.shape)
        scores = self.add(aten.add.Tensor, scores, mask, shape=shape)
        weights = self.add(aten.softmax.int, scores, -1, shape=shape)
        return self.add(aten.where.ScalarSelf, dead, 0.0, weights, shape=shape)


def _default_scale(width: Size) -> Any:
    """Return one by the root of the number of features.

    A symbolic number is cast to a float first: Keras would take the type from an integer.
    """
    if isinstance(width, int):
        return width**-0.5
    return sympy.Pow(ToFloat(width), -0.5)


def _call(op: torch._ops.OpOverload, args: tuple[Any, ...], out: Value, whole_node: Node) -> Node:
    """Return a node with every argument of the schema bound."""
    schema = op._schema.arguments
    defaults = {a.name: a.default_value if a.has_default_value() else None for a in schema}
    given = {a.name: value for a, value in zip(schema, args, strict=False)}
    return Node(op, defaults | given, (out,), whole_node.origin)
