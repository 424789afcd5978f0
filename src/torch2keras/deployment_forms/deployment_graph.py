"""A conversion lowered once more, into the forms that LiteRT runs best."""

from __future__ import annotations

from dataclasses import replace

import torch2keras.deployment_forms.all_forms  # noqa: F401 - fills both tables
from torch2keras.conversion.record import Conversion
from torch2keras.deployment_forms.passes.graph_passes import rewrite_for_deployment
from torch2keras.deployment_forms.table import deployment_lowerings
from torch2keras.errors import LoweringError
from torch2keras.lower.lower import Lowered, lower
from torch2keras.ops.blocks.convolution import keep_groups_together


def lower_for_deployment(conversion: Conversion, *, is_quantized: bool = False) -> Lowered:
    """Return the conversion's graph lowered once more, by the deployment's table.

    `is_quantized` for a file whose values or constants will have fewer bits.
    Raises LoweringError where its ports would lie otherwise than the model's.
    """
    before = conversion.lowered
    with keep_groups_together():  # LiteRT has an operator for all of them
        after = lower(
            conversion.graph,
            conversion.plan,
            before.graph.name,
            before.graph.float_dtype,
            lowerings=deployment_lowerings(),
        )
    ports = before.input_storages, before.output_storages
    if ports != (after.input_storages, after.output_storages):
        raise LoweringError(
            "the deployment's ports lie otherwise than the model's",
            [("next", "this is a bug of torch2keras; please report it")],
        )
    graph = rewrite_for_deployment(after.graph, is_quantized=is_quantized)
    return replace(after, graph=graph)
