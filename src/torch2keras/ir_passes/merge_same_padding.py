"""A convolution behind zeros whose number depends on a dynamic length, where that is "same".

Nets that were ported from TensorFlow compute its "same" padding in forward, in many ways. Whether
the numbers of zeros are those of "same" is found by counting both for many lengths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy
import torch

from torch2keras.custom_ops.same_convolution import find_same_total, same_convolution
from torch2keras.graph.ir import Graph, Node, Size, Value

aten = torch.ops.aten

CONVOLUTIONS = (aten.conv1d.default, aten.conv2d.default, aten.conv3d.default)

LENGTHS = (*range(1, 80), 1000, 1001, 1002, 1003, 4095, 4096, 4097)
"""What each dynamic size is taken to be; the zeros repeat with the strides up to there."""

Widths = tuple[Size, Size]
"""The zeros on the left and on the right."""


def merge_same_padding(graph: Graph) -> Graph:
    """Return the graph in which such a padding and its convolution are one node."""
    made: dict[Value, Node] = {}
    for node in graph.nodes:
        made.update(dict.fromkeys(node.outputs, node))
    return replace(graph, nodes=tuple(_merge(node, made) for node in graph.nodes))


def _merge(node: Node, made: Mapping[Value, Node]) -> Node:
    """Return the node, or a convolution with "same" padding in its place."""
    padding = made.get(node.args["input"]) if node.op in CONVOLUTIONS else None
    if padding is None or not _pads_by_size(padding):
        return node
    rank = node.args["weight"].type.rank - 2
    stride = _repeat(node.args["stride"], rank)
    dilation = _repeat(node.args["dilation"], rank)
    if any(node.args["padding"]) or _has_no_layer(stride, dilation):
        return node
    x: Value = padding.args["self"]
    lengths = x.type.shape[-rank:]
    kernel = node.args["weight"].type.shape[2:]
    widths = _split_widths(padding.args["pad"], rank)
    if widths is None or not all(isinstance(size, int) for size in kernel):
        return node
    for pair, *sizes in zip(widths, lengths, kernel, stride, dilation, strict=True):
        if not is_same_padding(pair, *sizes):
            return node
    args = {
        "x": x,
        "weight": node.args["weight"],
        "bias": node.args["bias"],
        "stride": stride,
        "dilation": dilation,
        "groups": node.args["groups"],
    }
    return Node(same_convolution, args, node.outputs, node.origin)


def _pads_by_size(padding: Node) -> bool:
    """Whether a node puts zeros beside a tensor, as many as a dynamic size says."""
    if padding.op is not aten.pad.default:
        return False
    is_zero = padding.args["mode"] == "constant" and not padding.args["value"]
    return is_zero and not all(isinstance(width, int) for width in padding.args["pad"])


def _has_no_layer(stride: Sequence[int], dilation: Sequence[int]) -> bool:
    """Whether Keras has no convolution of this stride: with dilation, or uneven."""
    return max(stride) > 1 and (max(dilation) > 1 or len(set(stride)) > 1)


def _repeat(value: Any, rank: int) -> tuple[int, ...]:
    """Return one number for each spatial dimension."""
    return tuple(value) * (rank if len(value) == 1 else 1)


def _split_widths(pad: Sequence[Size], rank: int) -> list[Widths] | None:
    """Return the widths of each spatial dimension; None where others are padded too."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    if len(pairs) > rank:
        return None
    missing: list[Widths] = [(0, 0)] * (rank - len(pairs))
    return missing + pairs[::-1]


def is_same_padding(widths: Widths, length: Size, kernel: int, stride: int, dilation: int) -> bool:
    """Whether these are TensorFlow's "same" zeros at every length."""
    expressions = list(map(sympy.sympify, (length, *widths)))
    symbols: set[sympy.Symbol] = sympy.Tuple(*expressions).free_symbols
    if len(symbols) > 1:
        return False
    for number in LENGTHS if symbols else (1,):
        known = dict.fromkeys(symbols, number)
        size, left, right = (int(expression.xreplace(known)) for expression in expressions)
        if size < 1:
            continue
        total = find_same_total(size, kernel, stride, dilation)
        if (left, right) != (total // 2, total - total // 2):
            return False
    return True
