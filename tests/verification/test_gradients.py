"""Gradients are compared where they may differ, and a difference never passes in silence."""

from __future__ import annotations

import contextlib

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import Function
from torch.utils.checkpoint import checkpoint

import torch2keras as t2k
from torch2keras.capture.training.custom_functions import FunctionTable
from torch2keras.errors import VerificationError
from torch2keras.verification.gradients import judge

EQUAL = "are PyTorch's, in float64"


class Reversal(Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -0.7 * g


class Sign(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x.abs() <= 1)


class Clipped(Reversal):
    @staticmethod
    def backward(ctx, g):
        return g.clamp(-0.001, 0.001)


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.conv, self.head, self.function = nn.Conv1d(3, 4, 3), nn.Linear(4, 2), function

    def forward(self, x):
        return self.head(self.function(self.conv(x)).mean(-1))


class Binary(nn.Module):
    """A layer whose weight is the sign of a parameter, straight through."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(0.5 * torch.randn(5, 7))

    def forward(self, x):
        return nn.functional.linear(x, Sign.apply(self.weight))


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.block = nn.Embedding(11, 8), nn.Sequential(nn.Linear(8, 8), nn.Tanh())

    def forward(self, indices):
        return checkpoint(self.block, self.table(indices), use_reentrant=True)


def hooked(y):
    z = y * 1
    if z.requires_grad:
        z.register_hook(lambda g: -0.5 * g)
    return z


def watched(y):
    """A hook that only looks."""
    z = y * 1
    if z.requires_grad:
        z.register_hook(lambda g: None)
    return z


def sound():
    return torch.randn(2, 3, 9)


class TwoOutputs(nn.Module):
    """Outputs of which one is complex, a bidirectional GRU, and a weight that is read twice."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(3, 4, bidirectional=True, batch_first=True)
        self.norm = nn.BatchNorm1d(8)
        self.mix = nn.Parameter(torch.randn(8, 8))

    def forward(self, x):
        y = self.norm(self.gru(x.transpose(1, 2))[0].transpose(1, 2))
        return torch.fft.rfft(y), y.mean(-1) @ self.mix @ self.mix.t()


# A module, its input, and what the note on gradients says.
CASES = {
    "reversal": (lambda: Call(Reversal.apply), sound, EQUAL),
    "straight through where small": (lambda: Call(Sign.apply), sound, EQUAL),
    "binary weight": (Binary, lambda: torch.randn(2, 7), EQUAL),
    "reentrant checkpoint": (Checkpointed, lambda: torch.arange(6).reshape(2, 3), EQUAL),
    "a hook that only looks": (lambda: Call(watched), sound, EQUAL),
    "hook": (lambda: Call(hooked), sound, "The gradients differ from PyTorch's: "),
    "clipped": (lambda: Call(Clipped.apply), sound, "Clipped"),
}


def gradient_notes(converted):
    return [note for note in converted.verification.notes if "radients" in note]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_they_are_compared_without_being_asked_for(name):
    torch.manual_seed(0)
    make, data, words = CASES[name]
    converted = t2k.convert(make(), (data(),))
    (note,) = gradient_notes(converted)
    assert words in note
    assert note in converted.report.notes


def test_a_plain_module_is_compared_when_asked():
    torch.manual_seed(0)
    converted = t2k.convert(TwoOutputs().eval(), (sound(),))
    assert not gradient_notes(converted)
    converted.verify(level="gradients")
    (note,) = gradient_notes(converted)
    assert EQUAL in note


@contextlib.contextmanager
def plain_forward(_):
    """The fault: what forward computes is exported as it is."""
    yield


@pytest.mark.parametrize("function", [Reversal, Sign])
def test_a_difference_that_no_note_explains_is_an_error(function, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(FunctionTable, "write_as_operations", plain_forward)
    with pytest.raises(VerificationError, match="gradients") as caught:
        t2k.convert(Call(function.apply), (sound(),))
    assert "conv.weight" in str(caught.value)
    assert function.__name__ in str(caught.value)


def test_a_changed_weight_of_the_graph_shows(monkeypatch):
    """A parameter that Keras would not train has a gradient of zeros there."""
    converted = t2k.convert(Call(torch.tanh).eval(), (sound(),))
    (conv,) = [call for call in converted.conversion.lowered.graph.calls if call.name == "conv"]
    object.__setattr__(conv, "trainable", False)
    with pytest.raises(VerificationError, match="gradients") as caught:
        converted.verify(level="gradients")
    assert "conv.weight by 1 of its size" in str(caught.value)


def test_another_backend_is_told(monkeypatch):
    converted = t2k.convert(Call(torch.tanh).eval(), (sound(),), verify=False)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    from torch2keras.verification.gradients import verify_gradients

    note, _ = verify_gradients(converted.conversion, asked=True).notes
    assert "TensorFlow" in note


JUDGED = {
    "equal": ({"a": [1.0]}, {"a": [1.0]}, ()),
    "rounding": ({"a": [1.0]}, {"a": [1.0 + 1e-12]}, ()),
    "off": ({"a": [1.0], "b": [1.0]}, {"a": [1.0], "b": [1.0 + 1e-7]}, ("b",)),
    "missing": ({"a": [1.0], "b": [1.0]}, {"b": [1.0]}, ("a",)),
    "too many": ({"b": [1.0]}, {"a": [1.0], "b": [1.0]}, ("a",)),
    "a gradient that is rounding": ({"a": [1e-17], "b": [1.0]}, {"a": [3e-17], "b": [1.0]}, ()),
    "none": ({}, {"a": [0.0]}, ()),
    "not a number": ({"a": [1.0]}, {"a": [float("nan")]}, ("a",)),
}


@pytest.mark.parametrize("name", JUDGED)
def test_gradients_are_judged(name):
    theirs, ours, differing = JUDGED[name]
    arrays = ({key: np.array(value) for key, value in side.items()} for side in (theirs, ours))
    assert judge(*arrays).differing == differing
