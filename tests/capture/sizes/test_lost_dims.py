"""A dim that was to be dynamic and is not is noted, with module, line and cause."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import Dim

from exported import Calls, assert_same, dynamic_dims
from torch2keras.capture.export import capture

X = torch.linspace(-2, 2, 12).reshape(4, 3)


class Counts(nn.Module):
    """Dynamo reads `len` without running it."""

    def forward(self, x):
        return x * len(x) + x.new_ones(int(x.shape[0]), 1)


class Unbinds(nn.Module):
    def forward(self, x):
        return torch.stack([row * 2 for row in x])


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.ones(4, 3))

    def forward(self, x, y):
        return x + self.table, y * 2


class CountsWithin(nn.Module):
    """Under Dynamo too, the size is a number: NumPy has it."""

    def forward(self, x):
        return x * torch.from_numpy(np_ones(range(x.shape[0])))


def np_ones(numbers):
    import numpy as np

    return np.ones((len(list(numbers)), 1), np.float32)


def test_a_python_number_of_a_size_keeps_it_dynamic():
    captured = capture(Counts().eval(), (X,))
    assert dynamic_dims(captured) == [[0]]
    assert captured.strict
    assert_same(captured, Counts(), (torch.cat([X, X]),))


# module, arguments, keyword arguments, dynamic dims, parts of the one note on sizes
LOST = [
    (nn.Sequential(Unbinds()), (X,), {}, [[]], ["Dim 0 of input", "0 (Unbinds)", "for row in x"]),
    (Tied(), (X, X), {}, [[], [0]], ["Dim 0 of x is", "the module itself (Tied)", "self.table"]),
    (Tied(), (X, X), {"dynamic_shapes": ({0: Dim.AUTO}, {0: Dim.AUTO, 1: Dim.AUTO})}, [[], [0, 1]],
     ["Dim 0 of x is fixed to 4", "an op takes no other size"]),
    (nn.Linear(3, 2), (X,), {"dynamic_shapes": ({0: Dim.AUTO, 1: Dim.AUTO},)}, [[0]],
     ["Dim 1 of input is fixed to 3"]),
    (CountsWithin(), (X,), {}, [[]], ["makes a Python number of it", "range(x.shape[0])"]),
    (Calls(lambda x: x.reshape(1, 12)), (X[:1, :1].expand(1, 12),), {}, [[]], ["is invalid"]),
]  # fmt: skip


@pytest.mark.parametrize(("module", "args", "options", "dims", "parts"), LOST)
def test_a_lost_dim_is_noted_with_its_cause(module, args, options, dims, parts):
    captured = capture(module.eval(), args, **options)
    assert dynamic_dims(captured) == dims
    (note,) = [text for text in captured.notes if text.startswith("Dim ")]
    assert all(part in note for part in parts), note


def test_inputs_of_one_cause_share_a_note():
    captured = capture(Calls(torch.add).eval(), (X, X), fixed_because="so it is")
    wanted = "Dim 0 of tensors[0], tensors[1] is fixed to 4, the example's size: so it is."
    assert captured.notes == (wanted,)
