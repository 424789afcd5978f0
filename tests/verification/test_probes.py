"""The inputs for verification: exact, legal, repeatable, and free of side effects."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from torch2keras.errors import InputError
from torch2keras.verification.probes import DEFAULT_PROBES, PROBES, Probe, probes, resize_tensors

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
SHAPES = [(2, 3, 7), (2, 3, 8), (5,), (1,), (), (0, 3), (2, 0), (3, 1), (2, 3, 5, 7)]

EXAMPLE = (
    torch.zeros(2, 3, 41),
    torch.tensor([[5, 3, 11], [5, 5, 3]]),
    torch.tensor([True, False, True]),
    torch.tensor([7, 200, 7], dtype=torch.uint8),
)


def made(example: object, name: str, seed: int = 0) -> tuple[torch.Tensor, ...]:
    (probe,) = probes(example, seed, (name,))  # type: ignore[arg-type]
    assert probe.name == name
    return probe.tensors


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_floats_are_exact_in_float32_and_in_their_type(
    name: str, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    index = torch.tensor([1, 2])
    tensor, _ = made((torch.ones(shape, dtype=dtype), index), name)
    assert tensor.shape == shape
    assert tensor.dtype == dtype
    assert tensor.is_contiguous()
    assert torch.equal(tensor.double(), tensor.float().double())
    assert torch.isfinite(tensor).all()


@pytest.mark.parametrize("name", PROBES)
def test_integers_and_bools_stay_among_the_examples_values(name: str) -> None:
    for seed in range(20):
        for given, tensor in zip(EXAMPLE, made(EXAMPLE, name, seed), strict=True):
            assert tensor.dtype == given.dtype
            assert tensor.shape == given.shape
            if not given.is_floating_point():
                assert set(tensor.flatten().tolist()) <= set(given.flatten().tolist())


def test_drawn_integers_take_every_value_and_extremes_only_the_limits() -> None:
    seen = {name: set() for name in ("wide", "extremes")}
    for name, values in seen.items():
        for seed in range(20):
            values.update(made(EXAMPLE, name, seed)[1].flatten().tolist())
    assert seen == {"wide": {3, 5, 11}, "extremes": {3, 11}}


def test_normal_keeps_integers_as_they_are() -> None:
    for given, tensor in zip(EXAMPLE[1:], made(EXAMPLE, "normal")[1:], strict=True):
        assert torch.equal(given, tensor)
        assert given.data_ptr() != tensor.data_ptr()


def test_normal_is_standard_normal() -> None:
    (x,) = made([torch.empty(100_003)], "normal")
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 1) < 0.02
    assert 3.5 < x.abs().max() < 6


@pytest.mark.parametrize(("name", "limit"), [("wide", 120), ("huge", 30000)])
def test_outliers(name: str, limit: float) -> None:
    (x,) = made([torch.empty(7, 1009)], name)
    assert x.max() == limit
    assert x.min() == -limit
    assert 0.015 < (x.abs() > 6).float().mean() < 0.025


@pytest.mark.parametrize("shape", [(2,), (1, 3), (2, 3, 7)])
def test_small_inputs_have_both_limits_too(shape: tuple[int, ...]) -> None:
    (x,) = made([torch.empty(shape)], "wide")
    assert x.max() == 120
    assert x.min() == -120


def test_edges_hold_each_edge_and_a_silent_end() -> None:
    (x,) = made([torch.ones(5, 7, 101)], "edges")
    assert (x[..., -25:] == 0).all()
    assert set(x[..., :-25].flatten().tolist()) == {
        0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        1.5,
        2.5,
        2.0**-60,
        -(2.0**-60),
    }
    assert torch.signbit(x[x == 0]).any()
    assert not torch.signbit(x[x == 0]).all()
    (half,) = made([torch.ones(5, 101, dtype=torch.float16)], "edges")
    assert half[half > 0].min() == torch.finfo(torch.float16).tiny


def test_one_impulse_an_entry() -> None:
    for seed in range(10):
        (x,) = made([torch.ones(5, 3, 7)], "impulse", seed)
        assert x.flatten(1).sum(1).tolist() == [1.0] * 5
        assert (x != 0).sum() == 5
    assert made([torch.ones(5)], "impulse")[0].sum() == 1
    assert made([torch.ones(())], "impulse")[0] == 1


def test_extremes_are_left_out_without_integers() -> None:
    names = [probe.name for probe in probes([torch.ones(3)])]
    assert names == ["normal", "wide", "huge", "edges", "impulse", "example"]
    assert [probe.name for probe in probes(EXAMPLE)] == list(PROBES)
    assert set(DEFAULT_PROBES) <= set(PROBES)


def test_example_comes_as_it_is_and_as_a_copy() -> None:
    x = torch.arange(6.0).reshape(2, 3).T
    (tensor,) = made([x], "example")
    assert torch.equal(tensor, x)
    tensor += 1
    assert x[0, 0] == 0


def test_arrays_are_taken_too() -> None:
    x, index = made([np.zeros((2, 3), np.float64), np.array([4, 6])], "wide")
    assert x.dtype == torch.float64
    assert set(index.tolist()) <= {4, 6}


@pytest.mark.parametrize("name", PROBES)
def test_same_seed_same_values_and_no_global_random_state(name: str) -> None:
    numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
    state = torch.get_rng_state(), numpy_state, random.getstate()
    first = made(EXAMPLE, name, 3)
    torch.rand(5)
    torch.set_rng_state(state[0])
    second = made(EXAMPLE, name, 3)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(state[0], torch.get_rng_state())
    assert state[1] == np.random.get_state()[1].tolist()  # noqa: NPY002
    assert state[2] == random.getstate()


def test_seeds_inputs_and_probes_differ() -> None:
    example = [torch.zeros(11), torch.zeros(11)]
    values = [
        tuple(t.tolist())
        for s in (0, 1)
        for p in probes(example, s, ("normal", "wide"))
        for t in p.tensors
    ]
    assert len(set(values)) == 8


def test_a_probe_does_not_hang_on_the_others() -> None:
    alone = made(EXAMPLE, "edges", 5)
    (together,) = (probe for probe in probes(EXAMPLE, 5) if probe.name == "edges")
    assert isinstance(together, Probe)
    assert all(torch.equal(a, b) for a, b in zip(alone, together.tensors, strict=True))


def test_resized() -> None:
    example = (torch.tensor([[0.5, -2.0, 7.0]]), torch.tensor([[5, 9]]), torch.tensor([True]))
    x, index, flag = resize_tensors(example, [{0: 5, -1: 31}, {1: 23}, {}], seed=1)
    assert (x.shape, index.shape, flag.shape) == ((5, 31), (1, 23), (1,))
    assert -2.0 <= x.min() < x.max() <= 7.0
    assert len(set(x.flatten().tolist())) == x.numel()
    assert set(index.flatten().tolist()) == {5, 9}
    assert flag.item() is True
    again = resize_tensors(example, [{0: 5, -1: 31}, {1: 23}, {}], seed=1)
    assert torch.equal(again[0], x)
    assert not torch.equal(resize_tensors(example, [{0: 5, -1: 31}, {}, {}], seed=2)[0], x)


def test_resized_keeps_the_order_along_other_dims() -> None:
    one = torch.linspace(0.1, 0.9, 11)
    rising = torch.stack([one, one**2])  # and falls along the first dim
    marks = torch.tensor([[0, 3, 5], [0, 1, 7]])
    more, rows, fewer = resize_tensors((rising, marks, rising), [{0: 7}, {0: 5}, {1: 5}])
    assert torch.equal(more[:2], rising)
    assert (more.diff(dim=-1) >= 0).all()
    assert len(set(more[:, 0].tolist())) == 7
    assert {tuple(row) for row in rows.tolist()} == {(0, 3, 5), (0, 1, 7)}
    assert torch.equal(fewer, rising[:, :5])


def test_a_row_of_lengths_that_falls_never_rises() -> None:
    falling, mixed = torch.tensor([9, 7, 7, 2, 1]), torch.tensor([9, 2, 7, 1, 7])
    for probe in probes([falling, mixed], names=["wide", "huge", "edges", "impulse"]):
        ours, others = probe.tensors
        assert torch.equal(ours, ours.sort(descending=True).values)
        assert not torch.equal(others, others.sort(descending=True).values)
    ours, others = resize_tensors([falling, mixed], [{0: 8}, {0: 8}])
    assert torch.equal(ours, ours.sort(descending=True).values)
    assert torch.equal(others[:5], mixed)


def test_resized_keeps_what_is_sorted_and_makes_no_nan() -> None:
    offsets, boundaries, mixed = (
        torch.tensor([0, 3, 3, 11]),
        torch.linspace(-1, 1, 7),
        torch.tensor([5.0, -1.0, 3.0]),
    )
    infinite = torch.tensor([[torch.inf, 1.0, -torch.inf]])
    made = resize_tensors(
        (offsets, boundaries, mixed, infinite), [{0: 31}, {0: 37}, {0: 29}, {1: 41}]
    )
    for sorted_one in made[:2]:
        assert torch.equal(sorted_one, sorted_one.sort().values)
    assert not torch.equal(made[2], made[2].sort().values)
    assert not made[3].isnan().any()
    assert made[3].isinf().any()


def test_resized_from_and_to_nothing() -> None:
    x, index = resize_tensors(
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int32)), [{0: 7}, {0: 5}]
    )
    assert x.std() > 0.3
    assert index.tolist() == [0] * 5
    assert resize_tensors((torch.ones(2, 3),), [{0: 0}])[0].shape == (0, 3)


def quantised() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)


def test_both_parts_of_complex_numbers_are_filled() -> None:
    (probe,) = probes([torch.ones(3, 5, dtype=torch.complex64)], names=["wide"])
    (z,) = probe.tensors
    assert z.dtype is torch.complex64
    assert torch.view_as_real(z).abs().max() == 120
    assert z.real.std() > 0.3
    assert z.imag.std() > 0.3


REFUSED = [
    ("quantised", lambda: list(probes([quantised()])), "input 0 is torch.qint8"),
    ("number", lambda: list(probes([torch.ones(3), 5])), "input 1 is a int, not a tensor"),
    ("name", lambda: list(probes([torch.ones(3)], names=["wild"])), "no probe is called 'wild'"),
    ("dim", lambda: resize_tensors([torch.ones(2, 3)], [{2: 5}]), "input 0 cannot have 5 in dim 2"),
    (
        "negative dim",
        lambda: resize_tensors([torch.ones(2, 3)], [{-3: 5}]),
        "input 0 cannot have 5 in dim -3",
    ),
    (
        "negative size",
        lambda: resize_tensors([torch.ones(2, 3)], [{0: -5}]),
        "input 0 cannot have -5 in dim 0",
    ),
    (
        "count",
        lambda: resize_tensors([torch.ones(2, 3)], []),
        "sizes for 0 inputs, but the example has 1",
    ),
]


@pytest.mark.parametrize(
    ("call", "headline"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED]
)
def test_refusals_say_what_and_where(call: object, headline: str) -> None:
    with pytest.raises(InputError) as caught:
        call()  # type: ignore[operator]
    assert caught.value.headline.startswith(headline)
