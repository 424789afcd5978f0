"""Wrong translations that people and converters really make, each beside the right net, and right ones that look odd.

`right(seed)` builds a net with random weights; `wrong(net)` a variant of it that shares these weights and makes the
one mistake. Both take `shape`; where the mistake shows or hides with the length, `other` is a second one.
Everything is an `nn.Module` that `torch.export` takes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn


class Call(nn.Module):
    """`function(x, *parts)`, the parts being modules."""

    def __init__(self, function: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.parts)


@dataclass(frozen=True)
class Variant:
    """A net and another way to compute it: a wrong one in the tables of bugs, a right one in CORRECT."""

    name: str
    right: Callable[[], nn.Module]
    other: Callable[[nn.Module], nn.Module]
    shape: tuple[int, ...] = (2, 6, 20)
    second: tuple[int, ...] | None = (3, 6, 23)

    def pair(self, seed: int = 0) -> tuple[nn.Module, nn.Module]:
        """The net, with weights and normalization statistics drawn from `seed`, and its variant, in eval mode."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = self.right()
            for name, tensor in (*net.named_parameters(), *net.named_buffers()):
                if name.endswith("running_var"):
                    tensor.data.uniform_(0.02, 1.5)
                elif tensor.is_floating_point() and tensor.ndim == 1:
                    tensor.data.normal_(0.3, 0.5)
            return net.eval(), self.other(net).eval()


def after(function: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    """A convolution, then `function`."""
    return lambda: Call(lambda x, conv: function(conv(x)), nn.Conv1d(6, 7, 3, padding=1))


def instead(function: Callable[[Tensor], Tensor]) -> Callable[[nn.Module], nn.Module]:
    """The same convolution, then another function."""
    return lambda net: Call(lambda x, conv: function(conv(x)), *net.parts)


def alone(function: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    return lambda: Call(function)


def another(function: Callable[..., Tensor]) -> Callable[[nn.Module], nn.Module]:
    """`function(x, net)`, or `function(x, *parts)` when the net is a `Call`."""
    return lambda net: Call(function, *(net.parts if isinstance(net, Call) else (net,)))


def changed(edit: Callable[[nn.Module], None]) -> Callable[[nn.Module], nn.Module]:
    """A copy of the net, edited in place."""

    def build(net: nn.Module) -> nn.Module:
        twin = copy.deepcopy(net)
        with torch.no_grad():
            edit(twin)
        return twin

    return build


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
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=correction) + 1e-5).sqrt()


def _recurrent(cell: type[nn.RNNBase]) -> Callable[[], nn.Module]:
    return lambda: Call(lambda x, rnn: rnn(x.transpose(1, 2))[0], cell(6, 5, batch_first=True))


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
    Variant("padding same for stride 2", lambda: nn.Conv1d(6, 7, 3, stride=2, padding=1), another(_same_pad)),
    Variant("relu6 for relu", after(F.relu), instead(F.relu6)),
    Variant("softplus that overflows", alone(F.softplus), another(lambda x: torch.log(1 + torch.exp(x)))),
    Variant("leaky slope 0.3 for 0.01", after(F.leaky_relu), instead(lambda x: F.leaky_relu(x, 0.3))),
    Variant("layer norm eps 1e-3 for 1e-5", lambda: nn.LayerNorm(20), changed(_set(eps=1e-3)), second=(3, 6, 20)),
    Variant("batch norm eps 1e-3 for 1e-5", lambda: nn.BatchNorm1d(6), changed(_set(eps=1e-3))),
    Variant("batch norm eps outside the root", lambda: nn.BatchNorm1d(6), another(_norm_eps_outside)),
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
    Variant("GRU gates in Keras order", _recurrent(nn.GRU), changed(_gru_gates_swapped)),
    Variant("LSTM cell and output gate exchanged", _recurrent(nn.LSTM), changed(_lstm_gates_swapped)),
    Variant("biased variance", alone(lambda x: _standardized(x, 1)), another(lambda x: _standardized(x, 0))),
    Variant(
        "floor for trunc",
        after(lambda x: torch.div(x, 0.3, rounding_mode="trunc")),
        instead(lambda x: torch.div(x, 0.3, rounding_mode="floor")),
    ),
    Variant("remainder for fmod", after(lambda x: torch.fmod(x, 0.7)), instead(lambda x: torch.remainder(x, 0.7))),
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
    Variant("bias forgotten", lambda: nn.Conv1d(6, 7, 3), another(lambda x, conv: F.conv1d(x, conv.weight))),
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
        changed(lambda net: net.weight.set_(net.weight.reshape(6, 2, 1, 3).transpose(0, 1).reshape(12, 1, 3))),
    ),
    Variant(
        "pixel shuffle with the factor first",
        alone(lambda x: _pixel_shuffle(x, 2, channel_major=True)),
        another(lambda x: _pixel_shuffle(x, 2, channel_major=False)),
    ),
    Variant("mean for sum", after(lambda x: x.sum(-1)), instead(lambda x: x.mean(-1))),
    Variant("one weight off by 1e-3", lambda: nn.Conv1d(6, 7, 3), changed(lambda net: net.weight[3, 2, 1].add_(1e-3))),
    Variant(
        "weights rounded to bfloat16",
        lambda: nn.Conv1d(6, 7, 3),
        changed(lambda net: net.weight.set_(net.weight.bfloat16().float())),
    ),
)
"""Caught by "normal" and "wide" inputs at `shape` and `second`."""

EDGE_BUGS: tuple[Variant, ...] = (
    Variant("step at zero", alone(lambda x: (x >= 0).to(x.dtype)), another(lambda x: (x > 0).to(x.dtype))),
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


def _without_onednn(x: Tensor, net: nn.Module) -> Tensor:
    with torch.backends.mkldnn.flags(enabled=False):
        return net(x)


def _plain(net: nn.Module) -> nn.Module:
    return Call(_without_onednn, net)


def _unfolded(x: Tensor, conv: nn.Conv1d) -> Tensor:
    """A convolution as one matrix product, channels last."""
    windows = F.pad(x, (conv.padding[0],) * 2).unfold(-1, conv.kernel_size[0], conv.stride[0])
    columns = windows.permute(0, 2, 3, 1).flatten(2)
    return (columns @ conv.weight.permute(2, 1, 0).flatten(0, 1) + conv.bias).transpose(1, 2)


def _tap_by_tap(x: Tensor, conv: nn.Conv1d) -> Tensor:
    """A convolution as a sum over its taps."""
    dilation = conv.dilation[0]
    length = x.shape[-1] - dilation * (conv.kernel_size[0] - 1)
    taps = (
        torch.einsum("ncl,fc->nfl", x[..., k * dilation : k * dilation + length], conv.weight[..., k])
        for k in range(conv.kernel_size[0])
    )
    return sum(taps, start=conv.bias[:, None])


def _channels_last(x: Tensor, conv: nn.Conv1d) -> Tensor:
    wide = x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    return F.conv2d(wide, conv.weight.unsqueeze(2), conv.bias).squeeze(2)


def _split_linear(x: Tensor, linear: nn.Linear) -> Tensor:
    half = linear.in_features // 2
    return x[..., half:] @ linear.weight[:, half:].T + (x[..., :half] @ linear.weight[:, :half].T + linear.bias)


def _folded_norm(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return x * scale[:, None] + (norm.bias - norm.running_mean * scale)[:, None]


def _norm_by_hand(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    centred = x - x.sum(-1, keepdim=True) / x.shape[-1]
    return centred / torch.sqrt((centred * centred).mean(-1, keepdim=True) + norm.eps) * norm.weight + norm.bias


def _groups_by_hand(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    y = x.reshape(x.shape[0], norm.num_groups, -1)
    y = (y - y.mean(-1, keepdim=True)) * torch.rsqrt(y.var(-1, keepdim=True, correction=0) + norm.eps)
    return y.reshape(x.shape) * norm.weight[:, None] + norm.bias[:, None]


def _lstm_by_hand(x: Tensor, lstm: nn.LSTM) -> Tensor:
    x = x.transpose(1, 2)
    bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
    h = c = torch.zeros(x.shape[0], lstm.hidden_size, dtype=x.dtype)
    steps = []
    for t in range(x.shape[1]):
        i, f, g, o = (torch.cat([x[:, t], h], 1) @ torch.cat([lstm.weight_ih_l0, lstm.weight_hh_l0], 1).T + bias).chunk(
            4, 1
        )
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        steps.append(h)
    return torch.stack(steps, 1)


def _gru_by_hand(x: Tensor, gru: nn.GRU) -> Tensor:
    x = x.transpose(1, 2)
    h = torch.zeros(x.shape[0], gru.hidden_size, dtype=x.dtype)
    steps = []
    for t in range(x.shape[1]):
        r, z, n = (x[:, t] @ gru.weight_ih_l0.T + gru.bias_ih_l0).chunk(3, 1)
        hr, hz, hn = (h @ gru.weight_hh_l0.T + gru.bias_hh_l0).chunk(3, 1)
        update = torch.sigmoid(z + hz)
        h = update * h + (1 - update) * torch.tanh(n + torch.sigmoid(r + hr) * hn)
        steps.append(h)
    return torch.stack(steps, 1)


def _attention(x: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(x, x.flip(1), 2 * x)


def _attention_by_hand(x: Tensor) -> Tensor:
    scores = torch.einsum("ntd,nsd->nts", x, x.flip(1)) * x.shape[-1] ** -0.5
    weights = torch.exp(scores - torch.logsumexp(scores, -1, keepdim=True))
    return torch.einsum("nts,nsd->ntd", weights, 2 * x)


def _tcn(blocks: int, channels: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv1d(6, channels, 1)]
    for block in range(blocks):
        d = 2 ** (block % 4)
        layers += [nn.Conv1d(channels, channels, 3, padding=d, dilation=d), nn.BatchNorm1d(channels), nn.ReLU()]
    return nn.Sequential(*layers)


def _gelu_by_erfc(x: Tensor) -> Tensor:
    return 0.5 * x * torch.erfc(-x * 0.5**0.5)


CORRECT: tuple[Variant, ...] = (
    Variant("conv k3 without oneDNN", lambda: nn.Conv1d(6, 7, 3), _plain),
    Variant("conv k3 as a matrix product", lambda: nn.Conv1d(6, 7, 3, padding=1), another(_unfolded)),
    Variant("strided conv as a matrix product", lambda: nn.Conv1d(6, 7, 5, 2, 2), another(_unfolded)),
    Variant("fan-in 1792 tap by tap", lambda: nn.Conv1d(256, 31, 7), another(_tap_by_tap), (2, 256, 20), (1, 256, 23)),
    Variant("fan-in 6144 as a matrix product", lambda: nn.Conv1d(48, 31, 128), another(_unfolded), (1, 48, 150), None),
    Variant("dilated conv tap by tap", lambda: nn.Conv1d(6, 7, 3, dilation=4), another(_tap_by_tap)),
    Variant("conv in channels last memory", lambda: nn.Conv1d(6, 7, 3), another(_channels_last)),
    Variant("depthwise without oneDNN", lambda: nn.Conv1d(64, 64, 31, groups=64), _plain, (2, 64, 50), (1, 64, 47)),
    Variant("transposed conv without oneDNN", lambda: nn.ConvTranspose1d(6, 7, 4, 2, 1), _plain),
    Variant("linear in two halves", lambda: nn.Linear(1009, 13), another(_split_linear), (3, 1009), (5, 1009)),
    Variant("batch norm folded", lambda: nn.BatchNorm1d(6), another(_folded_norm)),
    Variant("layer norm by hand", lambda: nn.LayerNorm(20), another(_norm_by_hand), second=(3, 6, 20)),
    Variant("group norm by hand", lambda: nn.GroupNorm(3, 6), another(_groups_by_hand)),
    Variant("instance norm as group norm", lambda: nn.InstanceNorm1d(6), another(lambda x, _: F.group_norm(x, 6))),
    Variant("LSTM by hand", _recurrent(nn.LSTM), another(_lstm_by_hand)),
    Variant("GRU by hand", _recurrent(nn.GRU), another(_gru_by_hand)),
    Variant("attention by hand", alone(_attention), another(_attention_by_hand)),
    Variant("gelu by erfc", after(F.gelu), instead(_gelu_by_erfc)),
    Variant(
        "log softmax by logsumexp",
        after(lambda x: F.log_softmax(x, 1)),
        instead(lambda x: x - torch.logsumexp(x, 1, keepdim=True)),
    ),
    Variant("stable softplus", after(F.softplus), instead(lambda x: torch.relu(x) + torch.log1p(torch.exp(-x.abs())))),
    Variant("sigmoid by tanh", after(torch.sigmoid), instead(lambda x: 0.5 * torch.tanh(0.5 * x) + 0.5)),
    Variant(
        "average pool as a convolution",
        lambda: nn.AvgPool1d(3, 2, 1),
        another(
            lambda x, _: F.conv1d(
                x, torch.full((6, 1, 3), 1 / 3, dtype=torch.float64).to(x.dtype), None, 2, 1, groups=6
            )
        ),
    ),
    Variant("eight blocks without oneDNN", lambda: _tcn(8, 24), _plain),
    Variant("forty blocks without oneDNN", lambda: _tcn(40, 16), _plain),
    Variant(
        "mean summed backwards",
        after(lambda x: x.mean(-1)),
        instead(lambda x: x.flip(-1).cumsum(-1)[..., -1] / x.shape[-1]),
    ),
)
"""Right by another algorithm: none of these may be refused."""
