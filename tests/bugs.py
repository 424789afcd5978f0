"""Wrong translations that people and converters really make, each beside the right net.

`right()` builds a net; `other(net)` a variant of it that shares its weights and makes the one mistake. Where the
mistake shows or hides with the length, `shape` and `second` have different ones. `torch.export` takes all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from variants import Call, Variant, after, alone, another, changed, instead, recurrent


def _same_pad(x: Tensor, conv: nn.Conv1d) -> Tensor:
    """TensorFlow's "same": the odd element goes to the right."""
    length, stride = x.shape[-1], conv.stride[0]
    total = max((-(-length // stride) - 1) * stride + conv.kernel_size[0] - length, 0)
    padded = F.pad(x, (total // 2, total - total // 2))
    return F.conv1d(padded, conv.weight, conv.bias, stride)


def _unpadded_transpose(x: Tensor, conv: nn.ConvTranspose1d) -> Tensor:
    return F.conv_transpose1d(x, conv.weight, None, conv.stride, groups=conv.groups)


def _same_crop(x: Tensor, conv: nn.ConvTranspose1d) -> Tensor:
    full = _unpadded_transpose(x, conv)
    return full[:, :, : x.shape[-1] * conv.stride[0]] + conv.bias[:, None]


def _gru_gates_swapped(net: nn.Module) -> None:
    for name, tensor in net.named_parameters():
        if "_l0" in name:
            reset, update, new = tensor.data.chunk(3)
            tensor.data = torch.cat([update, reset, new])


def _lstm_gates_swapped(net: nn.Module) -> None:
    for name, tensor in net.named_parameters():
        if "_l0" in name:
            i, f, g, o = tensor.data.chunk(4)
            tensor.data = torch.cat([i, f, o, g])


def _set(**attributes: object) -> Callable[[nn.Module], None]:
    def edit(net: nn.Module) -> None:
        for name, value in attributes.items():
            setattr(net, name, value)

    return edit


def _shuffled_groups(x: Tensor, conv: nn.Conv1d) -> Tensor:
    n, channels, length = x.shape
    interleaved = x.reshape(n, channels // conv.groups, conv.groups, length).transpose(1, 2)
    return conv(interleaved.reshape(x.shape))


def _standardized(x: Tensor, correction: int) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (
        x.var(-1, keepdim=True, correction=correction) + 1e-5
    ).sqrt()


def _norm_eps_outside(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    scale = norm.weight / (norm.running_var.sqrt() + norm.eps)
    return (x - norm.running_mean[:, None]) * scale[:, None] + norm.bias[:, None]


def _square_attention(x: Tensor, dim: int) -> Tensor:
    return torch.softmax(x @ x.transpose(1, 2) / 3, dim) @ x


def _edge_pad(x: Tensor, left: int, right: int) -> Tensor:
    return F.pad(x, (left, right), mode="replicate")


def _pixel_shuffle(x: Tensor, factor: int, *, channel_major: bool) -> Tensor:
    n, channels, length = x.shape
    split = (channels // factor, factor) if channel_major else (factor, channels // factor)
    y = x.reshape(n, *split, length)
    y = y.permute(0, 1, 3, 2) if channel_major else y.permute(0, 2, 3, 1)
    return y.reshape(n, channels // factor, length * factor)


def _head() -> nn.Module:
    return nn.Sequential(nn.Conv1d(6, 7, 3), nn.Flatten(), nn.Linear(7 * 18, 5))


BUGS: tuple[Variant, ...] = (
    Variant(
        "padding same for stride 2",
        lambda: nn.Conv1d(6, 7, 3, stride=2, padding=1),
        another(_same_pad),
    ),
    Variant("relu6 for relu", after(F.relu), instead(F.relu6)),
    Variant(
        "softplus that overflows", alone(F.softplus), another(lambda x: torch.log(1 + torch.exp(x)))
    ),
    Variant(
        "leaky slope 0.3 for 0.01", after(F.leaky_relu), instead(lambda x: F.leaky_relu(x, 0.3))
    ),
    Variant(
        "layer norm eps 1e-3 for 1e-5",
        lambda: nn.LayerNorm(20),
        changed(_set(eps=1e-3)),
        second=(3, 6, 20),
    ),
    Variant("batch norm eps 1e-3 for 1e-5", lambda: nn.BatchNorm1d(6), changed(_set(eps=1e-3))),
    Variant(
        "batch norm eps outside the root", lambda: nn.BatchNorm1d(6), another(_norm_eps_outside)
    ),
    Variant("group norm eps 1e-3 for 1e-5", lambda: nn.GroupNorm(3, 6), changed(_set(eps=1e-3))),
    Variant("group norm with one group", lambda: nn.GroupNorm(3, 6), changed(_set(num_groups=1))),
    Variant(
        "average pool that does not count padding",
        lambda: nn.AvgPool1d(3, 2, 1),
        another(lambda x, _: F.avg_pool1d(x, 3, 2, 1, count_include_pad=False)),
    ),
    Variant(
        "max pool padded with zeros",
        lambda: Call(lambda x: F.max_pool1d(x - 3, 3, 2, 1)),
        another(lambda x: F.max_pool1d(F.pad(x - 3, (1, 1)), 3, 2)),
    ),
    Variant("GRU gates in Keras order", recurrent(nn.GRU), changed(_gru_gates_swapped)),
    Variant(
        "LSTM cell and output gate exchanged", recurrent(nn.LSTM), changed(_lstm_gates_swapped)
    ),
    Variant(
        "biased variance",
        alone(lambda x: _standardized(x, 1)),
        another(lambda x: _standardized(x, 0)),
    ),
    Variant(
        "floor for trunc",
        after(lambda x: torch.div(x, 0.3, rounding_mode="trunc")),
        instead(lambda x: torch.div(x, 0.3, rounding_mode="floor")),
    ),
    Variant(
        "remainder for fmod",
        after(lambda x: torch.fmod(x, 0.7)),
        instead(lambda x: torch.remainder(x, 0.7)),
    ),
    Variant(
        "transposed convolution cropped as same",
        lambda: nn.ConvTranspose1d(6, 7, 3, stride=2, padding=1, output_padding=1),
        another(_same_crop),
    ),
    Variant(
        "channels last before flatten",
        _head,
        lambda net: nn.Sequential(net[0], Call(lambda x: x.transpose(1, 2).flatten(1)), net[2]),
        second=None,
    ),
    Variant(
        "kernel flipped",
        lambda: nn.Conv1d(6, 7, 5),
        changed(lambda net: net.weight.set_(net.weight.flip(-1).contiguous())),
    ),
    Variant(
        "kernel with in and out exchanged",
        lambda: nn.Conv1d(6, 6, 3),
        changed(lambda net: net.weight.set_(net.weight.transpose(0, 1).contiguous())),
    ),
    Variant("gelu by tanh", after(F.gelu), instead(lambda x: F.gelu(x, approximate="tanh"))),
    Variant("groups interleaved", lambda: nn.Conv1d(6, 9, 3, groups=3), another(_shuffled_groups)),
    Variant(
        "bias forgotten",
        lambda: nn.Conv1d(6, 7, 3),
        another(lambda x, conv: F.conv1d(x, conv.weight)),
    ),
    Variant(
        "softmax over the wrong axis of a square",
        alone(lambda x: _square_attention(x, -1)),
        another(lambda x: _square_attention(x, -2)),
    ),
    Variant(
        "layer norm over the wrong axis of a square",
        lambda: nn.LayerNorm(6),
        another(lambda x, norm: norm(x.transpose(1, 2)).transpose(1, 2)),
        shape=(2, 6, 6),
        second=None,
    ),
    Variant(
        "dilation ignored, the shape being equal",
        lambda: nn.Conv1d(6, 7, 3, padding=2, dilation=2),
        another(lambda x, conv: F.conv1d(x, conv.weight, conv.bias, padding=1)),
    ),
    Variant(
        "causal padding on both sides",
        lambda: Call(lambda x, conv: conv(F.pad(x, (4, 0))), nn.Conv1d(6, 7, 5)),
        another(lambda x, conv: conv(F.pad(x, (2, 2)))),
    ),
    Variant(
        "align_corners",
        alone(lambda x: F.interpolate(x, scale_factor=2, mode="linear", align_corners=False)),
        another(lambda x: F.interpolate(x, scale_factor=2, mode="linear", align_corners=True)),
    ),
    Variant(
        "nearest with the other rounding",
        alone(lambda x: F.interpolate(x, size=31, mode="nearest")),
        another(lambda x: F.interpolate(x, size=31, mode="nearest-exact")),
    ),
    Variant("silu for hardswish", after(F.hardswish), instead(F.silu)),
    Variant(
        "hardsigmoid of Keras 2",
        after(F.hardsigmoid),
        instead(lambda x: torch.clamp(0.2 * x + 0.5, 0, 1)),
    ),
    Variant("elu for selu", after(F.selu), instead(F.elu)),
    Variant(
        "edge padding for reflect",
        lambda: nn.Conv1d(6, 7, 3, padding=1, padding_mode="reflect"),
        another(lambda x, conv: F.conv1d(_edge_pad(x, 1, 1), conv.weight, conv.bias)),
    ),
    Variant(
        "same padding of an even kernel to the left",
        lambda: nn.Conv1d(6, 7, 4, padding="same"),
        another(lambda x, conv: F.conv1d(F.pad(x, (2, 1)), conv.weight, conv.bias)),
    ),
    Variant(
        "logsumexp that overflows",
        alone(lambda x: torch.logsumexp(x, 1)),
        another(lambda x: x.exp().sum(1).log()),
    ),
    Variant(
        "log of a softmax that underflows",
        after(lambda x: F.log_softmax(4 * x, 1)),
        instead(lambda x: F.softmax(4 * x, 1).log()),
    ),
    Variant(
        "depthwise multiplier order",
        lambda: nn.Conv1d(6, 12, 3, groups=6),
        changed(
            lambda net: net.weight.set_(
                net.weight.reshape(6, 2, 1, 3).transpose(0, 1).reshape(12, 1, 3)
            )
        ),
    ),
    Variant(
        "pixel shuffle with the factor first",
        alone(lambda x: _pixel_shuffle(x, 2, channel_major=True)),
        another(lambda x: _pixel_shuffle(x, 2, channel_major=False)),
    ),
    Variant("mean for sum", after(lambda x: x.sum(-1)), instead(lambda x: x.mean(-1))),
    Variant(
        "one weight off by 1e-3",
        lambda: nn.Conv1d(6, 7, 3),
        changed(lambda net: net.weight[3, 2, 1].add_(1e-3)),
    ),
    Variant(
        "weights rounded to bfloat16",
        lambda: nn.Conv1d(6, 7, 3),
        changed(lambda net: net.weight.set_(net.weight.bfloat16().float())),
    ),
)
"""Caught by "normal" and "wide" inputs at `shape` and `second`."""

EDGE_BUGS: tuple[Variant, ...] = (
    Variant(
        "step at zero",
        alone(lambda x: (x >= 0).to(x.dtype)),
        another(lambda x: (x > 0).to(x.dtype)),
    ),
    Variant("halves rounded up", alone(torch.round), another(lambda x: torch.floor(x + 0.5))),
    Variant("sign of zero", alone(torch.sign), another(lambda x: torch.where(x < 0, -1.0, 1.0))),
    Variant(
        "division of zero by zero",
        alone(lambda x: x / x.norm(dim=1, keepdim=True)),
        another(lambda x: F.normalize(x, dim=1)),
    ),
)
"""Only seen with "edges"."""

HUGE_BUGS: tuple[Variant, ...] = (
    Variant(
        "softplus that overflows behind small weights",
        after(F.softplus),
        instead(lambda x: torch.log(1 + torch.exp(x))),
    ),
    Variant(
        "logsumexp that overflows behind small weights",
        after(lambda x: torch.logsumexp(x, 1)),
        instead(lambda x: x.exp().sum(1).log()),
    ),
)
"""Only seen with "huge": the first layer leaves too little of 120."""
