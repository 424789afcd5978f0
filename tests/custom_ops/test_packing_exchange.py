"""PyTorch's packing is exchanged by any name, in one thread, and put back."""

from __future__ import annotations

import threading

import pytest
import torch
from torch.nn.utils import rnn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from torch2keras.custom_ops.packed_sequences import FullPacking, MaskedPacking, PaddedSequence
from torch2keras.custom_ops.packing_exchange import use_packing, watch_packing

X = torch.arange(24.0).reshape(3, 4, 2)
LENGTHS = torch.tensor([2, 4, 1])


def test_functions_of_any_name_are_exchanged_in_this_thread_alone() -> None:
    x, lengths = X.transpose(0, 1), LENGTHS
    kinds: list[type] = []

    def pack() -> None:
        kinds.append(type(rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)))

    with use_packing(MaskedPacking()):
        pack()
        other = threading.Thread(target=pack)
        other.start()
        other.join()
        assert isinstance(rnn.pack_sequence([X[0], X[1, :2]]), PaddedSequence)
    pack()
    assert kinds == [PaddedSequence, PackedSequence, PackedSequence]


def test_a_packing_within_another_gives_way_to_it_again() -> None:
    x, outer = X.transpose(0, 1), MaskedPacking()
    with use_packing(outer):
        with use_packing(FullPacking()):
            inner = pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
        packed = pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
    assert (type(inner), type(packed)) == (PackedSequence, PaddedSequence)


def test_the_packings_of_captures_are_watched() -> None:
    x = X.transpose(0, 1)
    with watch_packing() as made:
        for packing in (MaskedPacking(), FullPacking(), MaskedPacking()):
            with use_packing(packing):
                packed = pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
                pad_packed_sequence(packed, total_length=4 if made[1:] else None)
    assert [packing.pads_to_longest for packing in made] == [True, False]


def test_the_bodies_are_put_back_after_an_error() -> None:
    before = pack_padded_sequence.__code__, pad_packed_sequence.__code__
    with pytest.raises(ZeroDivisionError), use_packing(MaskedPacking()):
        raise ZeroDivisionError
    assert (pack_padded_sequence.__code__, pad_packed_sequence.__code__) == before
