"""A convolution with TensorFlow's "same" padding, whose amount depends on the length.

With stride s an input of n elements gives ceil(n / s) outputs; what that needs beside the n
elements are zeros, half of them on each side, an odd one on the right
(https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from torch2keras.custom_ops.library import define_op


def find_same_total(length: int, kernel: int, stride: int, dilation: int) -> int:
    """Return how many zeros "same" padding adds to a length, on both sides together."""
    outputs = -(-length // stride)
    return max((outputs - 1) * stride + (kernel - 1) * dilation + 1 - length, 0)


def compute_same_convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> torch.Tensor:
    """Return the convolution of (n, c, *s) by (f, c of a group, *k)."""
    sizes = zip(x.shape[2:], weight.shape[2:], stride, dilation, strict=True)
    totals = [find_same_total(*each) for each in sizes]
    widths: list[int] = []
    for total in reversed(totals):
        widths += [total // 2, total - total // 2]
    nothing = [0] * len(totals)
    y: torch.Tensor = torch.convolution(
        F.pad(x, widths),
        weight,
        bias,
        stride,
        nothing,
        dilation,
        transposed=False,
        output_padding=nothing,
        groups=groups,
    )
    return y.contiguous()


def _fake_same_convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,  # noqa: ARG001 - the schema's
    stride: Sequence[int],
    dilation: Sequence[int],  # noqa: ARG001 - the schema's
    groups: int,  # noqa: ARG001 - the schema's
) -> torch.Tensor:
    pairs = zip(x.shape[2:], stride, strict=True)
    spatial = [(length + step - 1) // step for length, step in pairs]
    return x.new_empty((x.shape[0], weight.shape[0], *spatial))


same_convolution = define_op(
    "same_convolution(Tensor x, Tensor weight, Tensor? bias, int[] stride, int[] dilation, "
    "int groups) -> Tensor",
    compute_same_convolution,
    _fake_same_convolution,
)
