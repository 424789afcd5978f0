"""Gradients and training in float64: the Keras model learns what the module learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import torch2keras as t2k
from torch2keras.converted import Converted
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers, find_variable


class Attention(nn.Module):
    """Learned positions, self attention, a learned scale, a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, 5, 6))
        self.scale, self.shift = nn.Parameter(torch.randn(6)), nn.Parameter(torch.randn(6))
        self.norm, self.qkv, self.out = (
            nn.LayerNorm(6),
            nn.Linear(6, 18, bias=False),
            nn.Linear(6, 6, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.positions
        q, k, v = self.qkv(self.norm(x)).view(-1, 5, 3, 2, 3).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, 5, 6)
        return x + self.out(y) * self.scale + self.shift


class ClassToken(nn.Module):
    """A learned first position, and a product with a learned matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.mix = nn.Parameter(torch.randn(1, 1, 6)), nn.Parameter(torch.randn(6, 7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(
            torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) @ self.mix, -1
        )


class Words(nn.Module):
    """A table with padding, whose rows are also the output's weights."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 6, padding_idx=2)
        self.norm, self.head = nn.RMSNorm(6, eps=2**-10), nn.Linear(6, 11, bias=False)
        self.head.weight = self.table.weight

    def forward(self, indices: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.table(indices)))


class Pairs(nn.Module):
    """A bilinear form of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pairs = nn.ConvTranspose1d(3, 4, 3, stride=2), nn.Bilinear(4, 4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x).transpose(1, 2)
        return self.pairs(y, torch.tanh(y))


class Recurrent(nn.Module):
    """Two layers in both directions, a last state, and a cell that goes on from it."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.rnn = nn.GRU(4, 5, 2, bidirectional=True), nn.RNN(10, 3, bias=False)
        self.cell = nn.GRUCell(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, h = self.gru(x.permute(2, 0, 1))
        return torch.cat([self.rnn(y)[0].mean(0), self.cell(x[..., 0], h[1])], 1)


class Packed(nn.Module):
    """Two layers in both directions on packed sequences, with their last states."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 5, 2, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lengths = torch.tensor([4, x.shape[2], 7])
        packed = pack_padded_sequence(x.permute(2, 0, 1), lengths, enforce_sorted=False)
        y, h = self.gru(packed)
        padded, _ = pad_packed_sequence(y, padding_value=0.5, total_length=x.shape[2])
        return torch.cat([padded.mean(0), *h], 1)


class Lstm(nn.Module):
    """An LSTM in both directions, between convolutions, with a learnt first state."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lstm = (
            nn.Conv1d(4, 6, 3),
            nn.LSTM(6, 5, bias=False, bidirectional=True, batch_first=True),
        )
        self.start = nn.Parameter(torch.randn(2, 1, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        start = self.start.expand(-1, len(x), -1)
        return self.lstm(self.conv(x).transpose(1, 2), (start, torch.tanh(start)))[0]


class Detached(nn.Module):
    """A gate and a parameter used both with a gradient and without."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.scale = nn.Conv1d(4, 6, 3), nn.Parameter(torch.randn(6, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return (
            y * torch.sigmoid(y.detach().mean(-1, keepdim=True))
            + self.scale.detach() * y
            + self.scale
        )


def sound() -> torch.Tensor:
    return torch.randn(3, 4, 13)


NETS: dict[str, tuple[Callable[[], nn.Module], Callable[[], torch.Tensor]]] = {
    "batch norm": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 6, 3, padding=1, bias=False),
            nn.BatchNorm1d(6),
            nn.ReLU(),
            nn.Conv1d(6, 6, 3, groups=6),
            nn.Flatten(),
            nn.Linear(66, 5),
        ),
        sound,
    ),
    "group norm": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 6, 4, groups=2, stride=2),
            nn.GroupNorm(3, 6),
            nn.SiLU(),
            nn.Conv1d(6, 5, 2),
        ),
        sound,
    ),
    "instance norm, PReLU": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 6, 3, dilation=2, bias=False),
            nn.InstanceNorm1d(6, affine=True),
            nn.PReLU(6),
        ),
        sound,
    ),
    "layer norm over positions": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 6, 3), nn.LayerNorm((6, 11)), nn.GELU(), nn.Linear(11, 7), nn.LogSoftmax(2)
        ),
        sound,
    ),
    "attention": (Attention, lambda: torch.randn(3, 5, 6)),
    "class token": (ClassToken, lambda: torch.randn(3, 5, 6)),
    "words": (Words, lambda: torch.arange(15).reshape(3, 5) % 11),
    "detached": (Detached, sound),
    "recurrent": (Recurrent, sound),
    "lstm": (Lstm, sound),
    "packed": (Packed, sound),
    "pairs": (Pairs, lambda: torch.randn(2, 3, 5)),
}


def example(name: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    make, data = NETS[name]
    net = make().eval()
    with torch.no_grad():
        for path, tensor in (*net.named_parameters(), *net.named_buffers()):
            if tensor.ndim == 1 and tensor.is_floating_point():
                tensor.copy_(
                    torch.rand(tensor.shape) + 0.5 if "var" in path else torch.randn(tensor.shape)
                )
    return net, data()


def torch_gradients(
    net: nn.Module, x: torch.Tensor, cotangent: torch.Tensor
) -> dict[str, np.ndarray]:
    """By parameter, and by "input" where that is a float."""
    net, x = deepcopy(net).double(), x.double() if x.is_floating_point() else x
    x.requires_grad_(x.is_floating_point())
    (net(x) * cotangent).sum().backward()
    found = {name: p.grad.numpy() for name, p in net.named_parameters() if p.grad is not None}
    return {**found, "input": x.grad.numpy()} if x.grad is not None else found


def keras_gradients(
    converted: Converted, x: torch.Tensor, cotangent: torch.Tensor
) -> dict[str, np.ndarray]:
    """The gradients of all Keras weights, each at its place in PyTorch's parameter.

    Those of tied weights add up.
    """
    graph = converted.conversion.lowered.graph
    layers = Layers(graph, "float64")
    (port,), (out,) = converted.inputs, converted.outputs
    inputs = tf.constant(port.from_torch(x.double() if x.is_floating_point() else x))
    run_graph(graph, [inputs], layers.layer_with_weights, "float64")
    weights = [
        (find_variable(layers.made[call.name], attribute), weight)
        for call, attribute, weight in graph.weights()
    ]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        values = run_graph(graph, [inputs], layers.layer_with_weights, "float64")
        total = tf.reduce_sum(values[graph.outputs[0]] * out.from_torch(cotangent))
    *gradients, of_input = tape.gradient(total, [*[v.value for v, _ in weights], inputs])
    found: dict[str, np.ndarray] = {}
    for (held, weight), gradient in zip(weights, gradients, strict=True):
        if held.trainable and weight.trainable:
            numbers, whole = weight.numbers().numpy(), np.zeros(weight.constant.tensor.shape)
            np.add.at(
                whole.reshape(-1),
                numbers.reshape(-1),
                np.asarray(tf.convert_to_tensor(gradient)).reshape(-1),
            )
            rows = (
                list(whole) if weight.constant.recipe else [whole]
            )  # a GRU's two biases are the rows of one weight
            for path, row in zip(
                weight.constant.paths or weight.constant.folded_from, rows, strict=False
            ):
                found[path] = found.get(path, 0) + row
    return {**found, "input": port.to_torch(of_input.numpy())} if x.is_floating_point() else found


@pytest.mark.parametrize("name", NETS)
def test_the_gradient_of_every_weight_is_pytorchs(name: str) -> None:
    net, x = example(name)
    converted = t2k.convert(net, (x,), verify=False)
    cotangent = torch.randn(net(x).shape, dtype=torch.float64)
    ours, theirs = keras_gradients(converted, x, cotangent), torch_gradients(net, x, cotangent)
    assert set(ours) == set(theirs)
    for path, gradient in theirs.items():
        assert np.abs(ours[path] - gradient).max() <= 1e-8 * np.abs(gradient).max(), path


@pytest.mark.parametrize("name", NETS)
def test_the_model_trains_all_that_the_module_trains_and_nothing_else(name: str) -> None:
    net, x = example(name)
    model = t2k.convert(net, (x,), verify=False).model
    parameters = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == parameters


@pytest.mark.parametrize("name", ["attention", "class token", "words"])
def test_parameters_without_a_layer_of_their_own_are_saved(name: str, tmp_path: Path) -> None:
    net, x = example(name)
    converted = t2k.convert(net, (x,), verify=False)
    loaded = keras.saving.load_model(converted.save(tmp_path / "net.keras"), safe_mode=True)
    (port,) = converted.inputs
    given = port.from_torch(x)
    assert np.array_equal(loaded(given), converted.model(given))
    assert len(loaded.trainable_weights) == len(list(net.parameters()))


# All numbers are sums of few powers of two: Keras keeps some of them in float32.
RATE, FIRST, SECOND, DECAY = 2.0**-6, 1 - 2.0**-3, 1 - 2.0**-7, 2.0**-5
OPTIMIZERS: Mapping[str, tuple[Callable[[Any], torch.optim.Optimizer], Callable[[], Any]]] = {
    "SGD": (
        lambda weights: torch.optim.SGD(weights, lr=RATE, momentum=FIRST),
        lambda: keras.optimizers.SGD(RATE, momentum=FIRST),
    ),
    "AdamW": (
        lambda weights: torch.optim.AdamW(
            weights, lr=RATE, betas=(FIRST, SECOND), weight_decay=DECAY, eps=1e-15
        ),
        lambda: keras.optimizers.AdamW(
            RATE, beta_1=FIRST, beta_2=SECOND, weight_decay=DECAY, epsilon=1e-15
        ),
    ),
}
STEPS = 20


def trained_by_torch(
    net: nn.Module, batches: list[torch.Tensor], optimizer: str
) -> dict[str, torch.Tensor]:
    """The state after one step a batch, each to make the outputs small."""
    net = deepcopy(net).train()
    steps = OPTIMIZERS[optimizer][0](net.parameters())
    for x in batches:
        steps.zero_grad()
        (net(x) ** 2).mean().backward()
        steps.step()
    return net.state_dict()


def trained_by_keras(
    converted: Converted, batches: list[torch.Tensor], optimizer: str
) -> dict[str, torch.Tensor]:
    """The same, by Keras."""
    model, steps = converted.model, OPTIMIZERS[optimizer][1]()
    (port,) = converted.inputs
    for x in batches:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(port.from_torch(x), training=True)))
        weights = model.trainable_weights
        steps.apply(tape.gradient(loss, [w.value for w in weights]), weights)
    return converted.state_dict()


def in_double(name: str, count: int) -> tuple[nn.Module, Converted, list[torch.Tensor]]:
    """A net in float64, converted, and batches to train on."""
    net, x = example(name)
    net = net.double()
    converted = t2k.convert(net, (x.double(),), verify=False)
    return net, converted, [torch.randn(x.shape, dtype=torch.float64) for _ in range(count)]


TRAINED = ["batch norm", "group norm", "attention"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", TRAINED)
def test_20_steps_of_training_give_the_same_weights(name: str, optimizer: str) -> None:
    net, converted, batches = in_double(name, STEPS)
    theirs, ours = (
        trained_by_torch(net, batches, optimizer),
        trained_by_keras(converted, batches, optimizer),
    )
    before = net.state_dict()
    for path, value in theirs.items():
        if not path.endswith(("running_var", "num_batches_tracked")):
            assert (value - before[path]).abs().max() > 1e-3, path
            assert (ours[path] - value).abs().max() <= 1e-7 * value.abs().max(), path


def test_the_running_variance_differs_by_the_factor_that_is_documented() -> None:
    """PyTorch's estimate is unbiased: each update is n / (n - 1) times larger than Keras's."""
    net, converted, batches = in_double("batch norm", 1)
    theirs, ours = (
        trained_by_torch(net, batches, "SGD"),
        trained_by_keras(converted, batches, "SGD"),
    )
    n = batches[0].shape[0] * batches[0].shape[2]
    kept = 0.9 * net.state_dict()["1.running_var"]
    ratio = (theirs["1.running_var"] - kept) / (ours["1.running_var"] - kept)
    assert np.allclose(ratio, n / (n - 1), rtol=1e-9, atol=0)
