"""The batch is found in another dim than the first, where the module takes it there alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from exported import Calls, assert_same, dynamic_dims
from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.export import capture
from torch2keras.capture.sizes.batch_dims import find_batch_dims

C, UNITS = 3, 5


class Recurrent(nn.Module):
    """An LSTM that takes and gives its states."""

    def __init__(self, layers=1, batch_first=True):
        super().__init__()
        self.r = nn.LSTM(C, UNITS, layers, batch_first=batch_first)

    def forward(self, x, h, c):
        return self.r(x, (h, c))


def states(layers, batch):
    return [torch.linspace(-1, 1, layers * batch * UNITS).reshape(layers, batch, UNITS)] * 2


def sequence(*shape):
    return torch.linspace(-2, 2, shape[0] * shape[1] * C).reshape(*shape, C)


class OneState(nn.Module):
    """Both states in one tensor, as voice detectors have them."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(C, UNITS)

    def forward(self, x, state):
        h, c = self.cell(x, (state[0], state[1]))
        return h, torch.stack([h, c])


def attend(x, mask):
    return (x @ x.mT + mask).softmax(-1) @ x


# name, module, arguments, the batch of each tensor
FOUND = [
    ("alone", nn.Linear(C, 2), (sequence(2, 7),), {0: 0}),
    ("first_of_all", Calls(torch.add), (sequence(2, 7), sequence(2, 7)), {0: 0, 1: 0}),
    ("states", Recurrent(), (sequence(2, 7), *states(1, 2)), {0: 0, 1: 1, 2: 1}),
    ("states_of_1", Recurrent(), (sequence(1, 7), *states(1, 1)), {0: 0, 1: 1, 2: 1}),
    ("as_many_layers", Recurrent(2), (sequence(2, 7), *states(2, 2)), {0: 0, 1: 1, 2: 1}),
    ("time_first", Recurrent(2, False), (sequence(7, 4), *states(2, 4)), {0: 1, 1: 1, 2: 1}),
    ("one_state", OneState(), (torch.ones(2, C), torch.ones(2, 2, UNITS)), {0: 0, 1: 1}),
    ("mask", Calls(attend), (sequence(2, 2), torch.ones(2, 2)), {0: 0}),
    ("no_tensor_with_dims", Calls(lambda x: x + 1), (torch.tensor(3.0),), {}),
    ("two_lengths", Calls(lambda x, y: (x, y)), (sequence(7, 2), sequence(5, 2)), {0: 0, 1: 0}),
]


@pytest.mark.parametrize(
    ("module", "args", "dims"), [case[1:] for case in FOUND], ids=[case[0] for case in FOUND]
)
def test_the_batch_is_found(module, args, dims):
    assert find_batch_dims(bind_example(module, args, {})) == dims


@pytest.mark.parametrize(
    ("module", "args"),
    [case[1:3] for case in FOUND if case[0] in ("states", "states_of_1", "one_state")],
    ids=["states", "states_of_1", "one_state"],
)
def test_the_batch_is_dynamic_where_it_lies(module, args):
    captured = capture(module.eval(), args)
    assert dynamic_dims(captured) == [[0], *[[1]] * (len(args) - 1)]
    assert not any("is fixed" in note for note in captured.notes)
    x, *others = args
    larger = (torch.cat([x] * 3), *(torch.cat([state] * 3, 1) for state in others))
    assert_same(captured, module, larger, exact=False)


def test_trials_leave_no_trace():
    class Remembers(Recurrent):
        last = None

        def forward(self, x, h, c):
            self.last = x.shape
            return super().forward(x, h, c)

    module = Remembers()
    find_batch_dims(bind_example(module, (sequence(2, 7), *states(1, 2)), {}))
    assert module.last is None
