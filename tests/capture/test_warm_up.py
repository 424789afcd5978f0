"""A module is run once where that fills its caches, which then fix no size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import lazy_caches
from exported import assert_same, dynamic_dims
from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.export import capture
from torch2keras.capture.warm_up import warm_up
from torch2keras.runtime.isolation import isolate_module

LENGTH = 11


def images(batch: int) -> torch.Tensor:
    return torch.linspace(-2, 2, batch * 3 * LENGTH).reshape(batch, 3, LENGTH)


def sequences(batch: int) -> torch.Tensor:
    return torch.linspace(-2, 2, batch * LENGTH * 5).reshape(batch, LENGTH, 5)


CACHES = [
    (lazy_caches.Anchors, images),
    (lazy_caches.Rotary, sequences),
    (lazy_caches.ByKey, sequences),
    (lazy_caches.ByNumber, sequences),
    (lazy_caches.Weighted, sequences),
    (lazy_caches.ForEachCall, sequences),
    (lazy_caches.Grown, sequences),
]


@pytest.mark.parametrize("warm_at", [None, 2, 3])
@pytest.mark.parametrize(("cls", "inputs"), CACHES)
def test_a_cache_fixes_no_batch_and_stays_as_it_was(cls, inputs, warm_at):
    module = cls().eval()
    if warm_at:
        module(inputs(warm_at))
    held = dict(vars(module))
    captured = capture(module, (inputs(2),))
    assert dynamic_dims(captured) == [[0]]
    assert all(vars(module)[name] is value for name, value in held.items())
    for batch in (2, 7):
        assert_same(captured, cls().eval().requires_grad_(False), (inputs(batch),))


@pytest.mark.parametrize("warm", [False, True])
def test_a_table_by_the_batch_fixes_it(warm):
    module = lazy_caches.OtherForEachBatch().eval()
    if warm:
        module(sequences(2))
    captured = capture(module, (sequences(2),))
    assert dynamic_dims(captured) == [[]]
    assert "by a branch at the module itself" in captured.notes[0]


def test_a_run_tells_whether_it_has_changed_the_module():
    with isolate_module(module := lazy_caches.Rotary()):
        call = bind_example(module, (sequences(2),), {})
        assert warm_up(call)
        assert not warm_up(call)
    with isolate_module(module := lazy_caches.ByKey()):
        assert warm_up(bind_example(module, (sequences(2),), {}))
        assert warm_up(bind_example(module, (sequences(3),), {}))


def test_a_module_that_raises_does_not_count_as_changed():
    class Refuses(nn.Module):
        def forward(self, x):
            self.calls = 1
            raise ValueError

    with isolate_module(module := Refuses()):
        assert not warm_up(bind_example(module, (sequences(2),), {}))
