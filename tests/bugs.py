"""Wrong translations that people and converters really make, each beside the right net.

`right()` builds a net; `other(net)` a variant of it that shares its weights and makes the one
mistake. Where the mistake shows or hides with the length, `shape` and `second` have different ones.
`torch.export` takes all of them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from sequence_bugs import SEQUENCE_BUGS
from shape_bugs import SHAPE_BUGS
from variants import Call, Variant, after, alone, another, assigned, changed, instead


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


def _norm_of_the_batch(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    return F.batch_norm(x, None, None, norm.weight, norm.bias, training=True)


def _standardized_pairs(x: Tensor) -> Tensor:
    """Three groups of two channels, at each position by itself."""
    pairs = x.unflatten(1, (3, 2)).transpose(2, 3)
    return F.layer_norm(pairs, (2,)).transpose(2, 3).flatten(1, 2)


def _norm_of_interleaved_groups(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Channels 0 and 3, 1 and 4, 2 and 5 as groups."""
    y = norm(x.unflatten(1, (2, 3)).transpose(1, 2).flatten(1, 2))
    return y.unflatten(1, (3, 2)).transpose(1, 2).flatten(1, 2)


def _zero_output_padding(x: Tensor, conv: nn.ConvTranspose1d) -> Tensor:
    y = F.conv_transpose1d(x, conv.weight, None, conv.stride, conv.padding)
    return F.pad(y, (0, 1)) + conv.bias[:, None]


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


LAYER_BUGS: tuple[Variant, ...] = (
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
        changed(assigned(eps=1e-3)),
        second=(3, 6, 20),
    ),
    Variant("batch norm eps 1e-3 for 1e-5", lambda: nn.BatchNorm1d(6), changed(assigned(eps=1e-3))),
    Variant(
        "batch norm eps outside the root", lambda: nn.BatchNorm1d(6), another(_norm_eps_outside)
    ),
    Variant(
        "group norm eps 1e-3 for 1e-5", lambda: nn.GroupNorm(3, 6), changed(assigned(eps=1e-3))
    ),
    Variant(
        "group norm with one group", lambda: nn.GroupNorm(3, 6), changed(assigned(num_groups=1))
    ),
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
CONVOLUTION_BUGS: tuple[Variant, ...] = (
    Variant(
        "transposed kernel flipped",
        lambda: nn.ConvTranspose1d(6, 7, 3, stride=2),
        changed(lambda net: net.weight.set_(net.weight.flip(-1).contiguous())),
    ),
    Variant(
        "output padding of zeros",
        lambda: nn.ConvTranspose1d(6, 7, 3, stride=2, padding=1, output_padding=1),
        another(_zero_output_padding),
    ),
    Variant(
        "output padding at the left",
        lambda: nn.ConvTranspose1d(6, 7, 3, stride=2, padding=1, output_padding=1),
        another(lambda x, conv: _unpadded_transpose(x, conv)[..., :-1] + conv.bias[:, None]),
    ),
    Variant(
        "groups of a transposed convolution interleaved",
        lambda: nn.ConvTranspose1d(6, 6, 3, groups=2),
        another(lambda x, conv: conv(x.unflatten(1, (3, 2)).transpose(1, 2).flatten(1, 2))),
    ),
    Variant(
        "kernel of an image with width before height",
        lambda: nn.Conv2d(3, 4, 3),
        changed(lambda net: net.weight.set_(net.weight.transpose(2, 3).contiguous())),
        shape=(2, 3, 7, 7),
        second=None,
    ),
    Variant(
        "dilation of an image with width before height",
        lambda: nn.Conv2d(3, 4, 3, padding=(1, 2), dilation=(1, 2)),
        another(
            lambda x, conv: F.conv2d(x, conv.weight, conv.bias, padding=(2, 1), dilation=(2, 1))
        ),
        shape=(2, 3, 7, 7),
        second=None,
    ),
    Variant(
        "strides that begin at the second element",
        lambda: nn.Conv1d(6, 7, 3, stride=2, padding=1),
        another(lambda x, conv: F.conv1d(F.pad(x, (0, 2)), conv.weight, conv.bias, stride=2)),
    ),
    Variant(
        "bias twice",
        lambda: nn.Conv1d(6, 7, 3),
        another(lambda x, conv: conv(x) + conv.bias[:, None]),
    ),
    Variant(
        "weights of two layers exchanged",
        lambda: nn.Sequential(nn.Conv1d(6, 6, 3), nn.Conv1d(6, 6, 3)),
        lambda net: nn.Sequential(net[1], net[0]),
    ),
    Variant(
        "kernel of a linear layer not transposed",
        lambda: nn.Linear(20, 20),
        changed(lambda net: net.weight.set_(net.weight.T.contiguous())),
        second=None,
    ),
    Variant(
        "residual before the activation",
        lambda: Call(lambda x, conv: x + conv(x).relu(), nn.Conv1d(6, 6, 3, padding=1)),
        another(lambda x, conv: (x + conv(x)).relu()),
    ),
)

NORMALIZATION_BUGS: tuple[Variant, ...] = (
    Variant("batch norm of the batch", lambda: nn.BatchNorm1d(6), another(_norm_of_the_batch)),
    Variant(
        "batch norm without gamma",
        lambda: nn.BatchNorm1d(6),
        changed(lambda net: net.weight.fill_(1)),
    ),
    Variant(
        "batch norm without beta", lambda: nn.BatchNorm1d(6), changed(lambda net: net.bias.zero_())
    ),
    Variant(
        "batch norm with the unbiased variance",
        lambda: nn.BatchNorm1d(6),
        changed(lambda net: net.running_var.mul_(40 / 39)),
    ),
    Variant(
        "batch norm with deviations for variances",
        lambda: nn.BatchNorm1d(6),
        changed(lambda net: net.running_var.sqrt_()),
    ),
    Variant(
        "instance norm over the channels",
        lambda: nn.InstanceNorm1d(6),
        another(lambda x, _: F.layer_norm(x.transpose(1, 2), (6,)).transpose(1, 2)),
    ),
    Variant(
        "group norm of each position",
        lambda: nn.GroupNorm(3, 6, affine=False),
        another(lambda x, _: _standardized_pairs(x)),
    ),
    Variant(
        "groups of a norm interleaved",
        lambda: nn.GroupNorm(3, 6, affine=False),
        another(_norm_of_interleaved_groups),
    ),
    Variant(
        "layer norm over the last of two dimensions",
        lambda: nn.LayerNorm((6, 20), elementwise_affine=False),
        another(lambda x, _: F.layer_norm(x, (20,))),
        second=(3, 6, 20),
    ),
    Variant(
        "layer norm without its mean",
        lambda: nn.LayerNorm(20),
        another(lambda x, norm: F.rms_norm(x, (20,), norm.weight, 1e-5) + norm.bias),
        second=(3, 6, 20),
    ),
    Variant(
        "RMS norm with the epsilon of Keras",
        lambda: nn.RMSNorm(20),
        changed(assigned(eps=1e-6)),
        second=(3, 6, 20),
    ),
    Variant(
        "local response not divided by its size",
        lambda: nn.LocalResponseNorm(3, alpha=1.0),
        another(lambda x, _: F.local_response_norm(x, 3, alpha=3.0)),
    ),
)

ACTIVATION_BUGS: tuple[Variant, ...] = (
    Variant(
        "PReLU with one slope",
        lambda: nn.PReLU(6),
        another(lambda x, net: F.prelu(x, net.weight[:1])),
    ),
    Variant(
        "PReLU along the other axis of a square",
        lambda: nn.PReLU(6),
        another(lambda x, net: F.prelu(x.transpose(1, 2), net.weight).transpose(1, 2)),
        shape=(2, 6, 6),
        second=None,
    ),
    Variant("elu of one for alpha", after(lambda x: F.elu(x, 0.5)), instead(F.elu)),
    Variant("elu for celu", after(lambda x: F.celu(x, 0.5)), instead(lambda x: F.elu(x, 0.5))),
    Variant("hard for soft shrinking", after(F.softshrink), instead(F.hardshrink)),
    Variant("hardtanh from zero on", after(F.hardtanh), instead(lambda x: F.hardtanh(x, 0.0, 1.0))),
    Variant(
        "threshold of zero",
        after(lambda x: F.threshold(x, 0.2, -1.0)),
        instead(lambda x: F.threshold(x, 0.0, -1.0)),
    ),
    Variant("silu for mish", after(F.mish), instead(F.silu)),
    Variant(
        "softplus without beta",
        after(lambda x: F.softplus(x, beta=2)),
        instead(F.softplus),
    ),
    Variant("gelu by a sigmoid", after(F.gelu), instead(lambda x: x * torch.sigmoid(1.702 * x))),
    Variant(
        "glu with its gate first",
        alone(lambda x: F.glu(x, 1)),
        another(lambda x: F.glu(torch.cat(x.chunk(2, 1)[::-1], 1), 1)),
    ),
    Variant(
        "dropout that scales in inference",
        lambda: Call(lambda x, conv, drop: drop(conv(x)), nn.Conv1d(6, 7, 3), nn.Dropout(0.5)),
        another(lambda x, conv, _: conv(x) / 2),
    ),
    Variant(
        "softmax without its temperature",
        after(lambda x: F.softmax(x / 2, 1)),
        instead(lambda x: F.softmax(x, 1)),
    ),
)

BUGS = (
    LAYER_BUGS
    + CONVOLUTION_BUGS
    + NORMALIZATION_BUGS
    + ACTIVATION_BUGS
    + SEQUENCE_BUGS
    + SHAPE_BUGS
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
