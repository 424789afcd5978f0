"""The first value that diverges."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from torch2keras.conversion.record import Conversion
from torch2keras.errors import VerificationError
from torch2keras.graph.interpreter import run_nodes
from torch2keras.graph.ir import Node, Value
from torch2keras.keras_model.layers import Layers
from torch2keras.runtime.arrays import to_numpy
from torch2keras.verification.float64_keras import values64, widen_input
from torch2keras.verification.metric import MEANING_RTOL, Difference, meaning
from torch2keras.verification.results import Check
from torch2keras.verification.value_errors import find_port
from torch2keras.workarounds.float64_promotion import double_precision

NEXT = "please report it with this message; convert(..., verify=False) gives the model as it is"


def divergence_error(
    conversion: Conversion, double: Layers, check: Check, tensors: Sequence[torch.Tensor]
) -> VerificationError:
    """The error for a failed check: where the two computations part."""
    rows = [
        ("output", check.output),
        ("probe", f"{check.probe}, inputs {', '.join(str(list(s)) for s in check.shapes)}"),
        ("tier", f"{check.difference.tier}: {check.difference.reason}"),
    ]
    try:
        first = first_divergence(conversion, double, tensors)
    except NotImplementedError as error:
        # PyTorch has max_pool1d of integers only inside of a module.
        first = None
        rows.append(("place", f"not found, since PyTorch cannot run the graph op by op: {error}"))
    if first:
        node, value, difference = first
        rows += [
            ("op", str(node.op)),
            *node.origin.rows(),
            ("value", f"{value}: {difference.reason}"),
        ]
    rows.append(("next", NEXT))
    return VerificationError("the converted model does not give PyTorch's numbers", rows)


def first_divergence(
    conversion: Conversion, double: Layers, tensors: Sequence[torch.Tensor]
) -> tuple[Node, Value, Difference] | None:
    """The first value of the graph whose float64 result differs from PyTorch's.

    One that differs only as rounding does, measured by the operands that cancel in it, is named
    only where no other is.
    """
    rounding: tuple[Node, Value, Difference] | None = None
    sizes: dict[Value, float] = {}
    with double_precision():
        ours = values64(conversion, double, tensors)
        for node, value, theirs in run_nodes(conversion.graph, [widen_input(t) for t in tensors]):
            sizes[value] = _largest(theirs)
            place = find_port(conversion, value)
            if place is None:
                continue
            stored = conversion.lowered.values[value]
            difference = meaning(
                place.to_torch(to_numpy(ours[stored.tensor.index])), theirs.numpy()
            )
            if difference.ok:
                continue
            if difference.max_abs > MEANING_RTOL * max(
                (sizes.get(v, 0.0) for v in node.operands), default=0.0
            ):
                return node, value, difference
            rounding = rounding or (node, value, difference)
    return rounding


def _largest(tensor: torch.Tensor) -> float:
    """The largest finite absolute value; 0 of integers and bools, which have no rounding."""
    return (
        float(torch.nan_to_num(tensor, 0.0, 0.0, 0.0).abs().max())
        if tensor.is_floating_point() and tensor.numel()
        else 0.0
    )
