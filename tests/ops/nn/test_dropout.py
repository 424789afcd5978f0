"""Dropout: the identity in inference, random in Keras training with PyTorch's rate and mean."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

import torch2keras as t2k
from op_case import Function, check, function, module
from training_only import DROPS, RATE, Attention, Sometimes

CASES = {
    "dropout": module(lambda: nn.Dropout(0.3), (2, 5)),
    "dropout, nothing": module(lambda: nn.Dropout(0.0), (2, 5)),
    "dropout, everything": module(lambda: nn.Dropout(1.0), (2, 5)),
    "dropout in place": module(
        lambda: nn.Sequential(nn.Linear(5, 7), nn.Dropout(0.3, inplace=True)), (2, 5)
    ),
    "native dropout": function(lambda x: torch.native_dropout(x, 0.3, False), (2, 5)),
    "dropout 1d": module(lambda: nn.Dropout1d(0.3), (2, 5, 7)),
    "dropout 1d, unbatched": module(lambda: nn.Dropout1d(0.3), (5, 7)),
    "dropout 2d between convolutions": module(
        lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.Dropout2d(0.3), nn.Conv2d(5, 2, 3)),
        (2, 3, 11, 7),
    ),
    "dropout 3d": module(lambda: nn.Dropout3d(0.3), (2, 5, 3, 7, 2)),
    "feature dropout of a matrix": function(lambda x: torch.feature_dropout(x, 0.3, False), (2, 5)),
    "alpha": module(lambda: nn.AlphaDropout(0.3), (2, 5)),
    "feature alpha": module(lambda: nn.FeatureAlphaDropout(0.3), (2, 5, 7)),
}


@pytest.mark.parametrize("name", CASES)
def test_dropout(name: str) -> None:
    check(CASES[name])


RANDOM = {
    "Dropout": (lambda: nn.Dropout(0.3), (40, 50, 20), None),
    "Dropout1d": (lambda: nn.Dropout1d(0.3), (40, 50, 20), "channels"),
    "Dropout2d": (lambda: nn.Dropout2d(0.3), (40, 50, 5, 4), "channels"),
    "AlphaDropout": (lambda: nn.AlphaDropout(0.3), (40, 50, 20), None),
    "FeatureAlphaDropout": (lambda: nn.FeatureAlphaDropout(0.3), (40, 50, 20), "channels"),
}


@pytest.mark.parametrize("name", RANDOM)
def test_training_drops_at_the_rate_and_keeps_mean_and_deviation(name: str) -> None:
    make, shape, unit = RANDOM[name]
    made = make()
    x = torch.ones(shape) if "Alpha" not in name else torch.randn(shape)
    converted = t2k.convert(made, (x,))
    keras.utils.set_random_seed(0)
    (port,), (out,) = converted.inputs, converted.outputs
    y = out.to_torch(np.asarray(converted.model(port.from_torch(x), training=True)))
    expected = made.train()(x).numpy()
    assert not np.array_equal(y, x.numpy())
    assert y.mean() == pytest.approx(expected.mean(), abs=0.05)
    assert y.std() == pytest.approx(expected.std(), abs=0.05)
    dropped = decisions(x.numpy(), y)
    assert dropped.mean() == pytest.approx(0.3, abs=0.03)
    assert decisions(x.numpy(), expected).mean() == pytest.approx(0.3, abs=0.03)
    assert (dropped.std(axis=-1).max() == 0) == (unit == "channels")


def decisions(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The dropped elements, (examples, channels, positions): their value is there most often."""
    values, counts = np.unique(np.round(y, 4), return_counts=True)
    constant = values[np.argmax(counts)] if len(values) > 2 else 0.0
    return (np.round(y, 4) == constant).reshape(*x.shape[:2], -1)


def test_dropout_that_is_active_in_eval_mode_is_refused() -> None:
    with pytest.raises(t2k.Torch2KerasError, match="active in eval mode"):
        t2k.convert(Function(lambda x: F.dropout(x, 0.3)), (torch.randn(2, 5),))


def run_training(net: nn.Module, x: torch.Tensor, runs: int = 1) -> np.ndarray:
    """What the Keras model gives for one input in training, several times, in PyTorch's order."""
    converted = t2k.convert(net.eval(), (x,))
    assert not [note for note in converted.report.notes if "than in eval mode" in note]
    keras.utils.set_random_seed(0)
    (port,), (out,) = converted.inputs, converted.outputs
    given = port.from_torch(x)
    results = [converted.model(given, training=True) for _ in range(runs)]
    return np.stack([out.to_torch(np.asarray(result)) for result in results])


@pytest.mark.parametrize("name", DROPS)
def test_what_drops_in_train_mode_alone_drops_in_keras(name: str) -> None:
    drop, dims = DROPS[name]
    x = torch.ones(20, 30, 23)
    runs = 1 if dims else 200
    y = run_training(Sometimes(drop), x, runs)
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - RATE)], rtol=1e-6)
    shared = tuple(dim + 1 for dim in range(3) if dim not in dims)
    decisions = y.max(axis=shared)
    np.testing.assert_array_equal(decisions, y.min(axis=shared))
    share = np.mean(decisions == 0)
    assert share == pytest.approx(RATE, abs=4 * (RATE * (1 - RATE) / decisions.size) ** 0.5)


def test_other_rows_are_dropped_each_time() -> None:
    drop, _ = DROPS["comparison"]
    first, second = run_training(Sometimes(drop), torch.ones(50, 3, 5), runs=2)
    assert (first != second).any()
    assert (first == first[:, :1, :1]).all()


def test_noise_of_train_mode_alone_is_added_in_keras() -> None:
    net = Sometimes(lambda x: x + 0.25 * torch.randn_like(x))
    y = run_training(net, torch.full((20, 30, 23), 2.0))
    assert y.mean() == pytest.approx(2, abs=0.01)
    assert y.std() == pytest.approx(0.25, abs=0.01)


def test_dropped_attention_is_that_of_pytorch_on_average() -> None:
    net, x = Attention(), torch.randn(3, 5, 7)
    y = run_training(net, x, runs=300)
    with torch.no_grad():
        net.train()
        wanted = torch.stack([net(x) for _ in range(300)]).numpy()
    assert y.std(axis=0).mean() == pytest.approx(wanted.std(axis=0).mean(), rel=0.1)
    np.testing.assert_allclose(y.mean(axis=0), wanted.mean(axis=0), atol=0.2)
