from __future__ import annotations

import pytest
import torch
from torch import nn

from torch2keras.errors import InputError
from torch2keras.explanation.example_inputs import batch_dimension, example_inputs


class Net(nn.Module):
    """Its first layer is not its first parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ModuleList([nn.Conv2d(7, 3, 3)])

    def forward(self, x, y):
        return self.act[0](x) + self.act[0](y)


SHAPES = [
    (nn.Conv1d(3, 5, 3), [(2, 3, 20)]),
    (nn.Conv1d(1, 16, 64, stride=8), [(2, 1, 128)]),
    (nn.Conv1d(3, 5, 7, dilation=5), [(2, 3, 62)]),
    (nn.Conv2d(3, 5, 3), [(2, 3, 20, 20)]),
    (nn.Conv3d(3, 5, 3), [(2, 3, 20, 20, 20)]),
    (nn.ConvTranspose1d(7, 5, 3), [(2, 7, 20)]),
    (nn.Conv1d(3, 5, 3, padding_mode="circular", padding=1), [(2, 3, 20)]),
    (nn.BatchNorm1d(7), [(2, 7, 20)]),
    (nn.GroupNorm(3, 6), [(2, 6, 20)]),
    (nn.LayerNorm((5, 7)), [(2, 20, 5, 7)]),
    (nn.Linear(3, 5), [(2, 20, 3)]),
    (nn.Bilinear(3, 5, 7), [(2, 3), (2, 5)]),
    (nn.Embedding(11, 3), [(2, 20)]),
    (nn.Sequential(nn.Conv1d(3, 5, 3), nn.ReLU()), [(2, 3, 20)]),
    (nn.AdaptiveAvgPool2d(3), [(2, 12, 20, 20)]),
    (nn.PReLU(5), [(2, 5, 20)]),
    (nn.LSTM(3, 5), [(20, 2, 3)]),
    (nn.LSTM(3, 5, batch_first=True), [(2, 20, 3)]),
    (nn.GRUCell(3, 5), [(2, 3)]),
    (nn.MultiheadAttention(6, 2, kdim=5, vdim=7), [(20, 2, 6), (13, 2, 5), (13, 2, 7)]),
    (nn.TransformerDecoderLayer(6, 2, 11, batch_first=True), [(2, 20, 6), (2, 13, 6)]),
    (nn.MaxUnpool2d(2), [(2, 12, 10, 10), (2, 12, 10, 10)]),
    (nn.Fold((7, 11), (3, 2)), [(2, 72, 50)]),
    (nn.MSELoss(), [(2, 12, 20), (2, 12, 20)]),
    (Net(), [(2, 7, 20, 20), (2, 7, 20, 20)]),
]


@pytest.mark.parametrize(("layer", "shapes"), SHAPES, ids=str)
def test_a_shape_that_fits(layer, shapes) -> None:
    inputs = example_inputs(layer)
    assert [tuple(x.shape) for x in inputs] == shapes
    layer(*inputs)


def test_what_is_given_is_kept_or_refused() -> None:
    conv = nn.Conv1d(3, 5, 3)
    assert example_inputs(conv, (7, 3, 11))[0].shape == (7, 3, 11)
    x = torch.randn(7, 3, 11)
    assert example_inputs(conv, x)[0] is x
    assert [y.shape for y in example_inputs(nn.MSELoss(), [(2, 3), (2, 3)])] == [(2, 3), (2, 3)]
    with pytest.raises(InputError, match=r"takes no input of shape \[7, 4, 11\]"):
        example_inputs(conv, (7, 4, 11))


def test_the_layer_and_the_generator_are_left_alone() -> None:
    norm = nn.BatchNorm1d(3).train()
    before, state = norm.running_mean.clone(), torch.get_rng_state()
    example_inputs(norm)
    assert norm.training
    assert torch.equal(norm.running_mean, before)
    assert int(norm.num_batches_tracked) == 0
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("layer", "dimension"),
    [
        (nn.GRU(3, 5), 1),
        (nn.GRU(3, 5, batch_first=True), 0),
        (nn.MultiheadAttention(6, 2), 1),
        (nn.Transformer(6, 2, 1, 1, 11, batch_first=True), 0),
        (nn.Conv1d(3, 5, 3), 0),
    ],
    ids=str,
)
def test_where_the_batch_is(layer, dimension) -> None:
    assert batch_dimension(layer) == dimension
