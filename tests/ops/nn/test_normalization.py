"""Normalizations, over every rank, with and without weights, before and after a convolution."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

import torch2keras as t2k
from op_case import Case, check, function, module
from torch2keras.verification.metric import numerics


def randomized(net: nn.Module) -> nn.Module:
    """Weights and running statistics that are not ones and zeros."""
    with torch.no_grad():
        for name, tensor in (*net.named_parameters(), *net.named_buffers()):
            if tensor.is_floating_point() and tensor.ndim == 1:
                tensor.copy_(
                    torch.rand(tensor.shape) + 0.3 if "var" in name else torch.randn(tensor.shape)
                )
    return net.eval()


def norm(cls: type[nn.Module], *args: Any, shape: tuple[int, ...], **kwargs: Any) -> Case:
    """One normalization with random weights."""
    return module(lambda: randomized(cls(*args, **kwargs)), shape)


def between(make: Any, shape: tuple[int, ...] = (2, 3, 19)) -> Case:
    """The normalization of 6 channels between two convolutions, which store channels last."""
    return module(
        lambda: randomized(nn.Sequential(nn.Conv1d(3, 6, 3), make(), nn.Conv1d(6, 5, 2))), shape
    )


def of_channels(x: torch.Tensor) -> torch.Tensor:
    """A layer norm over (channels, length) with a weight that is computed."""
    return F.layer_norm(x, x.shape[1:], weight=torch.tanh(x[0]), bias=None)


CASES = {
    "batch, 2-D": norm(nn.BatchNorm1d, 7, shape=(3, 7)),
    "batch, 1d": norm(nn.BatchNorm1d, 5, shape=(3, 5, 11)),
    "batch, 2d, eps and momentum": norm(nn.BatchNorm2d, 5, 1e-2, 0.3, shape=(2, 5, 3, 7)),
    "batch, 3d": norm(nn.BatchNorm3d, 2, shape=(3, 2, 5, 7, 3)),
    "batch, no affine": norm(nn.BatchNorm1d, 5, affine=False, shape=(3, 5, 11)),
    "batch, no running statistics": norm(
        nn.BatchNorm1d, 5, track_running_stats=False, shape=(3, 5, 11)
    ),
    "batch, neither": norm(
        nn.BatchNorm1d, 5, affine=False, track_running_stats=False, shape=(3, 5, 11)
    ),
    "batch between convolutions": between(lambda: nn.BatchNorm1d(6)),
    "batch, statistics of the batch between convolutions": between(
        lambda: nn.BatchNorm1d(6, track_running_stats=False)
    ),
    "batch, computed weight": function(
        lambda x, w: F.batch_norm(
            x, torch.arange(5.0), torch.arange(5.0) + 1, weight=torch.tanh(w)
        ),
        (3, 5, 7),
        (5,),
    ),
    "batch, computed statistics": function(
        lambda x, m, v: F.batch_norm(x, m, v * v + 1), (3, 5, 7), (5,), (5,)
    ),
    "native batch": function(
        lambda x: torch.native_batch_norm(
            x, None, None, torch.arange(5.0), torch.arange(5.0) + 1, False, 0.1, 1e-5
        )[0],
        (3, 5, 7),
    ),
    "native batch, training": function(
        lambda x: torch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)[0], (3, 5, 7)
    ),
    "native batch, its statistics": function(
        lambda x: torch.native_batch_norm(
            torch.conv1d(x, x[:, :, :3]), None, None, None, None, True, 0.1, 1e-5
        )[1:],
        (5, 3, 13),
        transposes=1,
    ),
    "native batch, one of its statistics": function(
        lambda x: torch.ops.aten._native_batch_norm_legit.no_stats(x, None, None, True, 0.1, 1e-5)[
            ::2
        ],
        (3, 5, 7),
    ),
    "batch without training": function(
        lambda x: torch.ops.aten._native_batch_norm_legit_no_training(
            x, None, None, torch.arange(5.0), torch.arange(5.0) + 1, 0.1, 1e-5
        )[0],
        (3, 5, 7),
    ),
    "batch, no statistics": function(
        lambda x: torch.ops.aten._native_batch_norm_legit.no_stats(x, None, None, True, 0.1, 1e-5)[
            0
        ],
        (3, 5, 7),
    ),
    "layer, last": norm(nn.LayerNorm, 13, shape=(2, 5, 13)),
    "layer, two dimensions": norm(nn.LayerNorm, (5, 13), shape=(2, 3, 5, 13)),
    "layer, no affine": norm(nn.LayerNorm, 13, elementwise_affine=False, shape=(2, 5, 13)),
    "layer, no bias": norm(nn.LayerNorm, 13, bias=False, shape=(2, 5, 13)),
    "layer, one dimension in all": norm(nn.LayerNorm, 13, 1e-3, shape=(13,)),
    "layer over channels and length": between(lambda: nn.LayerNorm((6, 17))),
    "layer over length": between(lambda: nn.LayerNorm(17)),
    "layer, computed weight": function(of_channels, (2, 3, 7)),
    "native layer": function(
        lambda x: torch.native_layer_norm(x, (7,), None, None, 1e-5)[0], (2, 3, 7)
    ),
    "native layer, its statistics": function(
        lambda x, w: torch.native_layer_norm(x, (5, 7), w, None, 1e-3), (2, 3, 5, 7), (5, 7)
    ),
    "native layer of channels, its statistics": function(
        lambda x: torch.native_layer_norm(torch.conv1d(x, x[:, :, :3]), (5, 11), None, None, 1e-3)[
            :2
        ],
        (5, 3, 13),
        transposes=1,
    ),
    "group, 1d": norm(nn.GroupNorm, 3, 6, shape=(2, 6, 11)),
    "group, 2-D": norm(nn.GroupNorm, 2, 26, shape=(3, 26)),
    "group, 2d, one group": norm(nn.GroupNorm, 1, 6, shape=(2, 6, 5, 3)),
    "group, 3d, a group a channel": norm(nn.GroupNorm, 6, 6, shape=(2, 6, 5, 3, 2)),
    "group, no affine": norm(nn.GroupNorm, 2, 6, affine=False, shape=(2, 6, 11)),
    "group between convolutions": between(lambda: nn.GroupNorm(2, 6)),
    "group, computed weight": function(
        lambda x, w: F.group_norm(x, 2, torch.tanh(w)), (3, 6, 7), (6,)
    ),
    "instance, 1d": norm(nn.InstanceNorm1d, 5, affine=True, shape=(2, 5, 11)),
    "instance, unbatched": norm(nn.InstanceNorm1d, 5, shape=(5, 11)),
    "instance, 2d": norm(nn.InstanceNorm2d, 5, shape=(2, 5, 11, 3)),
    "instance, 3d": norm(nn.InstanceNorm3d, 2, affine=True, shape=(2, 2, 5, 3, 7)),
    "instance, running statistics": norm(
        nn.InstanceNorm1d, 5, affine=True, track_running_stats=True, shape=(2, 5, 11)
    ),
    "instance between convolutions": between(lambda: nn.InstanceNorm1d(6, affine=True)),
    "rms, last": norm(nn.RMSNorm, 13, shape=(2, 5, 13)),
    "rms, eps": norm(nn.RMSNorm, 13, eps=1e-2, shape=(2, 5, 13)),
    "rms, two dimensions": norm(nn.RMSNorm, (5, 13), shape=(2, 3, 5, 13)),
    "rms, no affine": norm(nn.RMSNorm, 13, elementwise_affine=False, shape=(2, 5, 13)),
    "rms over length": between(lambda: nn.RMSNorm(17)),
    "rms over channels and length": between(lambda: nn.RMSNorm((6, 17))),
}


CASES |= {
    "local response": module(lambda: nn.LocalResponseNorm(3), (2, 7, 11)),
    "local response, 2d": module(
        lambda: nn.LocalResponseNorm(2, alpha=0.3, beta=0.5, k=2.0), (2, 5, 7, 3)
    ),
    "F.normalize": function(lambda x: F.normalize(x, dim=1), (2, 5, 7)),
    "F.normalize, p=3, after a convolution": function(
        lambda x, w: F.normalize(F.conv1d(x, w), p=3, dim=1), (2, 3, 11), (5, 3, 3)
    ),
    "cosine similarity": module(lambda: nn.CosineSimilarity(dim=1), (2, 5, 7), (2, 5, 7)),
    "pairwise distance": module(lambda: nn.PairwiseDistance(p=2, keepdim=True), (3, 7), (3, 7)),
}


@pytest.mark.parametrize("name", CASES)
def test_normalization(name: str) -> None:
    check(CASES[name])


FAR = {
    "layer": lambda: nn.LayerNorm(64),
    "group": lambda: nn.GroupNorm(4, 12),
    "instance": lambda: nn.InstanceNorm1d(12),
    "batch": lambda: nn.BatchNorm1d(12, track_running_stats=False),
}


@pytest.mark.parametrize("name", FAR)
@pytest.mark.parametrize("offset", [100.0, -3000.0])
def test_a_mean_far_above_the_deviation_costs_no_more_accuracy_than_in_pytorch(
    name: str, offset: float
) -> None:
    torch.manual_seed(0)
    net, x = FAR[name]().eval(), torch.randn(3, 12, 64) + offset
    ours = t2k.convert(net, (x,), verify=False)(x)
    difference = numerics(ours, net(x).detach().numpy(), net.double()(x.double()).detach().numpy())
    assert difference.ok, difference.reason


@pytest.mark.parametrize(
    "wrap",
    [
        nn.utils.weight_norm,
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
    ],
)
def test_a_normalized_weight_is_folded_into_one_trainable_kernel(wrap: Any) -> None:
    converted = check(module(lambda: wrap(nn.Linear(5, 7)), (2, 5)))
    assert sorted(w.path for w in converted.model.trainable_weights) == [
        "dense/bias",
        "dense/kernel",
    ]


class KeptInEval(nn.Module):
    """`train` leaves the first norm in eval mode, as fine-tuned detectors have it."""

    def __init__(self, *, frozen: bool) -> None:
        super().__init__()
        self.conv, self.kept = nn.Conv1d(3, 6, 3), nn.BatchNorm1d(6)
        self.head = nn.Sequential(nn.Conv1d(6, 5, 2), nn.BatchNorm1d(5))
        self.kept.requires_grad_(requires_grad=not frozen)

    def train(self, mode: bool = True) -> KeptInEval:
        super().train(mode)
        self.kept.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.kept(self.conv(x))))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_norm_that_is_kept_in_eval_mode_stays_on_its_statistics_in_training(
    tmp_path: Any, *, frozen: bool
) -> None:
    torch.manual_seed(0)
    net = randomized(KeptInEval(frozen=frozen)).double()
    x = torch.randn(4, 3, 19, dtype=torch.float64)
    converted = t2k.convert(net, (x,))
    loaded = keras.saving.load_model(converted.save(tmp_path / "net.keras"))
    before = [weight.numpy() for weight in loaded.non_trainable_weights]
    (port,), (out,) = converted.inputs, converted.outputs
    ours = out.to_torch(loaded(port.from_torch(x), training=True))
    theirs = net.train()(x).detach().numpy()
    assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    weights = zip(loaded.non_trainable_weights, before, strict=True)
    moved = [weight.path for weight, old in weights if not np.array_equal(weight.numpy(), old)]
    assert moved
    assert all(path.startswith("head_1/") for path in moved)
    count = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    assert sum(int(np.prod(weight.shape)) for weight in loaded.trainable_weights) == count
    state = {name: tensor + 1 for name, tensor in net.state_dict().items()}
    converted.load_state_dict(state)
    for name, tensor in converted.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_a_dropout_in_eval_mode_within_a_module_in_train_mode_is_idle_in_keras() -> None:
    net = nn.Sequential(nn.Linear(5, 7), nn.Dropout(0.9)).train()
    net[1].eval()
    x = torch.randn(2, 5)
    converted = t2k.convert(net, (x,))
    assert torch.allclose(torch.tensor(np.array(converted.model(x, training=True))), net(x))
