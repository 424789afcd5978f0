"""Linear maps along one axis: each output is a weighted sum of elements at known places."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import torch

from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, layers, ops
from torch2keras.ops.blocks.constants import as_constant
from torch2keras.ops.blocks.padding import replicate
from torch2keras.ops.blocks.slices import index_along

MOST_TAPS_TAKEN = 6
"""Up to so many input elements of one output element are taken one by one.

Where there are more, a matrix product is quicker.
"""


@dataclass(frozen=True)
class Taps:
    """The map `y[i] = sum(weight[i, t] * x[index[i, t]])`; both are (outputs, taps).

    The weights are float64.
    """

    index: torch.Tensor
    weight: torch.Tensor

    @classmethod
    def of_matrix(cls, matrix: torch.Tensor) -> Taps:
        """The taps of an (outputs, inputs) matrix."""
        most = int((matrix != 0).sum(1).max())
        index = torch.argsort(matrix == 0, dim=1, stable=True)[:, :most]
        return cls(index, matrix.gather(1, index))

    def matrix(self, inputs: int) -> torch.Tensor:
        """The same map as an (outputs, inputs) matrix."""
        empty = torch.zeros(len(self.index), inputs, dtype=torch.float64)
        return empty.scatter_add(1, self.index, self.weight)


def resample(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """The weighted sums along one axis of a static length."""
    if taps.index.shape[1] > MOST_TAPS_TAKEN and axis and None not in x.shape[axis:]:
        return _multiply_by_matrix(x, axis, taps)
    parts = []
    for index, weight in zip(taps.index.T, taps.weight.T, strict=True):
        part = pick(x, axis, index)
        if bool((weight != 1).any()):
            part = part * _as_factor(weight, x, axis)
        parts.append(part)
    return reduce(ops.add, parts)


def _as_factor(values: torch.Tensor, x: Tensor, axis: int) -> Weight:
    """Numbers along one axis as a constant that broadcasts against `x`."""
    return as_constant(values.reshape(-1, *(1,) * (x.ndim - axis - 1)), x.dtype)


def _multiply_by_matrix(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """A matrix product along one axis, wherever it is stored: the axes behind it count as one."""
    matrix = taps.matrix(x.shape[axis])
    if axis == x.ndim - 1:
        return ops.matmul(x, as_constant(matrix.T.contiguous(), x.dtype))
    left = as_constant(matrix, x.dtype)
    if axis == x.ndim - 2:
        return ops.matmul(left, x)
    before = [-1 if size is None else size for size in x.shape[1:axis]]
    behind = x.shape[axis + 1 :]
    columns = layers.Reshape(target_shape=(*before, x.shape[axis], math.prod(behind)))(x)
    return layers.Reshape(target_shape=(*before, len(matrix), *behind))(ops.matmul(left, columns))


def pick(x: Tensor, axis: int, index: torch.Tensor) -> Tensor:
    """The elements at known places of one axis.

    They are the whole of it, a slice, each element repeated, or else taken by their places.
    """
    steps = index.diff().unique().tolist()
    if not steps or (len(steps) == 1 and steps[0] > 0):
        step = steps[0] if steps else 1
        return _slice_from_to(x, axis, slice(int(index[0]), int(index[-1]) + 1, step))
    length = x.shape[axis]
    if length and len(index) % length == 0:
        times = len(index) // length
        if torch.equal(index, torch.arange(length).repeat_interleave(times)):
            return repeat_each(x, axis, times)
    return ops.take(x, as_constant(index), axis=axis)


def _slice_from_to(x: Tensor, axis: int, part: slice) -> Tensor:
    """A slice of an axis, or `x` itself where that is all of it."""
    if part == slice(0, x.shape[axis], 1):
        return x
    return x[index_along(axis, part)]


def repeat_each(x: Tensor, axis: int, times: int) -> Tensor:
    """Each element several times: `UpSampling1D` where the axes lie as that layer has them."""
    if times == 1:
        return x
    if x.ndim == 3 and axis == 1 and x.is_float:
        return layers.UpSampling1D(size=times)(x)
    return ops.repeat(x, times, axis=axis)


def interleave(x: Tensor, axis: int, weights: torch.Tensor) -> Tensor:
    """Several outputs for each element, each of them a sum over its neighbours. Any length.

    `weights` is (times, 2 * reach + 1): for each of the `times` outputs of an element the weights
    of its neighbours from -reach to reach. The ends of `x` are repeated.
    """
    times, width = weights.shape
    reach = width // 2
    wide = replicate(x, {axis: (reach, reach)})
    parts = []
    for number, weight in enumerate(weights.T):
        neighbours = wide[index_along(axis, slice(number, number + 1 - width or None))]
        parts.append(ops.expand_dims(neighbours, axis + 1) * _as_factor(weight, x, axis))
    length = x.shape[axis]
    shape = list(x.shape)
    shape[axis] = -1 if length is None else length * times
    y = reduce(ops.add, parts)
    if axis:
        return layers.Reshape(target_shape=tuple(shape[1:]))(y)
    return ops.reshape(y, shape)


def thin(x: Tensor, axis: int, step: int, first: int, weights: torch.Tensor) -> Tensor:
    """One output for each whole `step` elements, a sum of those from `first` on in it. Any length.

    `weights` is (taps,); where taps lie outside, the ends of `x` are repeated.
    """
    before, after = max(0, -first), max(0, first + len(weights) - step)
    wide = replicate(x, {axis: (before, after)})
    parts = []
    for number, weight in enumerate(weights.tolist()):
        start = before + first + number
        stop = start - before - after - step + 1
        part = wide[index_along(axis, slice(start or None, stop or None, step))]
        parts.append(part if weight == 1 else part * weight)
    return reduce(ops.add, parts)
