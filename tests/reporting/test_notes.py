"""The notes: what a user should know of a conversion."""

from __future__ import annotations

import keras
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import torch2keras as t2k


def notes_on(module: nn.Module, *shape: int, verify: bool = False) -> tuple[str, ...]:
    return t2k.convert(module, torch.randn(shape), verify=verify).report.notes


class Overlapping(nn.Module):
    """A parameter whose middle element is read twice."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(5))

    def forward(self, x):
        return x * self.scale[:3] + self.scale[2:]


class Idle(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.idle = nn.Linear(3, 5), nn.Linear(3, 7)

    def forward(self, x):
        return self.used(x)


def frozen_norm() -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(3).requires_grad_(False))


def tied() -> nn.Module:
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    net[2].weight = net[0].weight
    return net


# name -> module, shape of its input, how the one note begins
NOTES = {
    "batch norm": (
        nn.Sequential(nn.BatchNorm1d(3)),
        (2, 3),
        "Further training of 0: Keras moves the running variance",
    ),
    "frozen batch norm": (
        frozen_norm(),
        (2, 3),
        "The parameters of 0 are frozen, so these layers are: in training,",
    ),
    "cumulative average": (
        nn.Sequential(nn.BatchNorm1d(3, momentum=None)),
        (2, 3),
        "The running statistics of 0 stay as they are in Keras",
    ),
    "overlap": (Overlapping(), (2, 3), "scale is held in 2 Keras weights that share elements"),
    "unused": (Idle(), (2, 3), "No output depends on idle.weight, idle.bias; they are not"),
    "tied": (tied(), (2, 3), "0.weight = 2.weight: one parameter, and one weight in Keras"),
    "folded": (
        nn.Sequential(weight_norm(nn.Linear(3, 5))),
        (2, 3),
        "0.kernel is computed from 0.parametrizations.weight.original",
    ),
}


@pytest.mark.parametrize("name", NOTES)
def test_a_note_is_there_and_alone(name):
    module, shape, start = NOTES[name]
    (note,) = notes_on(module.eval(), *shape)
    assert note.startswith(start)
    assert note.endswith(".")


def test_a_plain_net_has_no_notes():
    assert notes_on(nn.Sequential(nn.Conv1d(3, 5, 3), nn.ReLU()).eval(), 2, 3, 11) == ()


def test_summed_biases_and_loops_of_recurrent_layers_are_noted():
    sums, loops = notes_on(nn.LSTM(3, 5, batch_first=True).eval(), 2, 7, 3)
    assert "the sum of bias_ih and bias_hh" in sums
    assert "step by step" in loops


@pytest.mark.parametrize(("groups", "is_told"), [(8, False), (9, True)])
def test_it_is_told_what_training_many_groups_costs(groups, is_told):
    layer = nn.Conv1d(2 * groups, 3 * groups, 5, groups=groups)
    report = t2k.convert(layer, torch.randn(2, 2 * groups, 211)).report
    told = [note for note in report.notes if "groups in one layer" in note]
    assert len(told) == is_told


def test_what_is_said_of_compiled_loops_holds(tmp_path):
    converted = t2k.convert(nn.LSTM(3, 5, batch_first=True).eval(), torch.randn(2, 7, 3))
    assert not keras.models.clone_model(converted.model).jit_compile
    converted.model.compile(jit_compile=True)
    converted.save(tmp_path / "net.keras")
    assert keras.models.load_model(tmp_path / "net.keras").jit_compile


def test_of_many_layers_three_are_named():
    norms = [nn.BatchNorm1d(3) for _ in range(5)]
    (note,) = notes_on(nn.Sequential(*norms).eval(), 2, 3)
    assert note.startswith("Further training of 0, 1, 2 and 2 more: ")


def test_the_notes_of_the_capture_are_there():
    assert any("train mode" in note for note in notes_on(nn.Linear(3, 5).train(), 2, 3))


def test_the_notes_of_the_verification_are_there():
    class Constant(nn.Module):
        def forward(self, x):
            return x * torch.nan

    notes = notes_on(Constant().eval(), 2, 3, verify=True)
    assert any("was not compared" in note for note in notes)
    assert not any("was not compared" in note for note in notes_on(Constant().eval(), 2, 3))
