"""Recurrent layers by one op each give what PyTorch gives, in every form of the layer."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torch2keras.custom_ops.packed_sequences import PACKED_ADVICE, PackedError
from torch2keras.custom_ops.recurrent import (
    STATE_COUNTS,
    Stack,
    join_biases,
    keep_recurrence_whole,
    recurrent,
    run_stack,
)

N, T, C, UNITS = 2, 7, 3, 5
KINDS: dict[str, Any] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn_tanh": nn.RNN,
    "rnn_relu": lambda *args, **kwargs: nn.RNN(*args, nonlinearity="relu", **kwargs),
}
FORMS = list(itertools.product([1, 2], [False, True], [False, True], [False, True]))


def states_of(kind: str, layers: int, directions: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(layers * directions, N, UNITS) for _ in range(STATE_COUNTS[kind]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "bidirectional", "bias", "batch_first"), FORMS)
def test_layers_give_what_they_give_without(
    kind: str, layers: int, bidirectional: bool, bias: bool, batch_first: bool
) -> None:
    net = KINDS[kind](
        C, UNITS, layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional
    )
    x = torch.randn(N, T, C) if batch_first else torch.randn(T, N, C)
    states = states_of(kind, layers, 1 + bidirectional)
    for start in (None, states if kind == "lstm" else states[0]):
        wanted = net(x, start)
        with keep_recurrence_whole(net):
            found = net(x, start)
        torch.testing.assert_close(found, wanted)
        assert found[0].is_contiguous() or not wanted[0].is_contiguous()


@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_is_one_node_at_any_length(kind: str) -> None:
    net = KINDS[kind](C, UNITS, 2, bidirectional=True)
    dims = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with keep_recurrence_whole(net):
        program = torch.export.export(net, (torch.randn(T, N, C),), dynamic_shapes=(dims,))
    targets = [node.target for node in program.graph.nodes]
    assert targets.count(recurrent.default) == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("mask", [None, torch.arange(T) < torch.tensor([[4], [T]])])
def test_the_op_has_a_fake_kernel(kind: str, given: bool, mask: torch.Tensor | None) -> None:
    net = KINDS[kind](C, UNITS, bidirectional=True, batch_first=True)
    own = [p.detach() for p in net.parameters()]
    states = [s[d] for d in range(2) for s in states_of(kind, 1, 2)] if given else []
    biases = [join_biases(kind, *own[2:4]), join_biases(kind, *own[6:8])]
    args = (torch.randn(N, T, C), states, [own[0], own[4]], [own[1], own[5]], biases, mask, kind)
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(recurrent.default, args, test_utils=checks)


def test_dropout_lies_between_the_layers_alone() -> None:
    net = nn.GRU(C, UNITS, 2)
    params, x, states = list(net.parameters()), torch.randn(N, T, C), states_of("gru", 2, 1)
    with torch.no_grad():
        _, dropped = run_stack(Stack("gru", 2, 1, 1.0, training=True), x, states, params)
        _, kept = run_stack(Stack("gru", 2, 1, 1.0, training=False), x, states, params)
    torch.testing.assert_close(dropped[0], kept[0])
    assert not torch.allclose(dropped[1], kept[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "bidirectional", "bias", "batch_first"), FORMS)
def test_packed_sequences_give_what_they_give_without(
    kind: str, layers: int, bidirectional: bool, bias: bool, batch_first: bool
) -> None:
    net = KINDS[kind](
        C, UNITS, layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional
    )
    states = states_of(kind, layers, 1 + bidirectional)
    x = torch.randn(N, T, C)
    for lengths in ([3, T], [T, 2], [1, 1]):
        for start in (None, states if kind == "lstm" else states[0]):
            wanted = run_packed(net, x, lengths, start)
            with keep_recurrence_whole(net):
                found = run_packed(net, x, lengths, start)
            torch.testing.assert_close(found, wanted)


def run_packed(net: nn.Module, x: torch.Tensor, lengths: list[int], start: Any) -> Any:
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    y, last = net(packed, start)
    return *pad_packed_sequence(y, True, -2.5, T), last


def test_projections_are_left_to_pytorch() -> None:
    net, x = nn.LSTM(C, UNITS, proj_size=2), torch.randn(T, N, C)
    wanted = net(x)
    with keep_recurrence_whole(net):
        torch.testing.assert_close(net(x), wanted)


def test_a_layer_runs_on_packed_rows_alone() -> None:
    net = nn.GRU(C, UNITS)
    with keep_recurrence_whole(net), pytest.raises(PackedError, match="not one of 2 sizes"):
        net(pack_padded_sequence(torch.randn(T, N), torch.tensor([T, 3])))


def test_everything_is_put_back_after_an_error() -> None:
    net, x = nn.GRU(C, UNITS), torch.randn(T, N, C)
    before = nn.GRU.forward, FakeTensor.tolist
    with pytest.raises(PackedError, match=re.escape(PACKED_ADVICE)), keep_recurrence_whole(net):
        _ = pack_padded_sequence(x, torch.tensor([T, 3])).data
    assert (nn.GRU.forward, FakeTensor.tolist) == before
    assert len(pack_padded_sequence(x, torch.tensor([T, 3])).data) == T + 3


def test_a_module_without_recurrence_is_left_alone() -> None:
    with keep_recurrence_whole(nn.ReLU()) as mode:
        assert mode is None
        nn.utils.rnn.pack_padded_sequence(torch.randn(T, N, C), torch.tensor([T, 3]))
