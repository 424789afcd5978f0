"""The graph in train mode is laid beside that in eval mode: what it has alone is placed, or not."""

from __future__ import annotations

from collections.abc import Collection

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from torch2keras.capture.attempts import Attempt, export_once
from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.sizes.dynamic_batch import default_examples
from torch2keras.capture.training.custom_functions import FunctionTable
from torch2keras.capture.training.mode_alignment import Alignment, align_modes
from torch2keras.capture.training.train_flags import find_batch_norms
from torch2keras.fx_passes.drop_copies import drop_copies
from torch2keras.fx_passes.functionalize import functionalize
from torch2keras.fx_passes.inline import inline
from training_only import DROPS, KEPT, RATE, Attention, Behind, Inline


def graph_of(net: nn.Module, in_eval: Collection[str] | None = None) -> torch.fx.Graph:
    """Export in eval mode, or in train mode but for the parts at some paths."""
    call = bind_example(net.eval(), (torch.randn(3, 5, 7),), {})
    attempt = Attempt(default_examples(call)[0], in_eval=in_eval)
    program = export_once(net, attempt, FunctionTable()).program
    inputs = program.graph_signature.input_specs
    functional, _ = functionalize(inline(program.graph_module), inputs)
    return drop_copies(functional, inputs).graph


def align(in_eval, in_train) -> Alignment:
    """Lay the graphs of two functions beside each other, as those of two modes."""

    class Function(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.linear, self.function = nn.Linear(7, 7), function

        def forward(self, x):
            return self.function(x, self.linear)

    return align_modes(graph_of(Function(in_eval)), graph_of(Function(in_train)))


def plain(x, linear):
    return x + torch.tanh(linear(x))


def rates_of(found: Alignment) -> list[float]:
    return [drop.args[0] for drops in found.uses.values() for drop in drops]


@pytest.mark.parametrize("name", DROPS)
def test_what_drops_is_placed(name):
    drop, _ = DROPS[name]
    found = align(plain, lambda x, linear: x + drop(torch.tanh(linear(x))))
    assert rates_of(found) == [RATE]
    assert not found.unread_paths
    ((user, place),) = found.uses
    assert str(user.target) == "aten.add.Tensor"
    assert place == 1


def test_only_the_use_that_is_dropped_is():
    def twice(x, linear):
        y = linear(x)
        return y + torch.tanh(y)

    def dropped(x, linear):
        y = linear(x)
        return y + torch.tanh(F.dropout(y, RATE))

    ((user, place),) = align(twice, dropped).uses
    assert str(user.target) == "aten.tanh.default"
    assert place == 0


def test_noise_is_placed_behind_a_dropout():
    def noisy(x, linear):
        return x + torch.tanh(linear(F.dropout(x, RATE) + 0.1 * torch.randn_like(x)))

    (drops,) = align(plain, noisy).uses.values()
    assert [drop.args[0] for drop in drops] == [RATE, 0.1]


LOST = {
    "a mask that keeps the sum": lambda x, linear: (
        x + (torch.rand_like(x) < KEPT) * torch.tanh(linear(x))
    ),
    "a factor": lambda x, linear: x + 0.5 * torch.tanh(linear(x)),
    "noise of the data": lambda x, linear: x + torch.tanh(linear(x)) * torch.rand_like(x),
    "noise for all rows": lambda x, linear: x + torch.tanh(linear(x)) + torch.randn(7),
    "uniform noise": lambda x, linear: x + torch.tanh(linear(x)) + torch.rand_like(x),
    "another function": lambda x, linear: x + torch.relu(linear(x)),
    "nothing": lambda x, linear: x,
}


@pytest.mark.parametrize("name", LOST)
def test_what_cannot_be_read_is_told_by_its_path(name):
    found = align(plain, LOST[name])
    assert found.unread_paths
    assert not found.uses


def test_rates_that_the_mode_tells():
    found = capture_modes(Inline())
    assert rates_of(found) == [0.3]
    assert list(found.rates.values()) == [0.3]
    assert not found.unread_paths


def test_attention_has_its_rate():
    found = capture_modes(Attention())
    assert list(found.rates.values()) == [RATE]
    assert not found.unread_paths


def test_behind_what_is_unread_the_rest_is_found_again():
    found = capture_modes(Behind())
    assert found.unread_paths == {"unread"}
    assert rates_of(found) == [0.3]
    assert list(found.rates.values()) == [0.3]


def capture_modes(net: nn.Module) -> Alignment:
    return align_modes(graph_of(net), graph_of(net, in_eval=find_batch_norms(net)))


def test_a_graph_laid_beside_itself_has_nothing_to_place():
    same = align(plain, plain)
    assert same.is_empty
    assert not same.unread_paths
