"""Wrong windows, axes, sizes, reductions and numbers beside the right net: rows of `BUGS`."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from variants import Call, Variant, after, alone, another, changed, instead

SQUARE = (2, 6, 6)
IMAGE = (2, 3, 7, 7)
"""Height and width are equal, so that nothing but the numbers tells them apart."""


def _symmetric_pad(x: Tensor) -> Tensor:
    """TensorFlow's "symmetric": the edge is repeated."""
    return torch.cat([x[..., :2].flip(-1), x, x[..., -2:].flip(-1)], -1)


def _adaptive_by_equal_windows(x: Tensor) -> Tensor:
    """Seven windows of one length and one stride, as in the first converters."""
    stride = x.shape[-1] // 7
    return F.avg_pool1d(x, x.shape[-1] - 6 * stride, stride)


PADDING_BUGS: tuple[Variant, ...] = (
    Variant(
        "padding of left and right exchanged",
        alone(lambda x: F.pad(x, (1, 2))),
        another(lambda x: F.pad(x, (2, 1))),
    ),
    Variant(
        "padding of height for width",
        alone(lambda x: F.pad(x, (1, 1, 0, 0))[..., :7]),
        another(lambda x: F.pad(x, (0, 0, 1, 1))[..., :7, :]),
        shape=IMAGE,
        second=None,
    ),
    Variant(
        "symmetric padding for reflect",
        alone(lambda x: F.pad(x, (2, 2), mode="reflect")),
        another(_symmetric_pad),
    ),
    Variant(
        "zeros for circular padding",
        lambda: nn.Conv1d(6, 7, 3, padding=1, padding_mode="circular"),
        another(lambda x, conv: F.conv1d(x, conv.weight, conv.bias, padding=1)),
    ),
    Variant(
        "padding with zero for a value",
        alone(lambda x: F.pad(x, (1, 1), value=0.5)),
        another(lambda x: F.pad(x, (1, 1))),
    ),
)

POOLING_BUGS: tuple[Variant, ...] = (
    Variant(
        "average of a window that ends outside",
        lambda: nn.AvgPool1d(3, 2, ceil_mode=True),
        another(lambda x, _: F.avg_pool1d(F.pad(x, (0, 1)), 3, 2)),
        second=(3, 6, 22),
    ),
    Variant(
        "maximum with zero in a window that ends outside",
        alone(lambda x: F.max_pool1d(x - 3, 3, 2, ceil_mode=True)),
        another(lambda x: F.max_pool1d(F.pad(x - 3, (0, 1)), 3, 2)),
        second=(3, 6, 22),
    ),
    Variant(
        "average of adaptive windows that are equal",
        lambda: nn.AdaptiveAvgPool1d(7),
        another(lambda x, _: _adaptive_by_equal_windows(x)),
        second=(3, 6, 22),
    ),
    Variant(
        "maximum without dilation, the shape being equal",
        lambda: nn.MaxPool1d(3, 1, padding=1, dilation=2),
        another(lambda x, _: F.max_pool1d(x, 3, 1)),
    ),
    Variant(
        "average pool with its own divisor",
        lambda: nn.AvgPool2d(2, divisor_override=3),
        another(lambda x, _: F.avg_pool2d(x, 2)),
        shape=IMAGE,
        second=None,
    ),
    Variant(
        "power pool of means",
        lambda: nn.LPPool1d(2, 3, 2),
        another(lambda x, _: F.lp_pool1d(x, 2, 3, 2) * 3**-0.5),
    ),
    Variant(
        "average for maximum", lambda: nn.MaxPool1d(2), another(lambda x, _: F.avg_pool1d(x, 2))
    ),
)

RESIZING_BUGS: tuple[Variant, ...] = (
    Variant(
        "scale of an interpolation from the sizes",
        alone(lambda x: F.interpolate(x, scale_factor=1.33, mode="linear")),
        another(
            lambda x: F.interpolate(
                x, scale_factor=1.33, mode="linear", recompute_scale_factor=True
            )
        ),
    ),
    Variant(
        "bicubic of -0.5 for -0.75",
        alone(lambda x: F.interpolate(x, scale_factor=2, mode="bicubic")),
        another(lambda x: F.interpolate(x, scale_factor=2, mode="bicubic", antialias=True)),
        shape=IMAGE,
        second=None,
    ),
    Variant(
        "bilinear without antialiasing",
        alone(lambda x: F.interpolate(x, size=(3, 3), mode="bilinear", antialias=True)),
        another(lambda x: F.interpolate(x, size=(3, 3), mode="bilinear")),
        shape=IMAGE,
        second=None,
    ),
    Variant(
        "nearest for linear",
        alone(lambda x: F.interpolate(x, scale_factor=2, mode="linear")),
        another(lambda x: F.interpolate(x, scale_factor=2, mode="nearest")),
    ),
    Variant(
        "grid with corners",
        alone(lambda x: F.grid_sample(x, _grid(x), align_corners=False)),
        another(lambda x: F.grid_sample(x, _grid(x), align_corners=True)),
        shape=IMAGE,
        second=None,
    ),
    Variant(
        "grid of (y, x) for (x, y)",
        alone(lambda x: F.grid_sample(x, _grid(x), align_corners=False)),
        another(lambda x: F.grid_sample(x, _grid(x).flip(-1), align_corners=False)),
        shape=IMAGE,
        second=None,
    ),
)


def _grid(x: Tensor) -> Tensor:
    """Positions within the image that follow from it."""
    return torch.tanh(x[:, :2].permute(0, 2, 3, 1) / 4)


def _shuffle(x: Tensor, *split: int) -> Tensor:
    return x.unflatten(1, split).transpose(1, 2).flatten(1, 2)


AXIS_BUGS: tuple[Variant, ...] = (
    Variant(
        "reshape for a transpose",
        alone(lambda x: x.transpose(1, 2) * 2),
        another(lambda x: x.reshape(x.shape[0], -1, 6) * 2),
    ),
    Variant(
        "shuffle of channels with their groups inside",
        alone(lambda x: _shuffle(x, 2, 3) * 2),
        another(lambda x: _shuffle(x, 3, 2) * 2),
    ),
    Variant(
        "repeats side by side for tiles",
        alone(lambda x: x.repeat(1, 2, 1)),
        another(lambda x: x.repeat_interleave(2, 1)),
    ),
    Variant("roll to the left", alone(lambda x: x.roll(2, -1)), another(lambda x: x.roll(-2, -1))),
    Variant(
        "flip of the other axis of a square",
        alone(lambda x: x.flip(-1)),
        another(lambda x: x.flip(-2)),
        shape=SQUARE,
        second=None,
    ),
    Variant(
        "chunks in the other order",
        alone(lambda x: torch.cat(x.chunk(2, 1), 2)),
        another(lambda x: torch.cat(x.chunk(2, 1)[::-1], 2)),
    ),
    Variant(
        "every second element from the second on",
        alone(lambda x: x[..., ::2] * 2),
        another(lambda x: x[..., 1::2] * 2),
        second=None,
    ),
    Variant(
        "windows of overlapping frames in the other order",
        alone(lambda x: x.unfold(-1, 4, 4).flatten(2)),
        another(lambda x: x.unfold(-1, 4, 4).transpose(2, 3).flatten(2)),
    ),
    Variant(
        "triangle without its diagonal",
        alone(lambda x: x.tril()),
        another(lambda x: x.tril(-1)),
        shape=SQUARE,
        second=None,
    ),
    Variant(
        "equation with its result transposed",
        alone(lambda x: torch.einsum("nct,ncs->nts", x, 2 * x.flip(2))),
        another(lambda x: torch.einsum("nct,ncs->nst", x, 2 * x.flip(2))),
        shape=SQUARE,
        second=None,
    ),
    Variant(
        "flatten of an image with channels last",
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(100, 5)),
        lambda net: nn.Sequential(net[0], Call(lambda x: x.permute(0, 2, 3, 1).flatten(1)), net[2]),
        shape=IMAGE,
        second=None,
    ),
    Variant(
        "flatten of an image with width before height",
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(100, 5)),
        lambda net: nn.Sequential(net[0], Call(lambda x: x.transpose(2, 3).flatten(1)), net[2]),
        shape=IMAGE,
        second=None,
    ),
    Variant(
        "broadcast along the other axis of a square",
        alone(lambda x: x - x.mean(1, keepdim=True)),
        another(lambda x: x - x.mean(1).unsqueeze(-1)),
        shape=SQUARE,
        second=None,
    ),
)


def _running_sum_from_the_end(x: Tensor) -> Tensor:
    return x.flip(-1).cumsum(-1).flip(-1)


REDUCTION_BUGS: tuple[Variant, ...] = (
    Variant(
        "maximum over the other axis of a square",
        after(lambda x: x[:, :6].amax(1)),
        instead(lambda x: x[:, :6].amax(2)),
        shape=SQUARE,
        second=None,
    ),
    Variant("variance for deviation", alone(lambda x: x.std(-1)), another(lambda x: x.var(-1))),
    Variant(
        "running sum from the end",
        alone(lambda x: x.cumsum(-1)),
        another(_running_sum_from_the_end),
    ),
    Variant(
        "running sum without the element itself",
        alone(lambda x: x.cumsum(-1)),
        another(lambda x: x.cumsum(-1) - x),
    ),
    Variant(
        "norm of absolute values for squares",
        alone(lambda x: F.normalize(x, dim=1)),
        another(lambda x: F.normalize(x, p=1, dim=1)),
    ),
    Variant(
        "mean of the middle two for the lower median",
        alone(lambda x: x.median(-1).values),
        another(lambda x: x.quantile(0.5, -1)),
        second=None,
    ),
    Variant(
        "sorted downwards",
        alone(lambda x: x.sort(-1).values),
        another(lambda x: x.sort(-1, descending=True).values),
    ),
    Variant(
        "last of equal maxima",
        alone(lambda x: (x > 0).float().argmax(-1)),
        another(lambda x: x.shape[-1] - 1 - (x > 0).float().flip(-1).argmax(-1)),
    ),
    Variant(
        "product of a sum for a sum of products",
        alone(lambda x: (x * x.flip(1)).sum(1)),
        another(lambda x: x.sum(1) * x.flip(1).sum(1)),
    ),
    Variant(
        "magnitudes of a spectrum that are squared",
        alone(lambda x: torch.fft.rfft(x).abs()),
        another(lambda x: torch.fft.rfft(x).abs().square()),
    ),
    Variant(
        "spectrum with a unitary scale",
        alone(lambda x: torch.fft.rfft(x).real),
        another(lambda x: torch.fft.rfft(x, norm="ortho").real),
    ),
)


def _ids(x: Tensor) -> Tensor:
    """0, 1 or 2: by comparisons, which rounding does not touch."""
    return (x[:, 0] > 0).long() + (x[:, 0] > 1).long()


def _embedding() -> nn.Module:
    return Call(lambda x, table: table(_ids(x)), nn.Embedding(4, 5))


NUMBER_BUGS: tuple[Variant, ...] = (
    Variant(
        "integers rounded for cut off", alone(lambda x: x.int()), another(lambda x: x.round().int())
    ),
    Variant(
        "bytes that stop at 255 for wrapping round",
        alone(lambda x: (_ids(x).int() * 150).to(torch.uint8)),
        another(lambda x: (_ids(x).int() * 150).clamp(max=255).to(torch.uint8)),
    ),
    Variant(
        "embedding with a row of zeros for padding",
        _embedding,
        changed(lambda net: net.parts[0].weight[0].zero_()),
    ),
    Variant(
        "embedding of the next index",
        _embedding,
        another(lambda x, table: table(_ids(x) + 1)),
    ),
    Variant(
        "embedding of squared length",
        _embedding,
        another(lambda x, table: table(_ids(x)) * 5**0.5),
    ),
    Variant(
        "comparison without equality",
        alone(lambda x: x.relu().ge(0).float()),
        another(lambda x: x.relu().gt(0).float()),
    ),
    Variant(
        "choice by the opposite condition",
        alone(lambda x: torch.where(x > 0.5, x, 2 * x)),
        another(lambda x: torch.where(x > 0.5, 2 * x, x)),
    ),
    Variant(
        "division of integers towards zero",
        alone(lambda x: torch.div(x.int(), 2, rounding_mode="floor")),
        another(lambda x: torch.div(x.int(), 2, rounding_mode="trunc")),
    ),
    Variant(
        "gather of rows by the other axis of a square",
        alone(lambda x: x.gather(1, (x > 0).long())),
        another(lambda x: x.gather(2, (x > 0).long())),
        shape=SQUARE,
        second=None,
    ),
)

DYNAMIC_BUGS: tuple[Variant, ...] = (
    Variant(
        "batch of the example",
        alone(lambda x: x / x.shape[0]),
        another(lambda x: x / 2),
    ),
    Variant(
        "length of the example in a mean",
        alone(lambda x: x.mean(-1)),
        another(lambda x: x.sum(-1) / 20),
        dynamic=True,
    ),
    Variant(
        "length of the example in positions",
        alone(lambda x: x + torch.arange(x.shape[-1], device=x.device) / x.shape[-1]),
        another(lambda x: x + torch.arange(x.shape[-1], device=x.device) / 20),
        dynamic=True,
    ),
    Variant(
        "last step of the example",
        alone(lambda x: x[..., -1] * 2),
        another(lambda x: x[..., 19] * 2),
        dynamic=True,
    ),
    Variant(
        "half of an odd length rounded up",
        alone(lambda x: x.roll(x.shape[-1] // 2, -1)),
        another(lambda x: x.roll((x.shape[-1] + 1) // 2, -1)),
        dynamic=True,
    ),
    Variant(
        "padding same for stride 2 at even lengths only",
        lambda: nn.Conv1d(6, 7, 2, stride=2),
        another(lambda x, conv: conv(x[..., x.shape[-1] % 2 :])),
        dynamic=True,
    ),
)

SHAPE_BUGS = (
    PADDING_BUGS
    + POOLING_BUGS
    + RESIZING_BUGS
    + AXIS_BUGS
    + REDUCTION_BUGS
    + NUMBER_BUGS
    + DYNAMIC_BUGS
)
