"""Rows of a table as GATHER alone: Keras counts negative numbers from the end, PyTorch takes none.

(`aten::embedding` takes no negative number, so what Keras adds there never shows.)
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch

from torch2keras.declarations.context import Context
from torch2keras.deployment_forms.rank4 import lower_rank
from torch2keras.deployment_forms.rules import rule, weight_tensor
from torch2keras.deployment_forms.table import form, record_form
from torch2keras.keras_graph.graph import Call
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Recorded
from torch2keras.ops.nn.embedding import embedding

aten = torch.ops.aten


@form(aten.embedding.default)
def gather_rows(
    weight: Operand,
    indices: Operand,
    padding_idx: int = -1,  # noqa: ARG001 - of training, as the others
    scale_grad_by_freq: bool = False,  # noqa: ARG001
    sparse: bool = False,  # noqa: ARG001
    *,
    context: Context,
) -> Recorded:
    """GATHER; a row of padding is like others where nothing is trained."""
    if weight.is_constant or indices.is_constant:
        return embedding(weight, indices)
    return record_form("rows", context, weight, indices)


@rule("forms.rows")
def run_rows(_call: Call, table: Any, indices: Any) -> Any:
    """The rows of a table that is computed."""
    return tf.gather(lower_rank(table), lower_rank(indices))


@rule("layers.Embedding", "layers.ReversibleEmbedding")
def run_embedding(call: Call, indices: Any, **kwargs: Any) -> Any:
    """The rows of a table of weights, not its product."""
    if kwargs:
        return NotImplemented
    return tf.gather(weight_tensor(call, "embeddings"), indices)
