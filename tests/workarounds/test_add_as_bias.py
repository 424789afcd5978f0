"""Sums, on TensorFlow, against NumPy: whichever operand looks like a bias."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch

import torch2keras as t2k
from op_case import Function
from torch2keras.keras_graph.graph import Input, KerasGraph
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers
from torch2keras.lower.recorder import Recorder, ops, record_to
from torch2keras.workarounds.add_as_bias import is_misread_as_bias

# the operands, whether Keras may add the second along another dimension
SHAPES = [
    ((3, 3), (3, 1), True),
    ((3, 3), (3,), False),
    ((3, 3), (1, 3), False),
    ((None, 5, 7), (7,), False),
    ((None, 5, 7), (5, 1), False),
    ((None, 5, 5), (5, 1), True),
    ((None, 6, 6, 2), (6, 1), True),
    ((2, 6, 1), (6,), True),
    ((None, 5, 7), (None, 5, 7), False),
    ((None, 5, 7), (None, 1, 1), True),
    ((None, 5, 7), (None, 1, 7), False),
    ((None, None, 7), (None, None, 7), False),
    ((None, None), (None, None), False),
    ((None, 8, None, None), (None, 8, None, None), False),
    ((None, 6, 6), (None, 6, 1), True),
    ((3, 3), (2, 3, 1), False),
    ((3, 3), (3, 1, 1), True),
    ((5,), (5,), False),
    ((5, 7), (), False),
]


@pytest.mark.parametrize(("first", "second", "risky"), SHAPES)
def test_what_is_taken_for_a_bias(first, second, risky) -> None:
    assert is_misread_as_bias(first, second) == risky


def broadcast_pairs() -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Pairs of shapes of up to three dimensions that broadcast; always the same part of them."""
    shapes = [s for rank in range(4) for s in itertools.product((1, 2, 3), repeat=rank)]
    pairs = [
        (a, b)
        for a in shapes
        for b in shapes
        if all(1 in (x, y) or x == y for x, y in zip(a[::-1], b[::-1], strict=False))
    ]
    return random.Random(0).sample(pairs, 150) + [(a, b) for a, b, _ in SHAPES if None not in a + b]


@pytest.mark.parametrize("dynamic", [False, True])
def test_sums_are_numpys(dynamic) -> None:
    for shapes in broadcast_pairs():
        known = [
            tuple(None if dynamic and d == 0 and len(s) == 3 else n for d, n in enumerate(s))
            for s in shapes
        ]
        if dynamic and len({s[0] for s in shapes if len(s) == 3}) > 1:
            continue  # a dynamic dimension faces its equal
        inputs = tuple(Input(f"x{i}", s, "float32") for i, s in enumerate(known))
        recorder = Recorder(inputs, "float32")
        with record_to(recorder):
            result = ops.add(*recorder.tensors)
        graph = KerasGraph("g", inputs, tuple(recorder.calls), (result.index,))
        data = [
            np.random.default_rng(i).normal(size=s).astype("float32") for i, s in enumerate(shapes)
        ]
        ours = np.asarray(run_graph(graph, data, Layers(graph).layer_with_weights)[result.index])
        assert np.array_equal(ours, data[0] + data[1]), (shapes, [c.target for c in recorder.calls])


def test_the_first_column_of_a_square_of_dynamic_sizes_is_no_bias() -> None:
    """Keras takes a slice of a dynamic dimension for dynamic; it is one column for each."""
    net = Function(lambda x: 2 * x + x[:, :1])
    sizes = dict.fromkeys((0, 1), torch.export.Dim.AUTO)
    converted = t2k.convert(net, torch.randn(5, 7), dynamic_shapes=(sizes,))
    x = torch.randn(7, 7)
    (ours,) = converted.run((x,))
    assert np.abs(ours - net(x).numpy()).max() < 1e-6
