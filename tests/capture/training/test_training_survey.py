"""What training does otherwise than the capture shows is in the notes, and nothing is changed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.autograd import Function

from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.export import capture
from torch2keras.capture.training.training_survey import list_training_notes, survey_training


class Doubled(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return 2 * g


class Clipped(Doubled):
    @staticmethod
    def backward(ctx, g):
        return g.clamp(-1, 1)


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.layer, self.function = nn.Linear(4, 4), function

    def forward(self, x):
        return self.function(self.layer(x))


def hooked(y):
    z = y * 1
    if z.requires_grad:
        z.register_hook(lambda g: -g)
    return z


def with_module_hook():
    net = Call(torch.tanh)
    net.layer.register_full_backward_hook(lambda module, inputs, outputs: None)
    return net


def with_pre_hook():
    net = Call(torch.tanh)
    net.layer.register_full_backward_pre_hook(lambda module, outputs: None)
    return net


def with_parameter_hook():
    net = Call(torch.tanh)
    net.layer.weight.register_hook(lambda g: 2 * g)
    return net


class Frozen(nn.Module):
    """`train` keeps the first norm in eval mode."""

    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(4), nn.Sequential(nn.BatchNorm1d(4), nn.Dropout())

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x):
        return self.head(self.norm(x))


class RaisesInTraining(nn.Module):
    def forward(self, x):
        if self.training:
            message = "targets are missing"
            raise ValueError(message)
        return x * 2


def half_frozen():
    """Given in train mode, one part in eval mode."""
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout())
    net.train()
    net[1].eval()
    return net


# A module, and words of the notes on training; none where nothing is noted.
CASES = {
    "slope": (lambda: Call(Doubled.apply), ["Doubled", "the module itself (Call", "stop_gradient"]),
    "other": (lambda: Call(Clipped.apply), ["Clipped", "no form", "test_training_survey.py:"]),
    "tensor hook": (lambda: Call(hooked), ["register_hook", "test_training_survey.py:"]),
    "backward hook": (with_module_hook, ["backward hook", "layer (Linear)"]),
    "backward pre-hook": (with_pre_hook, ["backward hook", "layer (Linear)"]),
    "parameter hook": (with_parameter_hook, ["parameter weight", "layer (Linear)"]),
    "train override": (Frozen, ["norm stay in eval mode"]),
    "as given": (half_frozen, ["1 stay in eval mode"]),
    "raises": (RaisesInTraining, ["targets are missing"]),
    "RReLU": (lambda: nn.Sequential(nn.Linear(4, 4), nn.RReLU()), ["In train mode 1 (RReLU)"]),
    "plain": (lambda: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()), []),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_noted(name):
    make, words = CASES[name]
    net = make()
    modes = [part.training for part in net.modules()]
    state = copy.deepcopy(net.state_dict())
    captured = capture(net, (torch.randn(3, 4),))
    facts = captured.training
    notes = list_training_notes(facts, captured.graph_module.graph)
    assert bool(notes) == bool(words)
    assert all(word in " ".join(notes) for word in words)
    assert set(notes) <= set(captured.notes)
    assert [part.training for part in net.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


def test_whole_attention_has_its_dropout_and_is_not_noted():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.MultiheadAttention(4, 2, dropout=0.1)

        def forward(self, x, mask=None):
            return self.inner(x, x, x, attn_mask=mask)[0]

    whole = capture(Attention(), (torch.randn(3, 2, 4),))
    masked = capture(Attention(), (torch.randn(3, 2, 4), torch.zeros(3, 3)))
    for captured in (whole, masked):
        assert not [note for note in captured.notes if "attention" in note]


def test_attention_in_parts_is_noted_where_its_dropout_cannot_be_placed():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.MultiheadAttention(4, 2, dropout=0.1)

        def forward(self, x):
            if self.training and torch.rand(1) < 2:  # which no export takes
                x = x * 1
            return self.inner(x, x, x, attn_mask=torch.zeros(3, 3))[0]

    notes = capture(Attention(), (torch.randn(3, 2, 4),)).notes
    assert [note for note in notes if "rand" in note]


def test_a_batch_of_one_is_enough_for_batch_norm_in_train_mode():
    facts = survey_training(bind_example(nn.BatchNorm1d(4), (torch.randn(1, 4),), {}))
    assert not facts.notes


def test_a_module_that_does_not_run_is_left_to_the_capture():
    facts = survey_training(bind_example(nn.Linear(4, 4), (torch.randn(3, 5),), {}))
    assert not facts.notes
    assert not facts.doubts
