"""Resizing by LiteRT's operators, where they take PyTorch's places; else as before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from deployed import deploy
from torch2keras.deployment_forms import resizing
from torch2keras.deployment_forms.resizing import find_lite_places


class Resized(nn.Module):
    """An image or a sequence between convolutions, resized."""

    def __init__(self, rank: int = 2, **how: object) -> None:
        super().__init__()
        conv = getattr(nn, f"Conv{rank}d")
        self.first, self.last, self.how = conv(3, 4, 3), conv(4, 2, 1), how

    def forward(self, x: Tensor) -> Tensor:
        return self.last(interpolate(self.first(x), **self.how))


LINEAR = [
    {"scale_factor": 2},
    {"scale_factor": 2, "align_corners": True},
    {"scale_factor": 0.5},
    {"size": (7, 31)},
    {"size": (7, 31), "align_corners": True},
    {"size": (1, 1), "align_corners": True},
    {"scale_factor": 1.7, "recompute_scale_factor": True},
]


@pytest.mark.parametrize("how", LINEAR, ids=str)
@pytest.mark.parametrize("shape", [(10, 16), (15, 25)], ids=str)
def test_bilinear_is_one_operator(how: dict[str, object], shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = Resized(mode="bilinear", **how)
    found = deploy(net, torch.randn(2, 3, *shape)).operators
    if how.get("scale_factor") == 0.5 and shape == (15, 25):
        assert "RESIZE_BILINEAR" not in found  # 6.5 elements become 6, by steps of 2
    else:
        assert dict(found) == {"CONV_2D": 2, "RESIZE_BILINEAR": 1}


@pytest.mark.parametrize(
    ("how", "operators"),
    [
        ({"scale_factor": 2}, {"CONCATENATION": 1, "DEPTH_TO_SPACE": 1}),
        ({"scale_factor": 3, "mode": "nearest-exact"}, {"CONCATENATION": 1, "DEPTH_TO_SPACE": 1}),
        ({"scale_factor": (1, 3)}, {"CONCATENATION": 1, "RESHAPE": 1}),
        ({"scale_factor": (3, 2)}, {"RESIZE_NEAREST_NEIGHBOR": 1}),
        ({"scale_factor": 5}, {"RESIZE_NEAREST_NEIGHBOR": 1}),
        ({"size": (7, 31)}, {"RESIZE_NEAREST_NEIGHBOR": 1}),
        ({"size": (7, 31), "mode": "nearest-exact"}, {"RESIZE_NEAREST_NEIGHBOR": 1}),
    ],
    ids=str,
)
def test_nearest_pixels_are_copies_or_one_operator(
    how: dict[str, object], operators: dict[str, int]
) -> None:
    torch.manual_seed(0)
    found = deploy(Resized(**how), torch.randn(2, 3, 12, 17)).operators
    assert dict(found) == {"CONV_2D": 2, **operators}


def test_other_places_are_no_nearest_ones() -> None:
    torch.manual_seed(0)
    found = deploy(Resized(scale_factor=1.7), torch.randn(2, 3, 12, 17)).operators
    assert "RESIZE_NEAREST_NEIGHBOR" not in found


@pytest.mark.parametrize("mode", ["linear", "nearest", "nearest-exact"])
def test_sequence_stays_an_image(mode: str) -> None:
    torch.manual_seed(0)
    found = deploy(Resized(1, mode=mode, size=31), torch.randn(2, 3, 15)).operators
    assert found["RESHAPE"] == 2
    assert found["RESIZE_BILINEAR"] + found["RESIZE_NEAREST_NEIGHBOR"] == 1


def test_dynamic_size_is_resized_by_whole_factors() -> None:
    size = torch.export.Dim("size", min=4, max=100)
    torch.manual_seed(0)
    shapes = {"x": {0: torch.export.Dim.AUTO, 2: size}}
    net = Resized(scale_factor=2, mode="bilinear")
    found = deploy(net, torch.randn(2, 3, 10, 16), dynamic_shapes=shapes).operators
    assert found["RESIZE_BILINEAR"] == 1


def test_places_are_those_of_tensorflow() -> None:
    np.testing.assert_array_equal(find_lite_places(4, 6, half=False), [0, 0, 1, 2, 2, 3])
    np.testing.assert_array_equal(find_lite_places(4, 6, half=True), [0, 1, 1, 2, 3, 3])


@pytest.mark.parametrize(
    "how",
    [
        {"scale_factor": 2},
        {"size": (11, 23)},
        {"size": (5, 31), "align_corners": True},
        {"scale_factor": (1.7, 0.6)},
    ],
)
def test_bicubic_is_a_product_in_each_dimension(how: dict[str, object]) -> None:
    torch.manual_seed(0)
    found = deploy(Resized(mode="bicubic", **how), torch.randn(2, 3, 13, 17)).operators
    assert found["BATCH_MATMUL"] == 2
    assert set(found) <= {"BATCH_MATMUL", "CONV_2D", "RESHAPE"}


def test_long_dimensions_are_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resizing, "MOST_CUBIC", 10)
    module = Resized(mode="bicubic", scale_factor=2)
    assert "BATCH_MATMUL" not in deploy(module, torch.randn(2, 3, 13, 11)).operators
