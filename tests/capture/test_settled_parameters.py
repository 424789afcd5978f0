"""What forward writes to a parameter is computed in the model, where each call writes the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import torch2keras as t2k
from max_norms import SETTLED, UNSETTLED
from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.settled_parameters import find_settled_parameters


def make(kind, scale=1.0):
    torch.manual_seed(0)
    net = kind(7, 5).eval()
    net.weight.data *= scale
    return net, torch.randn(3, 7)


@pytest.mark.parametrize("kind", [*SETTLED, *UNSETTLED])
def test_they_are_found_and_left_as_they_are(kind):
    net, x = make(kind)
    before = net.weight.detach().clone()
    found = find_settled_parameters(bind_example(net, (x,), {}))
    assert ("weight" in found) == (kind in SETTLED)
    assert torch.equal(net.weight, before)


@pytest.mark.parametrize("kind", SETTLED)
@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_the_model_gives_what_each_call_gives(kind, scale):
    net, x = make(kind, scale)
    before = net.weight.detach().clone()
    converted = t2k.convert(net, (x,))
    assert torch.equal(net.weight, before)
    assert any("forward writes to weight" in note for note in converted.report.notes)
    assert torch.equal(converted.state_dict()["weight"], before)
    other, _ = make(kind, 5.0)
    for given in (net, other):
        converted.load_state_dict(given.state_dict())
        x = torch.randn(11, 7)
        with torch.no_grad():
            first, second = given(x), given(x)
        assert torch.equal(first, second)
        np.testing.assert_allclose(np.asarray(converted(x)), first, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", UNSETTLED)
def test_others_are_refused_by_name(kind):
    net, x = make(kind, 3.0)
    with pytest.raises(t2k.UnsupportedOpError, match="forward changes parameter weight"):
        t2k.convert(net, (x,))


def test_a_module_that_refuses_other_numbers_has_none():
    class Refuses(torch.nn.Module):
        def forward(self, x):
            if x.min() < 0:
                raise ValueError
            return x

    assert not find_settled_parameters(bind_example(Refuses(), (torch.ones(3),), {}))
