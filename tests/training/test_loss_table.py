"""Each loss of PyTorch's, and what Keras trains by: equal values, equal gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

from torch2keras.conversion.ports import Port
from torch2keras.errors import InputError
from torch2keras.training.loss_table import ModelOutput, make_loss

COUNT, CLASSES, LENGTH = 6, 5, 7
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.25, 3.0], dtype=torch.float64)


def port_of(*permutation):
    shape = (None, CLASSES, LENGTH)[: len(permutation)]
    stored = tuple(shape[dim] for dim in permutation)
    return Port("y", "float64", shape, stored, "", permutation)


FLAT, LAST, FIRST = port_of(0, 1), port_of(0, 2, 1), port_of(0, 1, 2)


def scores(rank=2):
    return torch.randn((COUNT, CLASSES, LENGTH)[:rank], dtype=torch.float64)


def indices(rank=2, ignored=None):
    drawn = torch.randint(0, CLASSES, (COUNT, LENGTH)[: rank - 1])
    if ignored is not None:
        drawn[0] = ignored
    return drawn


def shares(rank=2):
    return scores(rank).softmax(1)


def store(port, tensor):
    """Bring predictions or targets into Keras's order; indices have no class dimension."""
    if tensor.ndim == len(port.permutation):
        return port.from_torch(tensor)
    order = [dim - (dim > 1) for dim in port.permutation if dim != 1]
    return tensor.permute(order).numpy()


# What the loss is, its predictions and targets in PyTorch, the port, and the class it becomes.
STOCK = "keras"
CASES = {
    "cross entropy": (nn.CrossEntropyLoss(), scores, indices, FLAT, STOCK),
    "ignored by default": (
        *(nn.CrossEntropyLoss(), scores, lambda: indices(ignored=-100), FLAT, STOCK),
    ),
    "ignored class": (
        *(nn.CrossEntropyLoss(ignore_index=2), scores, lambda: indices(ignored=2), FLAT, STOCK),
    ),
    "along a sequence": (
        *(nn.CrossEntropyLoss(), lambda: scores(3), lambda: indices(3, -100), LAST, STOCK),
    ),
    "channels first": (
        *(nn.CrossEntropyLoss(), lambda: scores(3), lambda: indices(3), FIRST, "Torch"),
    ),
    "weights, smoothed": (
        nn.CrossEntropyLoss(WEIGHTS, label_smoothing=0.1, ignore_index=1),
        *(lambda: scores(3), lambda: indices(3, 1), LAST, "Torch"),
    ),
    "smoothed": (nn.CrossEntropyLoss(label_smoothing=0.2), scores, indices, FLAT, "Torch"),
    "summed": (nn.CrossEntropyLoss(reduction="sum"), scores, indices, FLAT, "Torch"),
    "probabilities": (nn.CrossEntropyLoss(label_smoothing=0.1), scores, shares, FLAT, STOCK),
    "probabilities, first": (
        *(nn.CrossEntropyLoss(), lambda: scores(3), lambda: shares(3), FIRST, STOCK),
    ),
    "probabilities, weights": (
        nn.CrossEntropyLoss(WEIGHTS, label_smoothing=0.1),
        *(lambda: scores(3), lambda: shares(3), LAST, "Torch"),
    ),
    "log-likelihood": (
        nn.NLLLoss(WEIGHTS, ignore_index=3),
        *(lambda: scores().log_softmax(1), lambda: indices(ignored=3), FLAT, "Torch"),
    ),
    "squares": (nn.MSELoss(), lambda: scores(3), lambda: scores(3), LAST, STOCK),
    "squares, summed": (nn.MSELoss(reduction="sum"), scores, scores, FLAT, "Torch"),
    "sizes": (nn.L1Loss(), scores, scores, FLAT, STOCK),
    "sizes, summed": (nn.L1Loss(reduction="sum"), scores, scores, FLAT, "Torch"),
    "huber": (nn.HuberLoss(delta=0.5), scores, scores, FLAT, STOCK),
    "huber, summed": (nn.HuberLoss("sum", delta=0.5), scores, scores, FLAT, "Torch"),
    "smooth": (nn.SmoothL1Loss(), scores, scores, FLAT, STOCK),
    "smooth, beta": (nn.SmoothL1Loss(beta=0.3), scores, scores, FLAT, "Torch"),
    "smooth, no beta": (nn.SmoothL1Loss(beta=0.0), scores, scores, FLAT, "Torch"),
    "binary": (nn.BCELoss(), lambda: scores().sigmoid(), shares, FLAT, "Torch"),
    "binary, weights": (nn.BCELoss(WEIGHTS), lambda: scores().sigmoid(), shares, FLAT, "Torch"),
    "binary of logits": (nn.BCEWithLogitsLoss(), scores, shares, FLAT, STOCK),
    "binary of logits, weights": (
        nn.BCEWithLogitsLoss(weight=WEIGHTS[:, None], pos_weight=WEIGHTS[:, None]),
        *(lambda: scores(3), lambda: shares(3), LAST, "Torch"),
    ),
    "divergence": (
        *(nn.KLDivLoss(reduction="batchmean"), lambda: scores().log_softmax(1), shares, FLAT),
        "Torch",
    ),
    "divergence of logarithms": (
        nn.KLDivLoss(log_target=True),
        *(lambda: scores().log_softmax(1), lambda: shares().log(), FLAT, "Torch"),
    ),
    "poisson": (nn.PoissonNLLLoss(), scores, shares, FLAT, "Torch"),
    "poisson of means": (nn.PoissonNLLLoss(log_input=False), shares, shares, FLAT, "Torch"),
    "soft margin": (nn.SoftMarginLoss(), scores, lambda: scores().sign(), FLAT, "Torch"),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_equal(name):
    torch.manual_seed(0)
    criterion, predict, draw, port, home = CASES[name]
    predictions, targets = predict().requires_grad_(), draw()
    theirs = criterion(predictions, targets)
    theirs.backward()
    kind = "probabilities" if targets.is_floating_point() else "indices"
    made = make_loss(criterion, ModelOutput(port, kind))
    assert type(made).__module__.startswith("keras") == (home == STOCK)
    if home != STOCK:  # Keras's own forget their dtype
        made = keras.losses.deserialize(keras.losses.serialize(made))
    x = tf.constant(port.from_torch(predictions.detach()))
    with tf.GradientTape() as tape:
        tape.watch(x)
        ours = made(tf.constant(store(port, targets)), x)
    assert float(ours) == pytest.approx(theirs.item(), rel=1e-12)
    gradient = port.to_torch(tape.gradient(ours, x).numpy())
    np.testing.assert_allclose(gradient, predictions.grad.numpy(), rtol=1e-9, atol=1e-13)


def test_what_keras_cannot_is_named():
    with pytest.raises(InputError, match="CTCLoss has no equal"):
        make_loss(nn.CTCLoss(), ModelOutput())
    with pytest.raises(InputError, match="no number"):
        make_loss(nn.MSELoss(reduction="none"), ModelOutput())
    with pytest.raises(InputError, match="full"):
        make_loss(nn.PoissonNLLLoss(full=True), ModelOutput())
