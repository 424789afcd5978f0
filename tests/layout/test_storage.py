"""Storages and the moves between them, on values with random factors."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import sympy
import torch

from torch2keras.graph.ir import Constant, TensorType, Value
from torch2keras.keras_graph.graph import Input, KerasGraph
from torch2keras.keras_graph.layer_names import name_calls
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.storage import (
    chain_neighbours,
    count_dynamic_sizes,
    is_port_storage,
    natural_storage,
    split_into_runs,
    storage_order,
    storage_shape,
    torch_storage,
)
from torch2keras.lower.rearrange import arrange_weight, rearrange
from torch2keras.lower.recorder import Recorder, record_to


def space_of(factors: tuple[tuple[int, ...], ...], cls=Value, **fields) -> tuple[AxisSpace, Value]:
    value = cls("v", TensorType(tuple(map(math.prod, factors)), torch.float32), **fields)
    return AxisSpace({value: factors}, {}), value


# factors of each dimension, an order -> the natural storage and its shape
NATURAL = [
    (((2,), (3,), (5,)), (0, 1, 2), ((0,), (1,), (2,)), (2, 3, 5)),
    (((2,), (3,), (5,)), (0, 2, 1), ((0,), (2,), (1,)), (2, 5, 3)),
    (((2,), (3, 5)), (0, 1, 2), ((0,), (1, 2)), (2, 15)),
    (((2,), (3, 5)), (1, 0, 2), ((1,), (0,), (2,)), (3, 2, 5)),
    (((2,), (3, 5)), (0, 2, 1), ((0,), (2, 1)), (2, 15)),
    (((2,), (1,), (5,)), (0, 2), ((0,), (1,), (2,)), (2, 1, 5)),
    (((2,), (1,), (5,)), (2, 0), ((2,), (0,), (1,)), (5, 2, 1)),
    (((1,), (1,)), (), ((0,), (1,)), (1, 1)),
    ((), (), (), ()),
]

# factors, an order with axes of size one -> the natural storage
WITH_UNITS = [
    (((2,), (1,), (5,)), (0, 2, 1), ((0,), (2,), (1,))),
    (((2,), (1,), (5,), (1,)), (0, 2, 1), ((0,), (2,), (3,), (1,))),
    (((2,), (1,), (3, 5)), (0, 2, 3, 1), ((0,), (2, 3), (1,))),
]

# factors, a storage, whether a port may have it
PORTS = [
    (((2,), (1,), (5,)), ((0,), (2,), (1,)), True),
    (((2,), (1,), (5,)), ((0,), (2,)), False),
    (((2,), (1,), (5,)), ((0,), (2,), ()), False),
    (((2,), (3, 5)), ((1, 2), (0,)), True),
    (((2,), (3, 5)), ((0,), (1,), (2,)), False),
    (((1,), (3,), (5,)), ((0,), (2,), (1,)), True),
    (((1,), (3,), (5,)), ((2,), (1,), (0,)), False),
    ((), (), True),
]


@pytest.mark.parametrize(("factors", "order", "storage", "shape"), NATURAL)
def test_natural(factors, order, storage, shape) -> None:
    space, value = space_of(factors)
    assert natural_storage(space, value, order) == storage
    assert storage_shape(space, value, storage) == shape
    assert storage_order(space, value, storage) == order


@pytest.mark.parametrize(("factors", "order", "storage"), WITH_UNITS)
def test_axes_of_size_one_lie_where_an_order_has_them(factors, order, storage) -> None:
    space, value = space_of(factors)
    assert natural_storage(space, value, order) == storage


@pytest.mark.parametrize(("factors", "storage", "may"), PORTS)
def test_storage_of_a_port(factors, storage, may: bool) -> None:
    assert is_port_storage(*space_of(factors), storage) is may


# what neighbours have in common, and the runs
CHAINED = [
    ([], []),
    ([5], [[5]]),
    ([1, 2, 3, 5, 6, 8, 9], [[1, 2, 3], [5, 6], [8, 9]]),
    ([3, 2, 1], [[3], [2], [1]]),
]


@pytest.mark.parametrize(("items", "runs"), CHAINED)
def test_neighbours_are_chained(items, runs) -> None:
    assert chain_neighbours(items, lambda a, b: b == a + 1) == runs


def test_pytorchs_own_dimensions() -> None:
    space, value = space_of(((2,), (1,), (3, 5)))
    assert torch_storage(space, value) == ((0,), (1,), (2, 3))
    assert torch_storage(*space_of(())) == ()


def test_dynamic_sizes_are_counted() -> None:
    size = sympy.Symbol("s", integer=True, positive=True)
    assert count_dynamic_sizes((2, size, 3 * size)) == 2
    assert count_dynamic_sizes((2, sympy.Integer(3))) == 0
    assert count_dynamic_sizes((2, size - size + 1)) == 0


def test_pieces_stay_together() -> None:
    space, value = space_of(((2,), (3, 5), (7,)))
    assert split_into_runs(space, value, ((0,), (1, 2), (3,)), ((0,), (3,), (1, 2))) == [
        (0,),
        (1, 2),
        (3,),
    ]
    assert split_into_runs(space, value, ((0,), (1, 2), (3,)), ((2,), (0,), (1,), (3,))) == [
        (0,),
        (1,),
        (2,),
        (3,),
    ]


def random_storage(axes: list[int], units: list[int], rng: random.Random):
    """The axes in any order, cut anywhere, with dimensions of size one anywhere."""
    order = rng.sample(axes, len(axes))
    groups: list[tuple[int, ...]] = []
    for axis in order:
        if groups and rng.random() < 0.4:
            groups[-1] += (axis,)
        else:
            groups.append((axis,))
    for unit in units:
        groups.insert(rng.randrange(len(groups) + 1), (unit,) if rng.random() < 0.7 else ())
    return tuple(groups)


def stored(data: np.ndarray, sizes, storage) -> np.ndarray:
    """NumPy's own answer: data with these axes, as `storage` stores it."""
    order = [axis for group in storage for axis in group]
    order += [axis for axis in range(len(sizes)) if axis not in order]
    return (
        data.reshape(sizes)
        .transpose(order)
        .reshape([math.prod(sizes[i] for i in g) for g in storage])
    )


@pytest.mark.parametrize("seed", range(40))
def test_rearrange(seed: int) -> None:
    rng = random.Random(seed)
    factors = rng.choice(
        [((2,), (3, 5), (7,)), ((2, 3), (1,), (5,)), ((6,), (5, 2, 3)), ((3,), (1,), (1,), (2, 5))]
    )
    space, value = space_of(factors)
    sizes = space.sizes(value)
    solid, units = list(space.solid(value)), [i for i, s in enumerate(sizes) if s == 1]
    source, target = random_storage(solid, units, rng), random_storage(solid, units, rng)
    data = np.arange(math.prod(sizes), dtype="float32")
    given = stored(data, sizes, source)
    inputs = (Input("x", tuple(given.shape), "float32"),)
    with record_to(Recorder(inputs, "float32")) as recorder:
        result = rearrange(space, value, recorder.tensors[0], source, target)
    targets = [c.target for c in recorder.calls]
    same = storage_order(space, value, source) == storage_order(space, value, target)
    assert targets.count("ops.transpose") == (not same)
    graph = KerasGraph("g", inputs, name_calls(recorder.calls, {"x"}), (result.index,))
    values = run_graph(graph, [given], Layers(graph).layer_with_weights)
    assert np.array_equal(np.asarray(values[result.index]), stored(data, sizes, target))


@pytest.mark.parametrize("seed", range(10))
def test_a_weight_is_arranged_as_numpy_does(seed: int) -> None:
    rng = random.Random(seed)
    factors = rng.choice([((2,), (3, 5), (7,)), ((2, 3), (1,), (5,))])
    data = (
        torch.arange(210 if len(factors[1]) == 2 else 30)
        .float()
        .reshape([math.prod(f) for f in factors])
    )
    space, value = space_of(factors, Constant, tensor=data)
    sizes = space.sizes(value)
    storage = random_storage(
        list(space.solid(value)), [i for i, s in enumerate(sizes) if s == 1], rng
    )
    weight = arrange_weight(space, value, Weight.of(value), storage)
    assert np.array_equal(weight.array("float32"), stored(data.numpy(), sizes, storage))
    assert weight.shape == tuple(math.prod(sizes[i] for i in g) for g in storage)
