"""PyTorch's `pack_padded_sequence` and `pad_packed_sequence` with other bodies, for a while.

User code may hold these functions by any name, so what is exchanged is their bodies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torch2keras.custom_ops.packed_sequences import (
    MaskedPacking,
    Packing,
    packing_in_use,
    pytorch_pack,
    pytorch_pad,
)

_watched: ContextVar[list[MaskedPacking] | None] = ContextVar("watched", default=None)


# Their bodies run in the scope and with the defaults of PyTorch's functions.
def _pack_body(
    input: Any,  # noqa: A002 - the function's name for it
    lengths: Any,
    batch_first: Any,
    enforce_sorted: Any,
) -> Any:
    from torch2keras.custom_ops.packed_sequences import run_pack

    return run_pack(input, lengths, batch_first=batch_first, enforce_sorted=enforce_sorted)


def _pad_body(sequence: Any, batch_first: Any, padding_value: Any, total_length: Any) -> Any:
    from torch2keras.custom_ops.packed_sequences import run_pad

    return run_pad(
        sequence,
        batch_first=batch_first,
        padding_value=padding_value,
        total_length=total_length,
    )


_BODIES: Sequence[tuple[Any, Any, Any]] = (
    (pack_padded_sequence, _pack_body.__code__, pytorch_pack.__code__),
    (pad_packed_sequence, _pad_body.__code__, pytorch_pad.__code__),
)
"""PyTorch's functions, their bodies where a packing is in use, and their own."""


@contextmanager
def watch_packing() -> Iterator[list[MaskedPacking]]:
    """Yield a list that each packing of a capture joins, within."""
    made: list[MaskedPacking] = []
    token = _watched.set(made)
    try:
        yield made
    finally:
        _watched.reset(token)


@contextmanager
def use_packing(packing: Packing) -> Iterator[None]:
    """Let PyTorch's two functions pack and pad in another way, within and in this thread."""
    token = packing_in_use.set(packing)
    watched = _watched.get()
    if watched is not None and isinstance(packing, MaskedPacking):
        watched.append(packing)
    try:
        for function, body, _ in _BODIES:
            function.__code__ = body
        yield
    finally:
        packing_in_use.reset(token)
        if packing_in_use.get() is None:
            for function, _, body in _BODIES:
                function.__code__ = body
