"""Linear maps along one axis: each output element is a weighted sum of input elements at known places."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, layers, ops
from torch2keras.ops.blocks.constants import as_constant
from torch2keras.ops.blocks.padding import replicate_pad
from torch2keras.ops.blocks.slices import index_along

GATHERED = 6
"""Up to so many input elements for one output element are taken one by one; for more, a matrix product is quicker."""


@dataclass(frozen=True)
class Taps:
    """`y[i] = sum(weight[i, t] * x[index[i, t]])`, with (outputs, taps) tensors; float64 weights."""

    index: torch.Tensor
    weight: torch.Tensor

    @classmethod
    def of(cls, matrix: torch.Tensor) -> Taps:
        """The taps of an (outputs, inputs) matrix."""
        most = int((matrix != 0).sum(1).max())
        index = torch.argsort(matrix == 0, dim=1, stable=True)[:, :most]
        return cls(index, matrix.gather(1, index))

    def matrix(self, inputs: int) -> torch.Tensor:
        """As an (outputs, inputs) matrix."""
        empty = torch.zeros(len(self.index), inputs, dtype=torch.float64)
        return empty.scatter_add(1, self.index, self.weight)


def beside(values: torch.Tensor, x: Tensor, axis: int) -> Weight:
    """Numbers along one axis, so that they broadcast against x."""
    return as_constant(values.reshape(-1, *(1,) * (x.ndim - axis - 1)), x.dtype)


def resample(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """The weighted sums along one axis of a static length."""
    if taps.index.shape[1] > GATHERED and axis and None not in x.shape[axis:]:
        return product(x, axis, taps)
    parts = []
    for index, weight in zip(taps.index.T, taps.weight.T, strict=True):
        part = pick(x, axis, index)
        parts.append(part if bool((weight == 1).all()) else part * beside(weight, x, axis))
    return total(parts)


def total(parts: list[Tensor]) -> Tensor:
    """The sum."""
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result


def pick(x: Tensor, axis: int, index: torch.Tensor) -> Tensor:
    """Elements along one axis: the whole of it, a slice, each repeated, or taken by their places."""
    length, count = x.shape[axis], len(index)
    steps = index.diff().unique().tolist()
    if len(steps) <= 1 and (not steps or steps[0] > 0):
        step = steps[0] if steps else 1
        start, stop = int(index[0]), int(index[-1]) + 1
        whole = (start, stop, step) == (0, length, 1)
        return x if whole else x[index_along(axis, slice(start, stop, step))]
    if (
        length
        and count % length == 0
        and torch.equal(index, torch.arange(length).repeat_interleave(count // length))
    ):
        return repeat(x, axis, count // length)
    return ops.take(x, as_constant(index), axis=axis)


def repeat(x: Tensor, axis: int, times: int) -> Tensor:
    """Each element several times: `UpSampling` where the axes lie as that layer has them."""
    if times == 1:
        return x
    if x.ndim == 3 and axis == 1 and "float" in x.dtype:
        return layers.UpSampling1D(size=times)(x)
    return ops.repeat(x, times, axis=axis)


def product(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """A matrix product along one axis, wherever it is stored: the axes behind it count as one."""
    matrix = taps.matrix(int(x.shape[axis] or 0))
    if axis == x.ndim - 1:
        return ops.matmul(x, as_constant(matrix.T.contiguous(), x.dtype))
    left = as_constant(matrix, x.dtype)
    if axis == x.ndim - 2:
        return ops.matmul(left, x)
    before, behind = [-1 if size is None else size for size in x.shape[1:axis]], x.shape[axis + 1 :]
    flat = ops.matmul(
        left, layers.Reshape(target_shape=(*before, x.shape[axis], math.prod(behind)))(x)
    )
    return layers.Reshape(target_shape=(*before, len(matrix), *behind))(flat)


def interleave(x: Tensor, axis: int, weights: torch.Tensor) -> Tensor:
    """`times` outputs for each element, each a sum over its neighbours; the ends are repeated. Any length.

    `weights` is (times, 2 * reach + 1): of each output the weights of the neighbours from -reach to reach.
    """
    times, width = weights.shape
    reach = width // 2
    padded = replicate_pad(x, {axis: (reach, reach)})
    parts = []
    for number, weight in enumerate(weights.T):
        near = padded[index_along(axis, slice(number, number + 1 - width or None))]
        parts.append(ops.expand_dims(near, axis + 1) * beside(weight, x, axis))
    shape = [-1 if d == axis else size for d, size in enumerate(x.shape)]
    if x.shape[axis] is not None:
        shape[axis] = x.shape[axis] * times
    y = total(parts)
    return layers.Reshape(target_shape=tuple(shape[1:]))(y) if axis else ops.reshape(y, shape)


def thin(x: Tensor, axis: int, step: int, first: int, weights: torch.Tensor) -> Tensor:
    """One output for each whole `step` elements, a sum of those from `first` on within it. Any length.

    `weights` is (taps,); where taps lie outside, the ends are repeated.
    """
    before, after = max(0, -first), max(0, first + len(weights) - step)
    padded = replicate_pad(x, {axis: (before, after)}) if before or after else x
    parts = []
    for number, weight in enumerate(weights.tolist()):
        start = before + first + number
        stop = start - before - after - step + 1
        part = padded[index_along(axis, slice(start or None, stop or None, step))]
        parts.append(part if weight == 1 else part * weight)
    return total(parts)
