"""The batch is dynamic where the module can keep it so, and the notes say why where it cannot."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from exported import Calls, assert_same, dynamic_dims, tripled
from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.export import capture
from torch2keras.capture.sizes.dynamic_batch import default_examples

N, C, L = 2, 3, 11


def x_ncl(batch=N):
    return torch.linspace(-2, 2, batch * C * L).reshape(batch, C, L)


class TwoInputs(nn.Module):
    def forward(self, x, *, scale, pair):
        return {"sum": x * scale + pair[0], "parts": (pair[1].relu(), x)}


def merge_time_and_batch(x):
    """As CRNN does it: `view` over what a time-first recurrent layer returns."""
    sequence, _ = RECURRENT(x.permute(2, 0, 1))
    time, batch, units = sequence.shape
    return sequence.view(time * batch, units).relu().view(time, batch, -1)


RECURRENT = nn.LSTM(C, 5, bidirectional=True)
TWO = {"scale": torch.ones(N, 1, 1), "pair": [x_ncl(), x_ncl()]}
ONE = {"scale": torch.ones(1, 1, 1), "pair": [x_ncl(1), x_ncl(1)]}
conv = nn.Conv1d(C, 5, 3)

# name, module, args, kwargs, dynamic dims of each tensor, what the notes say of a fixed batch
BATCH = [
    ("batch_of_2", conv, (x_ncl(),), {}, [[0]], ""),
    ("batch_of_1", conv, (x_ncl(1),), {}, [[0]], ""),
    ("no_batch", conv, (x_ncl()[0],), {}, [[]], "fixed to 3"),
    (
        "no_batch_one_channel",
        nn.Conv1d(1, 5, 3),
        (x_ncl()[0, :1],),
        {},
        [[]],
        "the example's size: Given groups=1",
    ),
    ("kwargs", TwoInputs(), (x_ncl(),), TWO, [[0], [0], [0], [0]], ""),
    ("kwargs_of_1", TwoInputs(), (x_ncl(1),), ONE, [[0], [0], [0], [0]], ""),
    (
        "squeezes_batch_of_1",
        Calls(lambda x: x.squeeze() + 1),
        (x_ncl(1),),
        {},
        [[]],
        "have other dims",
    ),
    (
        "batch_as_number",
        Calls(lambda x: x.reshape(1, C * L) + 1),
        (x_ncl(1),),
        {},
        [[]],
        "'[1, 33]' is invalid",
    ),
    ("batch_summed", Calls(lambda x: x.sum(0)), (x_ncl(1),), {}, [[]], "no output keeps the batch"),
    ("batch_summed_of_2", Calls(lambda x: x.sum(0)), (x_ncl(),), {}, [[0]], ""),
    (
        "einsum_of_three",
        Calls(lambda x: torch.einsum("bcl,bdl,bl->bcd", *[x.round()] * 2, x[:, 0].round())),
        (x_ncl(),),
        {},
        [[0]],
        "",
    ),
    (
        "merged_behind_a_time_first_layer",
        Calls(merge_time_and_batch),
        (x_ncl(1),),
        {},
        [[0]],
        "",
    ),
    ("number", Calls(lambda x, k: x * k), (x_ncl(), 3), {}, [[0]], ""),
    ("scalar_tensor", Calls(lambda x, s: x * s), (x_ncl(1), torch.tensor(2.0)), {}, [[0], []], ""),
]


@pytest.mark.parametrize(
    ("module", "args", "kwargs", "dims", "note"),
    [case[1:] for case in BATCH],
    ids=[case[0] for case in BATCH],
)
def test_batch_is_dynamic_where_it_can_be(module, args, kwargs, dims, note):
    captured = capture(module, args, kwargs)
    assert dynamic_dims(captured) == dims
    fixed = [text for text in captured.notes if text.startswith("Dim 0 of")]
    assert bool(fixed) == bool(note)
    assert all(note in text for text in fixed)
    assert_same(captured, module, args, kwargs)
    if any(dims):
        assert_same(captured, module, *tripled((args, kwargs)))


def test_a_batch_of_1_is_tried_doubled_and_then_as_it_is():
    dynamic, given = default_examples(bind_example(conv, (x_ncl(1),), {}))
    assert dynamic.doubled == {0: 0}
    assert torch.equal(dynamic.args[0], torch.cat([x_ncl(1)] * 2))
    assert dynamic.shapes is not None
    assert (given.args[0].shape, given.shapes, given.doubled) == ((1, C, L), None, {})


def test_nothing_is_tried_twice_without_dims():
    call = bind_example(Calls(lambda x: x + 1), (torch.tensor(3.0),), {})
    assert default_examples(call) == [call.example]
