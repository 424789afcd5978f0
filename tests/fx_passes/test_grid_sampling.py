"""Images are sampled as rows of a table, with PyTorch's numbers."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import torch2keras
from torch2keras.fx_passes.grid_sampling import Table, grid_sampler_2d

MODES = list(itertools.product((0, 1, 2), (0, 1, 2), (False, True)))
"""Bilinear, nearest, bicubic; zeros, border, reflection; areas or corners."""


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_gives_the_same_numbers(mode: tuple[int, int, bool]) -> None:
    torch.manual_seed(0)
    x, grid = torch.randn(3, 4, 5, 7), torch.randn(3, 6, 8, 2) * 1.5
    grid[0, 0, :3, 0] = torch.tensor([1e5, -1e5, 40.0])
    grid[0, 1, :4, 1] = torch.tensor([-1.0, 1.0, 1 + 2 / 5, -1 - 2 / 5])
    if mode[1] == 2 or mode[0] == 2:
        grid = grid.clamp(-3, 3)
    wanted = torch.ops.aten.grid_sampler_2d(x, grid, *mode)
    torch.testing.assert_close(grid_sampler_2d(x, grid, *mode), wanted, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode[0] < 2 and mode[1] < 2])
def test_nan_is_minus_one(mode: tuple[int, int, bool]) -> None:
    torch.manual_seed(0)
    x, grid = torch.randn(2, 3, 5, 7), torch.rand(2, 4, 6, 2)
    grid[:, ::2, 0, 0] = torch.nan
    grid[:, 1, ::2, 1] = torch.nan
    found = grid_sampler_2d(x, grid, *mode)
    torch.testing.assert_close(found, grid_sampler_2d(x, grid.nan_to_num(-1.0), *mode))
    assert not found.isnan().any()


def test_each_image_has_rows_of_its_own() -> None:
    x = torch.arange(2 * 3 * 2 * 2.0).view(2, 3, 2, 2)
    table = Table(x, padding_mode=0)
    place = torch.ones(2, 1, 1)
    torch.testing.assert_close(table.look_up(place, place, 0, 0)[:, 0, 0], x[:, :, 1, 1])
    assert not table.look_up(place, place, 1, 0).any()


class Warped(nn.Module):
    """An image at positions beside its own."""

    def __init__(self, **how: object) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Tensor, grid: Tensor) -> Tensor:
        return functional.grid_sample(x, grid, **self.how)  # type: ignore[arg-type]


@pytest.mark.parametrize("padding", ["zeros", "border"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_a_converted_model_looks_rows_up(mode: str, padding: str) -> None:
    net = Warped(mode=mode, padding_mode=padding, align_corners=False)
    example = torch.randn(2, 3, 5, 7), torch.rand(2, 4, 6, 2) * 2.5 - 1.25
    found = torch2keras.convert(net, example).report
    taken = str(found.as_dict()).count("ops.take")
    assert taken
    assert "ops.gather" not in str(found.as_dict())


def test_dynamic_images_are_sampled_as_before() -> None:
    net = Warped(align_corners=False)
    auto = torch.export.Dim.AUTO
    example = torch.randn(2, 3, 5, 7), torch.rand(2, 4, 6, 2) * 2 - 1
    shapes = ({0: auto, 2: auto, 3: auto}, {0: auto})
    converted = torch2keras.convert(net, example, dynamic_shapes=shapes)
    x, grid = torch.randn(2, 3, 8, 6), example[1]
    ports = zip(converted.inputs, (x, grid), strict=True)
    ours = converted.model([port.from_torch(tensor) for port, tensor in ports])
    found = torch.from_numpy(converted.outputs[0].to_torch(ours))
    torch.testing.assert_close(found, net(x, grid), atol=1e-5, rtol=1e-4)
