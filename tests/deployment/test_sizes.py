"""The sizes of a file's inputs."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import Dim

import torch2keras as t2k
from deployment_nets import convert_net
from torch2keras.deployment.sizes import find_batch_symbols, fix_sizes


@pytest.mark.parametrize(
    ("batch", "torch_shape", "keras_shape"),
    [
        (1, (1, 3, 21), (1, 21, 3)),
        (5, (5, 3, 21), (5, 21, 3)),
        (None, (None, 3, 21), (None, 21, 3)),
    ],
)
def test_the_batch_is_a_number_or_any(batch, torch_shape, keras_shape):
    sizes = fix_sizes(convert_net("conv1d").conversion, batch)
    assert (sizes.torch_shapes, sizes.keras_shapes) == ((torch_shape,), (keras_shape,))
    assert (sizes.batch, sizes.is_dynamic) == (batch, batch is None)


def test_inputs_that_are_never_brought_together_have_a_batch_each():
    class Two(nn.Module):
        def forward(self, x, y):
            return x + 1, 2 * y

    converted = t2k.convert(Two(), (torch.randn(2, 3), torch.randn(2, 4)), verify=False)
    sizes = fix_sizes(converted.conversion, 1)
    assert sizes.torch_shapes == ((1, 3), (1, 4))
    assert sizes.output_shapes(converted.conversion) == [(1, 3), (1, 4)]


def test_a_length_that_was_asked_for_stays_dynamic():
    length = Dim("length", min=8)
    converted = t2k.convert(
        nn.Conv1d(3, 5, 3),
        torch.randn(2, 3, 20),
        dynamic_shapes={"input": {0: Dim("batch"), 2: length}},
        verify=False,
    )
    assert fix_sizes(converted.conversion, 1).keras_shapes == ((1, None, 3),)


def test_the_time_in_front_is_no_batch_or_there_is_a_note():
    module, x = nn.LSTM(4, 8).eval(), torch.randn(9, 2, 4)
    converted = t2k.convert(module, x, verify=False)
    sizes = fix_sizes(converted.conversion, 1)
    assert "Where it is the time" in " ".join(sizes.notes) or sizes.torch_shapes == ((9, 1, 4),)
    named = {"input": {1: Dim("batch")}}
    converted = t2k.convert(module, x, dynamic_shapes=named, verify=False)
    assert len(find_batch_symbols(converted.conversion.graph)) == 1
    sizes = fix_sizes(converted.conversion, 1)
    assert (sizes.torch_shapes, sizes.notes) == (((9, 1, 4),), ())


@pytest.fixture(scope="module")
def fixed() -> t2k.Converted:
    return t2k.convert(
        nn.Conv1d(3, 5, 3), torch.randn(2, 3, 9), dynamic_shapes={"input": None}, verify=False
    )


def test_a_fixed_batch_stays_that_of_the_example(fixed):
    sizes = fix_sizes(fixed.conversion, 1)
    assert (sizes.batch, sizes.torch_shapes) == (2, ((2, 3, 9),))
    assert "The first size is 2" in sizes.notes[0]
    assert fix_sizes(fixed.conversion, 2).notes == ()


def test_another_batch_than_the_fixed_one_is_refused(fixed):
    with pytest.raises(t2k.InputError, match="a batch of 4 is asked for"):
        fix_sizes(fixed.conversion, 4)


def test_a_batch_that_the_module_cannot_have_is_refused():
    class Pairs(nn.Module):
        def forward(self, x):
            return x.reshape(-1, 2, 3).sum(1)

    converted = t2k.convert(Pairs(), torch.randn(4, 3), verify=False)
    with pytest.raises(t2k.InputError, match="batch"):
        fix_sizes(converted.conversion, 3)
    assert fix_sizes(converted.conversion, 6).torch_shapes == ((6, 3),)
