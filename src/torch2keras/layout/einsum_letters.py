"""The letters of an einsum: which stored dimensions of a node's operands and results are the same."""

from __future__ import annotations

import string

from torch2keras.declarations.labels import AxisLabel
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Node
from torch2keras.layout.axes import AxisSpace, term_values
from torch2keras.layout.node_storage import NodeStorage

UNIT = "1"
"""Stands for a dimension of size one, which has no letter."""


def spell_letters(space: AxisSpace, node: Node, chosen: NodeStorage) -> tuple[str, ...] | None:
    """For each operand and result a string of one letter a stored dimension; None where the node is pinned.

    Raises LoweringError where two operands hold the same axes in differently cut dimensions.
    """
    terms = space.terms[node]
    if terms is None:
        return None
    known: dict[frozenset[AxisLabel], str] = {}
    words = []
    for value, labels, storage in zip(
        term_values(node), terms.labels, chosen.storages, strict=True
    ):
        solid = set(space.solid(value))
        runs = [frozenset(labels[axis] for axis in group if axis in solid) for group in storage]
        for run in runs:
            known.setdefault(run, UNIT if not run else string.ascii_letters[len(known)])
        words.append("".join(known[run] for run in runs))
    if sum(map(len, known)) != len(frozenset().union(*known)):
        raise LoweringError(
            f"the dimensions that {node.op} contracts are cut differently in its operands",
            [("next", "this is a bug of torch2keras; please report it")],
        )
    return tuple(words)
