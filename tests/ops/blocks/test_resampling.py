"""Weighted sums along one axis, each against a matrix product."""

from __future__ import annotations

import pytest
import torch

from recorded import record
from torch2keras.ops.blocks.resampling import Taps, interleave, pick, repeat_each, resample, thin

SHAPE = (5, 7, 11, 3)
X = torch.randn(SHAPE)


def multiply(matrix: torch.Tensor, x: torch.Tensor, axis: int) -> torch.Tensor:
    """The matrix times `x` along one axis, in float64."""
    return (x.double().movedim(axis, -1) @ matrix.double().T).movedim(-1, axis).float()


def sparse(outputs: int, inputs: int, taps: int) -> torch.Tensor:
    """A matrix of so many entries a row, at random places."""
    places = torch.rand(outputs, inputs).argsort(1)[:, :taps]
    return torch.zeros(outputs, inputs, dtype=torch.float64).scatter(
        1, places, torch.rand(outputs, taps, dtype=torch.float64)
    )


def test_taps_and_matrices_are_one_map() -> None:
    matrix = sparse(13, 7, 3)
    taps = Taps.of_matrix(matrix)
    assert taps.index.shape == (13, 3)
    assert torch.equal(taps.matrix(7), matrix)


@pytest.mark.parametrize("dynamic", [(), (0,)], ids=["static", "dynamic"])
@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("taps", [1, 2, 99], ids=["one", "few", "all"])
def test_resample_is_a_matrix_product(axis: int, taps: int, dynamic: tuple[int, ...]) -> None:
    matrix = sparse(13, SHAPE[axis], min(taps, SHAPE[axis]))
    found = record(lambda x: resample(x, axis, Taps.of_matrix(matrix)), X, dynamic=dynamic)
    assert torch.allclose(found.result, multiply(matrix, X, axis), atol=1e-5)
    if taps == 99 and axis < 3:
        assert "ops.matmul" in found.targets


@pytest.mark.parametrize(
    ("places", "targets"),
    [
        ([0, 1, 2, 3, 4, 5, 6], []),
        ([2, 3, 4], ["getitem"]),
        ([5], ["getitem"]),
        ([0, 3, 6], ["getitem"]),
        ([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6], ["ops.repeat"]),
        ([6, 5, 4], ["ops.take"]),
        ([1, 1, 2], ["ops.take"]),
        ([3, 3], ["ops.take"]),
    ],
    ids=str,
)
def test_pick_takes_the_simplest_way(places: list[int], targets: list[str]) -> None:
    found = record(lambda x: pick(x, 1, torch.tensor(places)), X)
    assert torch.equal(found.result, X[:, places])
    assert found.targets == targets


@pytest.mark.parametrize(
    ("x", "times", "targets"),
    [
        (X[0], 3, ["layers.UpSampling1D"]),
        (X[0].long(), 3, ["ops.repeat"]),
        (X, 2, ["ops.repeat"]),
        (X, 1, []),
    ],
)
def test_elements_are_repeated_by_a_layer_where_it_fits(x, times: int, targets) -> None:
    found = record(lambda t: repeat_each(t, 1, times), x)
    assert torch.equal(found.result, x.repeat_interleave(times, dim=1))
    assert found.targets == targets


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("length", ["static", "dynamic"])
def test_interleaved_outputs_are_sums_over_neighbours(axis: int, length: str) -> None:
    weights = torch.rand(3, 5, dtype=torch.float64)
    dynamic = (axis,) if length == "dynamic" else ()
    found = record(lambda x: interleave(x, axis, weights), X, dynamic=dynamic).result
    size = SHAPE[axis]
    matrix = torch.zeros(3 * size, size, dtype=torch.float64)
    for output in range(3 * size):
        for tap in range(5):
            place = min(max(output // 3 + tap - 2, 0), size - 1)
            matrix[output, place] += weights[output % 3, tap]
    assert torch.allclose(found, multiply(matrix, X, axis), atol=1e-5)


@pytest.mark.parametrize("length", ["static", "dynamic"])
@pytest.mark.parametrize(
    ("step", "first", "weights"),
    [(2, 0, [0.5, 0.5]), (3, 1, [1.0]), (4, -1, [0.1, 0.2, 0.3, 0.3, 0.2, 0.1]), (5, 2, [2.0])],
)
def test_thinned_outputs_are_sums_within_each_step(
    step: int, first: int, weights: list[float], length: str
) -> None:
    dynamic = (2,) if length == "dynamic" else ()
    taps = torch.tensor(weights, dtype=torch.float64)
    found = record(lambda x: thin(x, 2, step, first, taps), X, dynamic=dynamic).result
    size = SHAPE[2]
    matrix = torch.zeros(size // step, size, dtype=torch.float64)
    for output in range(size // step):
        for tap, weight in enumerate(weights):
            matrix[output, min(max(output * step + first + tap, 0), size - 1)] += weight
    assert torch.allclose(found, multiply(matrix, X, 2), atol=1e-5)
