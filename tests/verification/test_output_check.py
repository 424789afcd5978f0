"""An output is judged by four runs: meaning in float64, numbers by the module's own rounding."""

from __future__ import annotations

import torch
from torch import nn

from torch2keras.conversion.ports import Port
from torch2keras.verification.input_sets import Given
from torch2keras.verification.output_check import Answers
from torch2keras.verification.random_rounding import RandomRuns, Rounded

X = torch.linspace(-1.0, 1.0, 7)
EXACT = X.double().numpy() * 3


class Triple(nn.Module):
    def forward(self, x):
        return x * 3


GIVEN = Given("normal", (X,), [])
PORT = Port("output", "float32", (7,), (7,), "n", (0,))
PLACE = ("normal", ((7,),), "output")
ROUNDED = Rounded(RandomRuns(Triple(), (X,), {}), 0, EXACT)


def compare(keras64, keras_own, *, gives_numpy=False):
    answers = Answers(keras64, keras_own, EXACT.astype("float32"), EXACT)
    checks = answers.check(GIVEN, PORT, ROUNDED, gives_numpy=gives_numpy)
    assert [(check.probe, check.shapes, check.output) for check in checks] == [PLACE] * 2
    return [check.difference for check in checks]


def test_the_same_function_passes_both():
    same, near = compare(EXACT, EXACT.astype("float32"))
    assert same.ok
    assert near.ok


def test_another_function_fails_in_float64():
    same, near = compare(EXACT + 1e-6, EXACT.astype("float32"))
    assert not same.ok
    assert near.ok


def test_worse_rounding_fails_in_the_own_type():
    same, near = compare(EXACT, (EXACT * 1.001).astype("float32"))
    assert same.ok
    assert not near.ok


def test_numpy_within_forward_has_the_precision_of_its_type():
    off = EXACT * (1 + 1e-7)
    assert not compare(off, EXACT.astype("float32"))[0].ok
    assert compare(off, EXACT.astype("float32"), gives_numpy=True)[0].ok
