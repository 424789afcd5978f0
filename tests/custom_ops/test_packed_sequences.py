"""Packing by masks gives what PyTorch's gives; what a padded sequence does and refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from torch2keras.custom_ops.packed_sequences import (
    FullPacking,
    MaskedPacking,
    PackedError,
    PaddedSequence,
    ReadLengths,
)
from torch2keras.custom_ops.packing_exchange import use_packing

X = torch.arange(24.0).reshape(3, 4, 2)
LENGTHS = torch.tensor([2, 4, 1])


def round_trip(x: Tensor, lengths: Any, **options: Any) -> tuple[Tensor, Tensor]:
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    return pad_packed_sequence(packed, **options)


@pytest.mark.parametrize(
    "options",
    [{}, {"batch_first": True}, {"padding_value": -1.5}, {"total_length": 6}],
    ids=str,
)
@pytest.mark.parametrize("x", [X, X.long(), X[..., 0], X[..., None]], ids=lambda x: str(x.shape))
def test_a_round_trip_gives_what_pytorch_gives(x: Tensor, options: dict[str, Any]) -> None:
    lengths = torch.tensor([2, 3, 1, 3][: x.shape[1]])
    for given in (lengths, lengths.tolist(), list(lengths), lengths.to(torch.int32)):
        wanted = round_trip(x, given, **{"total_length": len(x), **options})
        with use_packing(MaskedPacking()):
            found = round_trip(x, given, **{"total_length": len(x), **options})
        torch.testing.assert_close(found, wanted)
        assert found[0].dtype == x.dtype


def test_less_than_the_packed_length_is_a_slice() -> None:
    lengths = torch.tensor([2, 1, 1, 2])
    wanted = round_trip(X, lengths, total_length=2)
    with use_packing(MaskedPacking()):
        torch.testing.assert_close(round_trip(X, lengths, total_length=2), wanted)


def test_without_total_length_both_keep_the_packed_length_and_say_so() -> None:
    lengths, full, masked = torch.tensor([2, 1, 1, 2]), FullPacking(), MaskedPacking()
    with use_packing(masked):
        found, _ = round_trip(X, lengths)
    assert masked.pads_to_longest
    with use_packing(full):
        wanted, _ = round_trip(X, lengths)
    torch.testing.assert_close(found, wanted)
    assert full.defaults == [len(X)]
    assert len(round_trip(X, lengths)[0]) == 2


def test_sequences_are_cut_at_a_limit() -> None:
    with use_packing(FullPacking(limit=2, is_full=False)):
        padded, counts = round_trip(X.transpose(0, 1), LENGTHS)
    assert len(padded) == 2
    assert counts.tolist() == [2, 2, 1]


USES: dict[str, Callable[[PackedSequence], Any]] = {
    "data": lambda packed: packed.data,
    "batch sizes": lambda packed: packed.batch_sizes,
    "indices": lambda packed: packed.sorted_indices,
    "parts": lambda packed: list(packed),
    "a part": lambda packed: packed[0],
    "another type": lambda packed: packed.double(),
    "another device": lambda packed: packed.cpu(),
}


@pytest.mark.parametrize("name", USES)
def test_the_parts_of_a_packed_sequence_are_refused(name: str) -> None:
    with use_packing(MaskedPacking()):
        packed = pack_padded_sequence(X.transpose(0, 1), LENGTHS, enforce_sorted=False)
        assert isinstance(packed, PaddedSequence)
        with pytest.raises(PackedError, match="pack its result again"):
            USES[name](packed)


def test_a_sequence_that_pytorch_has_packed_is_padded_by_pytorch() -> None:
    packed = pack_padded_sequence(X.transpose(0, 1), LENGTHS, enforce_sorted=False)
    wanted = pad_packed_sequence(packed)
    for packing in (MaskedPacking(), FullPacking()):
        with use_packing(packing):
            torch.testing.assert_close(pad_packed_sequence(packed), wanted)


def test_lengths_of_another_batch_are_refused() -> None:
    with use_packing(MaskedPacking()), pytest.raises(RuntimeError, match="one length"):
        pack_padded_sequence(X, LENGTHS, enforce_sorted=False)


def test_lengths_that_were_read_are_numbers_to_all_others() -> None:
    read = ReadLengths(LENGTHS, Tensor.tolist)
    assert list(read) == [2, 4, 1]
    assert max(read) == 4
    assert read[1:] == [4, 1]
    assert read.count(4) == 1
    assert ReadLengths(LENGTHS, Tensor.numpy).max() == 4


def test_full_packing_hands_on_through_a_layer() -> None:
    net, full = nn.GRU(2, 3, batch_first=True), FullPacking()
    with use_packing(full):
        packed = pack_padded_sequence(X, torch.tensor([2, 3, 1]), True, enforce_sorted=False)
        assert pad_packed_sequence(net(packed)[0], batch_first=True)[0].shape == (3, 4, 3)
