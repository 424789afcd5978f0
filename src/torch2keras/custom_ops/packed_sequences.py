"""Packed sequences as padded ones with a mask.

A packed sequence has as many rows as there are steps in all sequences, a size that neither
torch.export nor Keras can follow. During capture PyTorch's two functions give and take a padded
tensor with a mask instead (`packing_exchange.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, NoReturn, Protocol, Self

import torch
from torch import Tensor
from torch.nn.functional import pad as pad_tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

PACKED_ADVICE = (
    "give a packed sequence to nn.LSTM, nn.GRU and nn.RNN alone; for anything else take the padded "
    "tensor of pad_packed_sequence(packed, total_length=x.shape[1]), and pack its result again"
)


class PackedError(RuntimeError):
    """A packed sequence is used in a way that its padded form has no like of."""


class PaddedSequence(PackedSequence):
    """What stands for a packed sequence during capture; its fields are refused."""

    padded: Tensor
    """The sequences (N, T, ...), padded with anything."""
    lengths: Tensor
    """The number of steps of each sequence (N), int64."""
    mask: Tensor
    """Which steps there are (N, T)."""

    def __new__(cls, padded: Tensor, lengths: Tensor, mask: Tensor) -> Self:
        """Return a tuple of nothing that holds these tensors."""
        made: Self = tuple.__new__(cls, (None,) * 4)
        made.padded, made.lengths, made.mask = padded, lengths, mask
        return made

    def __init__(self, *tensors: Tensor) -> None:
        """Do nothing: it is made whole."""

    def with_padded(self, padded: Tensor) -> PaddedSequence:
        """Return other numbers of the same sequences."""
        return PaddedSequence(padded, self.lengths, self.mask)

    def _refuse(self, *_: Any) -> NoReturn:
        raise PackedError(PACKED_ADVICE)

    data = batch_sizes = sorted_indices = unsorted_indices = property(_refuse)
    __iter__ = __getitem__ = _refuse


class Packing(Protocol):
    """What PyTorch's two functions do."""

    def pack(
        self, padded: Tensor, lengths: Any, *, batch_first: bool, enforce_sorted: bool
    ) -> PackedSequence:
        """Return the packed sequence of `pack_padded_sequence`."""
        ...

    def pad(
        self,
        sequence: PackedSequence,
        *,
        batch_first: bool,
        padding_value: float,
        total_length: Any,
    ) -> tuple[Tensor, Tensor]:
        """Return the padded tensor and the lengths of `pad_packed_sequence`."""
        ...


def _copy_function(function: Any) -> Any:
    """Return a function of the same body, which keeps it when that of the given one is changed."""
    code, scope, name = function.__code__, function.__globals__, function.__name__
    return FunctionType(code, scope, name, function.__defaults__)


pytorch_pack = _copy_function(pack_padded_sequence)
"""PyTorch's `pack_padded_sequence`, whatever packing is in use."""

pytorch_pad = _copy_function(pad_packed_sequence)
"""PyTorch's `pad_packed_sequence`, whatever packing is in use."""


class ReadLengths(Sequence[int]):
    """The numbers of a tensor of lengths, which `pack_padded_sequence` takes as the tensor.

    torch.export does not know the numbers, and says so where they are used in another way.
    """

    def __init__(self, lengths: Tensor, read: Callable[[Tensor], Any]) -> None:
        """Hold the tensor, and what reads its numbers."""
        self.lengths, self.read = lengths, read

    def __len__(self) -> int:
        """Return how many there are, as torch.export knows it."""
        return len(self.read(self.lengths))

    def __getitem__(self, place: Any) -> Any:
        """Return a number, or several."""
        return self.read(self.lengths)[place]

    def __getattr__(self, name: str) -> Any:
        """Return what the list or array of the numbers has by this name."""
        return getattr(self.read(self.lengths), name)


class MaskedPacking:
    """The packing of a capture, by masks."""

    def __init__(self) -> None:
        """Begin with nothing padded."""
        self.pads_to_longest = False
        """Whether something was padded without a `total_length`."""

    def pack(
        self,
        padded: Tensor,
        lengths: Any,
        *,
        batch_first: bool,
        enforce_sorted: bool,  # noqa: ARG002 - a mask needs no order
    ) -> PackedSequence:
        """Return the padded tensor with the mask of these lengths."""
        x = padded if batch_first else padded.transpose(0, 1)
        counts = _as_tensor(lengths).to(dtype=torch.int64)
        torch._check(  # noqa: SLF001 - the public name of it
            counts.shape[0] == x.shape[0], lambda: "there is one length for each sequence"
        )
        mask = torch.arange(x.shape[1]) < counts.unsqueeze(1)
        return PaddedSequence(x, counts, mask)

    def pad(
        self,
        sequence: PackedSequence,
        *,
        batch_first: bool,
        padding_value: float,
        total_length: Any,
    ) -> tuple[Tensor, Tensor]:
        """Return the sequences filled up with `padding_value`, and their lengths.

        Without `total_length` they keep the length that was packed.
        """
        if not isinstance(sequence, PaddedSequence):
            padded, counts = pytorch_pad(sequence, batch_first, padding_value, total_length)
            return padded, counts
        self.pads_to_longest |= total_length is None
        x = sequence.padded
        further = 0 if total_length is None else total_length - x.shape[1]
        inner = (1,) * (x.dim() - 2)
        y = x.masked_fill(~sequence.mask.reshape(*sequence.mask.shape, *inner), padding_value)
        if further != 0:
            y = pad_tensor(y, (*(0, 0) * len(inner), 0, further), value=padding_value)
        if not batch_first:  # contiguous as PyTorch's, so that `view` takes it
            y = y.transpose(0, 1).clone(memory_format=torch.contiguous_format)
        return y, sequence.lengths


def _as_tensor(lengths: Any) -> Tensor:
    """Return lengths in any form that PyTorch takes as one tensor."""
    if isinstance(lengths, ReadLengths):
        return lengths.lengths
    if isinstance(lengths, list | tuple) and any(isinstance(one, Tensor) for one in lengths):
        return torch.stack([torch.as_tensor(one) for one in lengths])
    return torch.as_tensor(lengths)


@dataclass
class FullPacking:
    """PyTorch's own packing, which by default pads to the length that was packed.

    So the model does, whatever the longest sequence is. Unless `is_full`, PyTorch's default stays.
    No sequence has more steps than `limit`.
    """

    limit: int | None = None
    is_full: bool = True
    lengths: list[Tensor] = field(default_factory=list)
    """The lengths of the sequences that were packed, as they were given."""
    defaults: list[int] = field(default_factory=list)
    """The lengths of what was padded without a `total_length`."""
    _packed: list[tuple[Tensor, int]] = field(default_factory=list)

    def pack(
        self, padded: Tensor, lengths: Any, *, batch_first: bool, enforce_sorted: bool
    ) -> PackedSequence:
        """Return PyTorch's packed sequence."""
        counts = _as_tensor(lengths)
        self.lengths.append(counts)
        if self.limit is not None:
            counts = counts.clamp(max=self.limit)
        packed: PackedSequence = pytorch_pack(padded, counts, batch_first, enforce_sorted)
        self._packed.append((packed.batch_sizes, padded.shape[1 if batch_first else 0]))
        return packed

    def pad(
        self,
        sequence: PackedSequence,
        *,
        batch_first: bool,
        padding_value: float,
        total_length: Any,
    ) -> tuple[Tensor, Tensor]:
        """Return PyTorch's padded tensor, and the lengths."""
        if total_length is None:
            # PyTorch's recurrent layers hand on the tensor of batch sizes itself.
            for batch_sizes, length in self._packed:
                if batch_sizes is sequence.batch_sizes:
                    self.defaults.append(length)
                    total_length = length if self.is_full else None
        padded, counts = pytorch_pad(sequence, batch_first, padding_value, total_length)
        return padded, counts


packing_in_use: ContextVar[Packing | None] = ContextVar("packing_in_use", default=None)
"""What PyTorch's functions do in this thread where their bodies are exchanged; None: as ever."""


def run_pack(padded: Tensor, lengths: Any, **options: Any) -> Any:
    """Return what the packing in use gives for the arguments of `pack_padded_sequence`."""
    packing = packing_in_use.get()
    function = packing.pack if packing else pytorch_pack
    return function(padded, lengths, **options)


def run_pad(sequence: PackedSequence, **options: Any) -> Any:
    """Return what the packing in use gives for the arguments of `pad_packed_sequence`."""
    packing = packing_in_use.get()
    function = packing.pad if packing else pytorch_pad
    return function(sequence, **options)
