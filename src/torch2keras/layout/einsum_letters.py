"""The letters of an einsum: which stored dimensions of operands and results are the same."""

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
    """Return for each operand and result a string of one letter a stored dimension.

    It is None where the node is pinned. Raises LoweringError where two operands hold the same axes
    in differently cut dimensions.
    """
    terms = space.terms[node]
    if terms is None:
        return None
    known: dict[frozenset[AxisLabel], str] = {}
    words = []
    operands = zip(term_values(node), terms.labels, chosen.storages, strict=True)
    for value, labels, storage in operands:
        solid = set(space.solid(value))
        word = ""
        for group in storage:
            run = frozenset(labels[axis] for axis in group if axis in solid)
            if run:
                word += known.setdefault(run, string.ascii_letters[len(known)])
            else:
                word += UNIT
        words.append(word)
    if sum(map(len, known)) != len(frozenset().union(*known)):
        raise LoweringError(
            f"the dimensions that {node.op} contracts are cut differently in its operands",
            [("next", "this is a bug of torch2keras; please report it")],
        )
    return tuple(words)
