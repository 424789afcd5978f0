"""One parameter, moved by an optimizer of PyTorch's and by ours on the same gradients."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import torch

from torch2keras.training.optimizer_table import find_formula
from torch2keras.training.torch_optimizer import Setting

STEPS = 40
SCALES = (1.0, 1e-3, 1e-7)
"""Of gradients: where they are as small as epsilon, its place shows."""


def race(cls, *, scale=1.0, copies=1, steps=STEPS, dtype="float64", **options):
    """Return how far apart the parameters are after the steps, as a share of how far they went.

    With `copies`, PyTorch has that many parameters of equal gradients, whose sum is compared.
    """
    generator = np.random.default_rng(0)
    starts = generator.standard_normal((copies, 6, 5)).astype(dtype)
    parameters = [torch.nn.Parameter(torch.from_numpy(start.copy())) for start in starts]
    theirs = cls(parameters, **options)
    formula = find_formula(theirs)
    group = theirs.param_groups[0]
    held = float(np.float32(group["lr"]))  # as Keras does, that rates are equal
    group["lr"] = held
    options = formula.read_options(group)
    ours = formula.ours(held, options)
    start = starts.sum(0)
    variable = keras.Variable(start, dtype=dtype)
    ours.bind([(variable, Setting(options, copies=copies))])
    ours.build([variable])
    for _ in range(steps):
        gradient = (generator.standard_normal((6, 5)) * scale).astype(dtype)
        for parameter in parameters:
            parameter.grad = torch.from_numpy(gradient.copy())
        theirs.step()
        ours.apply([tf.constant(gradient)], [variable])
    expected = sum(parameter.detach().numpy() for parameter in parameters)
    return np.linalg.norm(variable.numpy() - expected) / np.linalg.norm(expected - start)
