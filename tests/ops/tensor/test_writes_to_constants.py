"""Writes into what the model does not compute: a canvas of zeros, a buffer, a parameter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

import torch2keras as t2k

INDEX = torch.tensor([0, 2])
COLUMNS = torch.tensor([[0, 1, 2]])


class Canvas(nn.Module):
    """Writes what it computes of x (4, 3) into a tensor that does not depend on x."""

    def __init__(self, write: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.parameter = nn.Parameter(torch.randn(4, 3))
        self.register_buffer("buffer", torch.randn(4, 3))
        self.write = write

    def forward(self, x):
        return self.write(self, x)


def assign(make: Callable[..., torch.Tensor], place: object, value: Callable) -> Callable:
    """An assignment to a place of a canvas."""

    def write(module: Canvas, x: torch.Tensor) -> torch.Tensor:
        canvas = make(module).clone()
        canvas[place] = value(x)
        return canvas

    return write


CANVASES = {
    "zeros": lambda module: torch.zeros(4, 3),
    "buffer": lambda module: module.buffer,
    "parameter": lambda module: module.parameter,
}
PLACES = {
    "an element": ((1, 0), lambda x: x.sum()),
    "a row": (1, lambda x: x[0]),
    "a column": ((slice(None), -1), lambda x: x[:, 0]),
    "a slice": (slice(1, 3), lambda x: x[:2]),
    "every other row": (slice(None, None, 2), lambda x: x[:2]),
    "rows by number": (INDEX, lambda x: x[:2]),
    "elements by number": ((INDEX, INDEX), lambda x: x[0, :2]),
    "rows by a mask": (torch.tensor([True, False, True, False]), lambda x: x[:2]),
}
WRITES = {
    f"{place} of {canvas}": assign(make, *PLACES[place])
    for canvas, make in CANVASES.items()
    for place in PLACES
} | {
    "index_copy": lambda m, x: m.buffer.index_copy(0, INDEX, x[:2]),
    "index_add": lambda m, x: m.parameter.index_add(0, INDEX, x[:2], alpha=2),
    "index_fill": lambda m, x: m.parameter.index_fill(0, INDEX, 1.0) + x[:1],
    "index_reduce": lambda m, x: m.buffer.index_reduce(0, INDEX, x[:2], "amax"),
    "index_copy of a parameter": lambda m, x: x.index_copy(0, INDEX, m.parameter[:2]),
    "scatter": lambda m, x: m.buffer.scatter(0, COLUMNS, x[:1]),
    "scatter of a number": lambda m, x: m.parameter.scatter(0, COLUMNS, 2.0) + x[:1],
    "scatter_add": lambda m, x: m.parameter.scatter_add(0, COLUMNS, x[:1]),
    "scatter_reduce": lambda m, x: m.buffer.scatter_reduce(0, COLUMNS, x[:1], "mean"),
    "put": lambda m, x: m.buffer.put(INDEX, x[0, :2]),
    "diagonal_scatter": lambda m, x: torch.diagonal_scatter(m.buffer, x[0]),
    "masked_scatter": lambda m, x: m.buffer.masked_scatter(x[:4] > 0, m.parameter * 2),
    "rows by computed number": lambda m, x: m.buffer.index_copy(
        0, torch.stack([x.argmax() % 2, x.argmin() % 2 + 2]), x[:2]
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_into_a_constant(name: str) -> None:
    converted = t2k.convert(Canvas(WRITES[name]).eval(), (torch.randn(4, 3),))
    assert converted.verification.ok


def test_a_rotation_of_computed_and_of_learned_angles() -> None:
    class Rotation(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.angle = nn.Parameter(torch.tensor(0.3))

        def forward(self, x, yaw):
            turn, tilt = torch.zeros(3, 3), torch.eye(3)
            turn[0, 0], turn[0, 1] = torch.cos(yaw), -torch.sin(yaw)
            turn[1, 0], turn[1, 1], turn[2, 2] = torch.sin(yaw), torch.cos(yaw), 1.0
            tilt[1, 1], tilt[1, 2] = torch.cos(self.angle), -torch.sin(self.angle)
            return x @ (turn @ tilt).t()

    assert t2k.convert(Rotation(), (torch.randn(2, 3), torch.tensor(0.5))).verification.ok
