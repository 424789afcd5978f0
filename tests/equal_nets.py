"""Right nets beside the same meaning by another algorithm: a comparison accepts all of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from variants import Call, Variant, after, alone, another, instead, recurrent


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
        torch.einsum(
            "ncl,fc->nfl", x[..., k * dilation : k * dilation + length], conv.weight[..., k]
        )
        for k in range(conv.kernel_size[0])
    )
    return sum(taps, start=conv.bias[:, None])


def _channels_last(x: Tensor, conv: nn.Conv1d) -> Tensor:
    wide = x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    return F.conv2d(wide, conv.weight.unsqueeze(2), conv.bias).squeeze(2)


def _split_linear(x: Tensor, linear: nn.Linear) -> Tensor:
    half = linear.in_features // 2
    return x[..., half:] @ linear.weight[:, half:].T + (
        x[..., :half] @ linear.weight[:, :half].T + linear.bias
    )


def _folded_norm(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return x * scale[:, None] + (norm.bias - norm.running_mean * scale)[:, None]


def _norm_by_hand(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    centred = x - x.sum(-1, keepdim=True) / x.shape[-1]
    return (
        centred / torch.sqrt((centred * centred).mean(-1, keepdim=True) + norm.eps) * norm.weight
        + norm.bias
    )


def _groups_by_hand(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    y = x.reshape(x.shape[0], norm.num_groups, -1)
    y = (y - y.mean(-1, keepdim=True)) * torch.rsqrt(
        y.var(-1, keepdim=True, correction=0) + norm.eps
    )
    return y.reshape(x.shape) * norm.weight[:, None] + norm.bias[:, None]


def _lstm_by_hand(x: Tensor, lstm: nn.LSTM) -> Tensor:
    x = x.transpose(1, 2)
    bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
    h = c = torch.zeros(x.shape[0], lstm.hidden_size, dtype=x.dtype)
    steps = []
    for t in range(x.shape[1]):
        i, f, g, o = (
            torch.cat([x[:, t], h], 1) @ torch.cat([lstm.weight_ih_l0, lstm.weight_hh_l0], 1).T
            + bias
        ).chunk(4, 1)
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
        layers += [
            nn.Conv1d(channels, channels, 3, padding=d, dilation=d),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


def _gelu_by_erfc(x: Tensor) -> Tensor:
    return 0.5 * x * torch.erfc(-x * 0.5**0.5)


CORRECT: tuple[Variant, ...] = (
    Variant("conv k3 without oneDNN", lambda: nn.Conv1d(6, 7, 3), _plain),
    Variant(
        "conv k3 as a matrix product", lambda: nn.Conv1d(6, 7, 3, padding=1), another(_unfolded)
    ),
    Variant(
        "strided conv as a matrix product", lambda: nn.Conv1d(6, 7, 5, 2, 2), another(_unfolded)
    ),
    Variant(
        "fan-in 1792 tap by tap",
        lambda: nn.Conv1d(256, 31, 7),
        another(_tap_by_tap),
        (2, 256, 20),
        (1, 256, 23),
    ),
    Variant(
        "fan-in 6144 as a matrix product",
        lambda: nn.Conv1d(48, 31, 128),
        another(_unfolded),
        (1, 48, 150),
        None,
    ),
    Variant(
        "dilated conv tap by tap", lambda: nn.Conv1d(6, 7, 3, dilation=4), another(_tap_by_tap)
    ),
    Variant("conv in channels last memory", lambda: nn.Conv1d(6, 7, 3), another(_channels_last)),
    Variant(
        "depthwise without oneDNN",
        lambda: nn.Conv1d(64, 64, 31, groups=64),
        _plain,
        (2, 64, 50),
        (1, 64, 47),
    ),
    Variant("transposed conv without oneDNN", lambda: nn.ConvTranspose1d(6, 7, 4, 2, 1), _plain),
    Variant(
        "linear in two halves",
        lambda: nn.Linear(1009, 13),
        another(_split_linear),
        (3, 1009),
        (5, 1009),
    ),
    Variant("batch norm folded", lambda: nn.BatchNorm1d(6), another(_folded_norm)),
    Variant(
        "layer norm by hand", lambda: nn.LayerNorm(20), another(_norm_by_hand), second=(3, 6, 20)
    ),
    Variant("group norm by hand", lambda: nn.GroupNorm(3, 6), another(_groups_by_hand)),
    Variant(
        "instance norm as group norm",
        lambda: nn.InstanceNorm1d(6),
        another(lambda x, _: F.group_norm(x, 6)),
    ),
    Variant("LSTM by hand", recurrent(nn.LSTM), another(_lstm_by_hand), (2, 6, 7), (3, 6, 8)),
    Variant("GRU by hand", recurrent(nn.GRU), another(_gru_by_hand), (2, 6, 7), (3, 6, 8)),
    Variant("attention by hand", alone(_attention), another(_attention_by_hand)),
    Variant("gelu by erfc", after(F.gelu), instead(_gelu_by_erfc)),
    Variant(
        "log softmax by logsumexp",
        after(lambda x: F.log_softmax(x, 1)),
        instead(lambda x: x - torch.logsumexp(x, 1, keepdim=True)),
    ),
    Variant(
        "stable softplus",
        after(F.softplus),
        instead(lambda x: torch.relu(x) + torch.log1p(torch.exp(-x.abs()))),
    ),
    Variant(
        "sigmoid by tanh", after(torch.sigmoid), instead(lambda x: 0.5 * torch.tanh(0.5 * x) + 0.5)
    ),
    Variant(
        "average pool as a convolution",
        lambda: nn.AvgPool1d(3, 2, 1),
        another(
            lambda x, _: F.conv1d(
                x,
                torch.full((6, 1, 3), 1 / 3, dtype=torch.float64).to(x.dtype),
                None,
                2,
                1,
                groups=6,
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
