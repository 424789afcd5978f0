"""An embedding and the products by its table hold one weight."""

from __future__ import annotations

from dataclasses import replace

import torch

from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import LayerCall, Tensor, recorder
from torch2keras.ops.nn.embedding import Operand


def by_tied_table(x: Operand, kernel: Weight) -> Tensor | None:
    """`x @ kernel`, where an `Embedding` before it holds the kernel transposed, by that one layer; else None."""
    work = recorder()
    tables = [
        number
        for number, made in enumerate(work.calls)
        if is_transposed(made.weights.get("embeddings"), kernel)
    ]
    if not tables:
        return None
    first = work.calls[tables[0]]
    for number in tables:
        work.calls[number] = replace(work.calls[number], target="layers.ReversibleEmbedding")
    reverse = LayerCall("ReversibleEmbedding", first.config)
    return work.layer(reverse, (x,), {"reverse": True}, first.weights)  # type: ignore[no-any-return]


def is_transposed(table: Weight | None, kernel: Weight) -> bool:
    """Whether two weights are one parameter, in the shapes (v, d) and (d, v)."""
    if (
        table is None
        or table.constant.tensor is not kernel.constant.tensor
        or table.shape != kernel.shape[::-1]
    ):
        return False
    return torch.equal(table.numbers().t(), kernel.numbers())
