"""Random tensors of a graph are read as what they are, and others are not read."""

from __future__ import annotations

import pytest
import torch

from exported import Calls
from torch2keras.capture.captured import Captured
from torch2keras.capture.export import capture
from torch2keras.capture.training.random_masks import RandomTensor, read_random

X = torch.randn(3, 5, 7)


def read(function) -> tuple[RandomTensor | None, tuple]:
    """Read what a function of X draws; returned with it is the shape of X in the graph."""
    captured: Captured = capture(Calls(lambda x: (x, function(x))), (X,))
    given, drawn = captured.graph_module.graph.output_node().args[0]
    return read_random(drawn), given.meta["val"].shape


MASKS = {
    "comparison": (lambda x: torch.rand(len(x), 1, 1) < 0.8, 0.8, 1, (0,)),
    "reversed": (lambda x: torch.rand(len(x), 1, 1) > 0.3, 0.7, 1, (0,)),
    "not": (lambda x: ~(torch.rand(5, 1) < 0.8), 0.2, 1, (1,)),
    "floor": (lambda x: (torch.rand_like(x) + 0.9).floor(), 0.9, 1, (0, 1, 2)),
    "integers": (lambda x: (torch.rand_like(x) + 0.9).int().float(), 0.9, 1, (0, 1, 2)),
    "scaled": (lambda x: torch.empty(7).bernoulli_(0.6) / 0.6, 0.6, 1 / 0.6, (2,)),
    "probabilities": (lambda x: torch.bernoulli(torch.full_like(x[:, :1], 0.4)), 0.4, 1, (0, 2)),
    "expanded": (lambda x: (torch.rand(len(x), 1, 1) < 0.5).expand_as(x) * 2, 0.5, 2, (0,)),
    "viewed": (lambda x: (torch.rand(len(x)) < 0.5).float()[:, None, None], 0.5, 1, (0,)),
    "one for all": (lambda x: torch.rand(1) < 0.5, 0.5, 1, ()),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_are_read(name):
    function, share, value, dims = MASKS[name]
    drawn, shape = read(function)
    assert drawn is not None
    assert drawn.read_mask() == pytest.approx((share, value), rel=1e-5)
    assert drawn.find_dims(shape) == dims
    assert drawn.read_deviation() is None


@pytest.mark.parametrize(
    ("function", "deviation"),
    [
        (torch.randn_like, 1.0),
        (lambda x: torch.randn(x.shape) * 0.1, 0.1),
        (lambda x: -torch.randn_like(x) / 4, 0.25),
    ],
)
def test_normal_noise_is_read(function, deviation):
    drawn, _ = read(function)
    assert drawn is not None
    assert drawn.read_deviation() == pytest.approx(deviation)
    assert drawn.read_mask() is None


OTHERS = {
    "data": lambda x: x * 2,
    "of data": lambda x: torch.rand_like(x) < x,
    "probabilities of data": lambda x: torch.bernoulli(x.sigmoid()),
    "a choice of two masks": lambda x: torch.rand_like(x) * torch.rand_like(x),
    "sums of draws": lambda x: torch.rand_like(x).sum(0),
    "draws that are repeated": lambda x: (torch.rand(len(x), 1).expand(-1, 5) < 0.5)[:, :, None],
}


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_not_read(name):
    assert read(OTHERS[name])[0] is None


@pytest.mark.parametrize(
    "function",
    [
        torch.rand_like,
        lambda x: (torch.rand_like(x) * 3).floor(),
        lambda x: torch.rand_like(x) < 1.5,
        lambda x: torch.randn_like(x) + 1,
        lambda x: torch.randn_like(x).floor(),
    ],
)
def test_what_is_drawn_may_be_neither_mask_nor_noise(function):
    drawn, _ = read(function)
    assert drawn is not None
    assert drawn.read_mask() is None
    assert drawn.read_deviation() is None


def test_dims_of_other_sizes_are_none():
    drawn, shape = read(lambda x: torch.rand(4, 1, 1) < 0.5)
    assert drawn is not None
    assert drawn.find_dims(shape) is None
    assert drawn.find_dims((4,)) is None
