"""Decompositions of ops for which PyTorch has none that can be used."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor
from torch._ops import OpOverload

from torch2keras.fx_passes.grid_sampling import grid_sampler_2d

aten = torch.ops.aten


def as_strided(
    x: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """Elements of `x` looked up by their number in memory.

    Raises NotImplementedError where memory is not in the order of the dimensions, or begins before
    `x`.
    """
    return x.reshape(-1)[_places(x, size, stride, storage_offset)]


def as_strided_scatter(
    x: Tensor,
    src: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    storage_offset: int | None = None,
) -> Tensor:
    """`x` with `src` written to elements that are named by their number in memory.

    Raises NotImplementedError as `as_strided` does, and where an element could be written twice.
    """
    reached = 0
    for step, count in sorted(zip(stride, size, strict=True)):
        if count > 1 and step <= reached:
            raise NotImplementedError
        reached += step * (count - 1)
    places = _places(x, size, stride, storage_offset).reshape(-1)
    return x.reshape(-1).index_put((places,), src.reshape(-1)).reshape(x.shape)


def _places(
    x: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None
) -> Tensor:
    """The numbers in memory, of shape `size`, of the elements that strides name.

    Raises NotImplementedError where `x` does not lie in memory in the order of its dimensions, from
    the beginning.
    """
    if not x.is_contiguous() or x.storage_offset() != 0:
        raise NotImplementedError
    places = torch.tensor(storage_offset or 0)
    for count, step in zip(size, stride, strict=True):
        places = places.unsqueeze(-1) + step * torch.arange(count)
    return places


def masked_scatter(x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`x` with the next element of `source` at each place that the mask names.

    The places are counted in row-major order.
    """
    x, mask = torch.broadcast_tensors(x, mask)  # type: ignore[no-untyped-call]
    numbers = (mask.reshape(-1).cumsum(0) - 1).clamp(min=0)
    return torch.where(mask, source.reshape(-1)[numbers].reshape(x.shape), x)


def copy(x: Tensor, src: Tensor, *_: Any) -> Tensor:
    """`src` in the dtype and the shape of `x`."""
    return src.to(x.dtype).expand_as(x)


def native_group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, *sizes: Any
) -> tuple[Tensor, ...]:
    """Group normalization, and the mean and the inverse deviation of each group."""
    *_, groups, eps = sizes
    each = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    variance, mean = torch.var_mean(each, tuple(range(2, each.ndim)), correction=0, keepdim=True)
    inverse = (variance + eps).rsqrt()
    y = ((each - mean) * inverse).reshape(x.shape)
    channels = (-1,) + (1,) * (x.ndim - 2)
    if weight is not None:
        y = y * weight.reshape(channels)
    if bias is not None:
        y = y + bias.reshape(channels)
    return y, mean.reshape(-1, groups), inverse.reshape(-1, groups)


def pdist(x: Tensor, p: float = 2.0) -> Tensor:
    """The distances of each row to those behind it.

    Raises NotImplementedError for a dynamic number of rows.
    """
    if not isinstance(x.shape[0], int):
        raise NotImplementedError
    first, second = torch.triu_indices(x.shape[0], x.shape[0], 1)
    return aten.linalg_vector_norm(x[first] - x[second], p, [-1])  # type: ignore[no-any-return]


def searchsorted_scalar(row: Tensor, value: float, **options: Any) -> Tensor:
    """The place of a number in a sorted row.

    A fraction among integers is compared in float64, which is as exact as Python has it.
    """
    is_exact = isinstance(value, int) or row.is_floating_point()
    dtype = row.dtype if is_exact else torch.float64
    return torch.searchsorted(row, torch.full((), value, dtype=dtype), **options)


def linear_cross_entropy(
    x: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    label_smoothing: float,
    *_: Any,
) -> tuple[Tensor, ...]:
    """The loss, without regard to chunks; what the op keeps for its backward pass is NaN."""
    scores = F.linear(x, linear_weight, linear_bias)
    loss = F.cross_entropy(
        scores,
        target,
        weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
    kept = (x, linear_weight, linear_weight[:, 0])
    return loss, *(torch.full_like(like, math.nan) for like in kept)


def linear_cross_entropy_each(
    x: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None,
    weight: Tensor | None,
    ignore_index: int,
    *_: Any,
) -> Tensor:
    """The loss of each sample."""
    return linear_cross_entropy(
        x, linear_weight, target, linear_bias, weight, "none", ignore_index, 0.0
    )[0]


def lstm_cell(
    x: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: the new hidden state and the new cell state.

    PyTorch's own decomposition writes to parts of a tensor. The formulas are those of
    https://pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html.
    """
    h, c = hx
    i, f, g, o = (F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh)).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_cell(
    x: Tensor,
    h: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of a GRU: the new hidden state.

    The formulas are those of https://pytorch.org/docs/stable/generated/torch.nn.GRUCell.html.
    """
    r, z, n = F.linear(x, w_ih, b_ih).chunk(3, 1)
    r_h, z_h, n_h = F.linear(h, w_hh, b_hh).chunk(3, 1)
    n = torch.tanh(n + torch.sigmoid(r + r_h) * n_h)
    z = torch.sigmoid(z + z_h)
    return n + z * (h - n)


OWN: Mapping[OpOverload, Callable[..., Any]] = {
    aten.as_strided.default: as_strided,
    aten.as_strided_scatter.default: as_strided_scatter,
    aten.masked_scatter.default: masked_scatter,
    aten.copy.default: copy,
    aten.native_group_norm.default: native_group_norm,
    aten.grid_sampler_2d.default: grid_sampler_2d,
    aten._pdist_forward.default: pdist,  # noqa: SLF001 - ATen's name
    aten.searchsorted.Scalar: searchsorted_scalar,
    aten.lstm_cell.default: lstm_cell,
    aten.gru_cell.default: gru_cell,
}


OWN_BY_NAME: Mapping[str, Callable[..., Any]] = {
    "torch_nn::_linear_cross_entropy_batch_chunked": linear_cross_entropy,
    "torch_nn::_linear_cross_entropy_batch_chunked_no_reduction": linear_cross_entropy_each,
}
"""The decompositions of ops that PyTorch defines only when they are first used."""
