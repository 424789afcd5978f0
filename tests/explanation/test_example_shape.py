from __future__ import annotations

import pytest
import torch
from torch import nn

from torch2keras.errors import InputError
from torch2keras.explanation.example_shape import example_inputs

SHAPES = [
    (nn.Conv1d(3, 5, 3), [(2, 3, 20)]),
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
]


@pytest.mark.parametrize(("layer", "shapes"), SHAPES, ids=str)
def test_a_shape_that_fits(layer, shapes) -> None:
    inputs = example_inputs(layer)
    assert [tuple(x.shape) for x in inputs] == shapes
    layer(*inputs)


def test_a_given_shape_is_kept_or_refused() -> None:
    assert example_inputs(nn.Conv1d(3, 5, 3), (7, 3, 11))[0].shape == (7, 3, 11)
    with pytest.raises(InputError, match=r"takes no input of shape \[7, 4, 11\]"):
        example_inputs(nn.Conv1d(3, 5, 3), (7, 4, 11))


def test_the_layer_and_the_generator_are_left_alone() -> None:
    norm = nn.BatchNorm1d(3).train()
    before, state = norm.running_mean.clone(), torch.get_rng_state()
    example_inputs(norm)
    assert norm.training
    assert torch.equal(norm.running_mean, before)
    assert int(norm.num_batches_tracked) == 0
    assert torch.equal(torch.get_rng_state(), state)
