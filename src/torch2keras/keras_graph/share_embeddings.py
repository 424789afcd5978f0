"""An embedding and the products by its table become calls of one layer, which holds it once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from torch2keras.keras_graph.graph import Call
from torch2keras.keras_graph.weight import Weight


def share_embeddings(calls: Sequence[Call]) -> tuple[Call, ...]:
    """Return the calls with each product by an Embedding's table as a call of it in reverse.

    A product is a Dense layer without bias whose kernel (d, v) is the table (v, d) transposed. It
    and all calls of the Embedding become calls of one `ReversibleEmbedding`. There are as many
    calls as before, in the same order.
    """
    tables: list[Call] = []
    shared: set[object] = set()
    exchanged: list[Call] = []
    for call in calls:
        if call.target == "layers.Embedding":
            tables.append(call)
        table = _find_table(call, tables)
        if table is None:
            exchanged.append(call)
        else:
            shared.add(table.weights["embeddings"].key)
            exchanged.append(_reverse(table, call))
    return tuple(
        replace(call, target="layers.ReversibleEmbedding") if _reads_any(call, shared) else call
        for call in exchanged
    )


def _find_table(call: Call, tables: Iterable[Call]) -> Call | None:
    """Return the first Embedding by whose table this call is a product."""
    if call.target != "layers.Dense" or set(call.weights) != {"kernel"}:
        return None
    for table in tables:
        same_dtype = table.dtype == call.dtype
        if same_dtype and is_transposed(table.weights["embeddings"], call.weights["kernel"]):
            return table
    return None


def is_transposed(table: Weight, kernel: Weight) -> bool:
    """Whether two weights are one parameter, in the shapes (v, d) and (d, v)."""
    if table.constant.tensor is not kernel.constant.tensor or table.shape != kernel.shape[::-1]:
        return False
    return table.transpose(1, 0).arrangement == kernel.arrangement


def _reverse(table: Call, product: Call) -> Call:
    """Return the product as a call of the table's layer."""
    return replace(
        product,
        target="layers.ReversibleEmbedding",
        kwargs={"reverse": True},
        config=table.config,
        weights=table.weights,
    )


def _reads_any(call: Call, tables: set[object]) -> bool:
    """Whether the call is an Embedding that holds one of these tables, given by their keys."""
    return call.target == "layers.Embedding" and call.weights["embeddings"].key in tables
