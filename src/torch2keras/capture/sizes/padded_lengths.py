"""Whether a module's numbers depend on the length of the longest packed sequence.

Without `total_length`, `pad_packed_sequence` ends with the longest sequence. That is a size that
comes from values: the model pads to the length that was packed instead. Where only padding lies
between, this is the same; a mean over all steps is another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from torch2keras.capture.example_inputs import ExampleCall
from torch2keras.custom_ops.packed_sequences import FullPacking
from torch2keras.custom_ops.packing_exchange import use_packing
from torch2keras.errors import CaptureError, InputError

NOTE = (
    "pad_packed_sequence has no total_length: in PyTorch its result ends with the longest "
    "sequence, in Keras it is as long as what was packed. What lies between is padding."
)

TOLERANCE = 1e-4
"""More than float32 rounds by in another order of sums, of the largest number."""


def note_padded_lengths(call: ExampleCall) -> tuple[str, ...]:
    """Return the note that is due for a module that pads packed sequences to the longest of them.

    Raises CaptureError where what it gives depends on this length, as two shorter ones show.
    """
    packing = FullPacking()
    _run(call, packing)
    longest = max(packing.defaults, default=1)
    for limit in {longest - 1, min(longest - 1, 2)} - {0}:
        _require_same(_limit_lengths(call, packing.lengths, limit), limit)
    return (NOTE,)


def _limit_lengths(call: ExampleCall, packed: Sequence[Tensor], limit: int) -> ExampleCall:
    """Return the call with no greater numbers in the inputs that are the packed lengths."""

    def limit_leaf(leaf: Any) -> Any:
        if isinstance(leaf, Tensor) and any(_is_equal(leaf, lengths) for lengths in packed):
            return leaf.clamp(max=limit)
        return leaf

    args, kwargs = pytree.tree_map(limit_leaf, (call.example.args, call.example.kwargs))
    return replace(call, example=replace(call.example, args=args, kwargs=kwargs))


def _is_equal(leaf: Tensor, lengths: Tensor) -> bool:
    """Whether an input is a row of the same integers."""
    if leaf.dim() != 1 or leaf.is_floating_point() or leaf.shape != lengths.shape:
        return False
    return torch.equal(leaf.to(lengths.dtype), lengths)


def _require_same(call: ExampleCall, limit: int) -> None:
    """Raise CaptureError where sequences of at most `limit` steps padded in full differ.

    Where the module itself refuses such sequences there is nothing to compare.
    """
    try:
        short = _run(call, FullPacking(limit, is_full=False))
    except InputError:
        return
    if not _is_same_in_full(call, limit, short):
        raise CaptureError(
            "what the module gives depends on the length of the longest packed sequence",
            [
                ("why", "without total_length its padded form has a size that comes from values"),
                ("next", "write pad_packed_sequence(..., total_length=x.shape[1])"),
            ],
        )


def _is_same_in_full(call: ExampleCall, limit: int, short: Sequence[Tensor]) -> bool:
    """Whether the module gives the same, and padding behind it, where sequences are padded in full.

    Not so where it cannot be run on them.
    """
    try:
        full = _run(call, FullPacking(limit))
    except InputError:
        return False
    return all(map(_begins_with, full, short))


def _run(call: ExampleCall, packing: FullPacking) -> Sequence[Tensor]:
    """Return the tensors that the module gives on the example, random numbers alike each time."""
    torch.default_generator.manual_seed(0)
    with use_packing(packing):
        leaves = pytree.tree_leaves(call.run())
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def _begins_with(full: Tensor, short: Tensor) -> bool:
    """Whether a tensor has all numbers of a shorter one at its beginning."""
    if full.dim() != short.dim():
        return False
    pairs = zip(full.shape, short.shape, strict=True)
    if any(long < size for long, size in pairs):
        return False
    start = full[tuple(slice(size) for size in short.shape)]
    if not short.is_floating_point() and not short.is_complex():
        return torch.equal(start, short)
    scale = float(short.abs().nan_to_num().max()) if short.numel() else 0.0
    return torch.allclose(start, short, rtol=0.0, atol=TOLERANCE * scale, equal_nan=True)
