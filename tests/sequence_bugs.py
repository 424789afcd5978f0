"""Wrong recurrent layers and wrong attention, each beside the right net: rows of `bugs.BUGS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from variants import Call, Variant, alone, another, assigned, changed, recurrent


def _exchanged_gates(*order: int) -> Callable[[nn.Module], nn.Module]:
    """The gates of all weights and biases in another order."""

    def edit(net: nn.Module) -> None:
        for tensor in net.parameters():
            gates = tensor.chunk(len(order))
            tensor.copy_(torch.cat([gates[i] for i in order]))

    return changed(edit)


def _sum_biases(net: nn.Module) -> None:
    rnn = net.parts[0]
    rnn.bias_ih_l0.add_(rnn.bias_hh_l0)
    rnn.bias_hh_l0.zero_()


def _copy_first_layer(net: nn.Module) -> None:
    rnn = net.parts[0]
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(rnn, f"{name}_l1").copy_(getattr(rnn, f"{name}_l0"))


def _gru_with_reset_before(x: Tensor, gru: nn.GRU) -> Tensor:
    """The first version of the GRU: the state is reset before its product with the kernel."""
    x = x.transpose(1, 2)
    h = torch.zeros(x.shape[0], gru.hidden_size, dtype=x.dtype)
    kernels, biases = gru.weight_hh_l0.chunk(3), gru.bias_hh_l0.chunk(3)
    steps = []
    for t in range(x.shape[1]):
        r, z, n = (x[:, t] @ gru.weight_ih_l0.T + gru.bias_ih_l0).chunk(3, 1)
        reset = torch.sigmoid(r + h @ kernels[0].T + biases[0])
        update = torch.sigmoid(z + h @ kernels[1].T + biases[1])
        new = torch.tanh(n + (reset * h) @ kernels[2].T + biases[2])
        h = update * h + (1 - update) * new
        steps.append(h)
    return torch.stack(steps, 1)


def _lstm_of_hard_sigmoids(x: Tensor, lstm: nn.LSTM) -> Tensor:
    x = x.transpose(1, 2)
    bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
    h = c = torch.zeros(x.shape[0], lstm.hidden_size, dtype=x.dtype)
    steps = []
    for t in range(x.shape[1]):
        gates = x[:, t] @ lstm.weight_ih_l0.T + h @ lstm.weight_hh_l0.T + bias
        i, f, g, o = gates.chunk(4, 1)
        c = F.hardsigmoid(f) * c + F.hardsigmoid(i) * torch.tanh(g)
        h = F.hardsigmoid(o) * torch.tanh(c)
        steps.append(h)
    return torch.stack(steps, 1)


def _steps(x: Tensor, rnn: nn.RNNBase) -> Tensor:
    return rnn(x.transpose(1, 2))[0]


def _two_directions() -> nn.Module:
    return Call(_steps, nn.GRU(6, 5, batch_first=True, bidirectional=True))


def _backward_as_computed(x: Tensor, rnn: nn.RNNBase) -> Tensor:
    forward, backward = _steps(x, rnn).chunk(2, -1)
    return torch.cat([forward, backward.flip(1)], -1)


def _backward_first(x: Tensor, rnn: nn.RNNBase) -> Tensor:
    return torch.cat(_steps(x, rnn).chunk(2, -1)[::-1], -1)


def _with_state(x: Tensor, rnn: nn.GRU) -> Tensor:
    return rnn(x.transpose(1, 2), x[:, :5, 0].unsqueeze(0).contiguous())[0]


def _pack(x: Tensor, rnn: nn.RNNBase) -> tuple[Tensor, Tensor]:
    """The steps and the last states of sequences, each one step shorter than that before it."""
    lengths = x.shape[2] - 1 - torch.arange(x.shape[0])
    packed = pack_padded_sequence(x.transpose(1, 2), lengths, batch_first=True)
    y, last = rnn(packed)
    return pad_packed_sequence(y, batch_first=True, total_length=x.shape[2])[0], last


def _packed_steps(x: Tensor, rnn: nn.RNNBase) -> Tensor:
    return _pack(x, rnn)[0]


def _packed_states(x: Tensor, rnn: nn.RNNBase) -> Tensor:
    return _pack(x, rnn)[1].transpose(0, 1)


def _steps_without_padding(x: Tensor, rnn: nn.RNNBase) -> Tensor:
    """The backward direction starts in the padding, which is cut off only behind the layer."""
    there = _packed_steps(x, rnn) != 0
    return _steps(x, rnn) * there


def _route(x: Tensor, experts: nn.Bilinear, early: int = 0) -> Tensor:
    """Each step times the matrix that its greatest number chooses, the steps sorted by matrix.

    All groups but the last end `early`.
    """
    rows = x.transpose(1, 2).flatten(0, 1)
    groups, order = rows[:, :5].argmax(1).sort()
    ends = (groups.unsqueeze(1) <= torch.arange(5)).sum(0, dtype=torch.int32)
    ends = torch.cat([(ends[:-1] - early).clamp(min=0), ends[-1:]])
    return F.grouped_mm(rows[order], experts.weight, offs=ends)[order.argsort()]


EXPERT_BUGS: tuple[Variant, ...] = (
    Variant(
        "the last row of each expert goes to the next",
        lambda: Call(_route, nn.Bilinear(8, 12, 5)),
        another(lambda x, experts: _route(x, experts, 1)),
        shape=(2, 8, 20),
        second=(3, 8, 23),
    ),
)

RECURRENT_BUGS: tuple[Variant, ...] = (
    Variant(
        "packed GRU starts in the padding",
        lambda: Call(_packed_steps, nn.GRU(6, 5, batch_first=True, bidirectional=True)),
        another(_steps_without_padding),
    ),
    Variant(
        "packed GRU goes on through the padding",
        lambda: Call(_packed_states, nn.GRU(6, 5, batch_first=True)),
        another(lambda x, rnn: rnn(x.transpose(1, 2))[1].transpose(0, 1)),
    ),
    Variant(
        "packed GRU keeps what it computes for the padding",
        lambda: Call(_packed_steps, nn.GRU(6, 5, batch_first=True)),
        another(_steps),
    ),
    Variant("GRU gates in Keras order", recurrent(nn.GRU), _exchanged_gates(1, 0, 2)),
    Variant(
        "LSTM cell and output gate exchanged", recurrent(nn.LSTM), _exchanged_gates(0, 1, 3, 2)
    ),
    Variant(
        "LSTM input and forget gate exchanged", recurrent(nn.LSTM), _exchanged_gates(1, 0, 2, 3)
    ),
    Variant("GRU resets before the product", recurrent(nn.GRU), another(_gru_with_reset_before)),
    Variant("GRU with the sum of its biases", recurrent(nn.GRU), changed(_sum_biases)),
    Variant(
        "LSTM without its second bias",
        recurrent(nn.LSTM),
        changed(lambda net: net.parts[0].bias_hh_l0.zero_()),
    ),
    Variant(
        "LSTM with one more in its forget bias",
        recurrent(nn.LSTM),
        changed(lambda net: net.parts[0].bias_ih_l0[5:10].add_(1)),
    ),
    Variant("LSTM of hard sigmoids", recurrent(nn.LSTM), another(_lstm_of_hard_sigmoids)),
    Variant(
        "RNN of relu for tanh",
        recurrent(nn.RNN),
        changed(lambda net: assigned(nonlinearity="relu", mode="RNN_RELU")(net.parts[0])),
    ),
    Variant(
        "LSTM over the batch",
        recurrent(nn.LSTM),
        changed(lambda net: assigned(batch_first=False)(net.parts[0])),
    ),
    Variant(
        "LSTM with its first layer twice",
        lambda: Call(_steps, nn.LSTM(6, 6, num_layers=2, batch_first=True)),
        changed(_copy_first_layer),
    ),
    Variant("backward GRU in computed order", _two_directions, another(_backward_as_computed)),
    Variant("backward GRU before the forward one", _two_directions, another(_backward_first)),
    Variant(
        "GRU that ignores its first state",
        lambda: Call(_with_state, nn.GRU(6, 5, batch_first=True)),
        another(_steps),
    ),
    Variant(
        "LSTM gives its first step for its last",
        lambda: Call(lambda x, rnn: _steps(x, rnn)[:, -1], nn.LSTM(6, 5, batch_first=True)),
        another(lambda x, rnn: _steps(x, rnn)[:, 0]),
    ),
    Variant(
        "LSTM gives its cell for its state",
        lambda: Call(
            lambda x, rnn: rnn(x.transpose(1, 2))[1][0][0], nn.LSTM(6, 5, batch_first=True)
        ),
        another(lambda x, rnn: rnn(x.transpose(1, 2))[1][1][0]),
    ),
)


def _heads(x: Tensor) -> Tensor:
    """(n, 6, t) as two heads of three: (n, 2, t, 3)."""
    return x.unflatten(1, (2, 3)).transpose(2, 3)


def _interleaved_heads(x: Tensor) -> Tensor:
    return x.unflatten(1, (3, 2)).permute(0, 2, 3, 1)


def _merged(y: Tensor) -> Tensor:
    return y.transpose(1, 2).flatten(2)


def _attention(q: Tensor, k: Tensor, v: Tensor, **options: object) -> Tensor:
    return _merged(F.scaled_dot_product_attention(q, k, v, **options))


def _operands(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    q = _heads(x)
    return q, q.flip(2), 2 * q


def _self_attention(x: Tensor, **options: object) -> Tensor:
    return _attention(*_operands(x), **options)


def _interleaved_attention(x: Tensor) -> Tensor:
    q = _interleaved_heads(x)
    return _attention(q, q.flip(2), 2 * q)


def _masked_attention(x: Tensor, *, shows: bool, past: int = 0) -> Tensor:
    t = x.shape[-1]
    mask = torch.ones(t, t, dtype=torch.bool, device=x.device).tril(past)
    return _self_attention(x, attn_mask=mask if shows else ~mask.tril(-1))


def _softmax_over_queries(x: Tensor) -> Tensor:
    q = _heads(x)
    scores = q @ q.flip(2).transpose(-1, -2) / q.shape[-1] ** 0.5
    return _merged(scores.softmax(-2) @ (2 * q))


def _attention_of_values(x: Tensor) -> Tensor:
    """Keys and values exchanged."""
    q = _heads(x)
    return _attention(q, 2 * q, q.flip(2))


def _few_queries(x: Tensor, offset: int) -> Tensor:
    """Five queries of all keys; the last query sees the last key where the offset is t - 5."""
    q = _heads(x)
    mask = torch.ones(5, x.shape[-1], dtype=torch.bool, device=x.device).tril(offset)
    return _attention(q[:, :, :5], q, q, attn_mask=mask)


def _multi_head(x: Tensor, layer: nn.MultiheadAttention) -> Tensor:
    y = x.transpose(1, 2)
    return layer(y, y.flip(1), 2 * y, need_weights=False)[0]


def _multi_head_net() -> nn.Module:
    return Call(_multi_head, nn.MultiheadAttention(6, 2, batch_first=True))


def _reordered_projections(*order: int) -> Callable[[nn.Module], nn.Module]:
    """The three projections of the input in another order."""

    def edit(net: nn.Module) -> None:
        layer = net.parts[0]
        for tensor in (layer.in_proj_weight, layer.in_proj_bias):
            parts = tensor.chunk(3)
            tensor.copy_(torch.cat([parts[i] for i in order]))

    return changed(edit)


def _interleave_projections(net: nn.Module) -> None:
    """q, k and v of each head side by side, as in GPT-NeoX."""
    layer = net.parts[0]
    for tensor in (layer.in_proj_weight, layer.in_proj_bias):
        tensor.copy_(tensor.unflatten(0, (2, 3, 3)).transpose(0, 1).flatten(0, 2))


ATTENTION_BUGS: tuple[Variant, ...] = (
    Variant(
        "attention without its scale",
        alone(_self_attention),
        another(lambda x: _self_attention(x, scale=1.0)),
    ),
    Variant(
        "attention with the scale of all heads",
        alone(_self_attention),
        another(lambda x: _self_attention(x, scale=6**-0.5)),
    ),
    Variant(
        "causal attention without its mask",
        alone(lambda x: _self_attention(x, is_causal=True)),
        another(_self_attention),
    ),
    Variant(
        "causal mask one step late",
        alone(lambda x: _masked_attention(x, shows=True)),
        another(lambda x: _masked_attention(x, shows=True, past=1)),
    ),
    Variant(
        "mask of what is hidden for what is shown",
        alone(lambda x: _masked_attention(x, shows=True)),
        another(lambda x: _masked_attention(x, shows=False)),
    ),
    Variant(
        "causal mask of few queries at the left",
        alone(lambda x: _few_queries(x, x.shape[-1] - 5)),
        another(lambda x: _few_queries(x, 0)),
    ),
    Variant(
        "attention of interleaved heads", alone(_self_attention), another(_interleaved_attention)
    ),
    Variant(
        "heads joined without a transpose",
        alone(_self_attention),
        another(lambda x: F.scaled_dot_product_attention(*_operands(x)).reshape(x.shape[0], -1, 6)),
    ),
    Variant("softmax over the queries", alone(_self_attention), another(_softmax_over_queries)),
    Variant(
        "attention with keys for values", alone(_self_attention), another(_attention_of_values)
    ),
    Variant("attention with queries for keys", _multi_head_net, _reordered_projections(1, 0, 2)),
    Variant("attention with values before keys", _multi_head_net, _reordered_projections(0, 2, 1)),
    Variant("attention projected head by head", _multi_head_net, changed(_interleave_projections)),
    Variant(
        "attention without the bias of its output",
        _multi_head_net,
        changed(lambda net: net.parts[0].out_proj.bias.zero_()),
    ),
    Variant(
        "attention with another number of heads",
        _multi_head_net,
        changed(lambda net: assigned(num_heads=3, head_dim=2)(net.parts[0])),
    ),
)


SEQUENCE_BUGS = (
    *(replace(bug, shape=(2, 6, 7), second=(3, 6, 8)) for bug in RECURRENT_BUGS),
    *ATTENTION_BUGS,
    *EXPERT_BUGS,
)
"""Few steps are enough for a wrong gate, and Keras runs one after the other."""
