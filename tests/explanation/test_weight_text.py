"""The way of a weight is NumPy, and as short as it can be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torch2keras.explanation.weight_text import find_way, weight_text
from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.weight import Weight


def moved(*shape: int) -> Weight:
    data = torch.randn(shape)
    return Weight.of(Constant("w", TensorType(shape, torch.float32), data, ("w",)))


WEIGHTS = [
    (moved(5, 3, 7), "w"),
    (moved(5, 3, 7).transpose(2, 1, 0), "w.transpose(2, 1, 0)"),
    (moved(5, 1, 3).transpose(2, 1, 0), "w.transpose(2, 1, 0)"),
    (moved(5, 3).transpose(1, 0), "w.T"),
    (
        moved(6, 1, 7).reshape(3, 2, 7).transpose(2, 0, 1),
        "w.transpose(1, 2, 0).reshape(7, 3, 2)",
    ),
    (moved(6, 3, 7).narrow(0, 2, 4).transpose(2, 1, 0), "w[2:4].transpose(2, 1, 0)"),
    (moved(6, 3, 7).narrow(1, 1, 2).narrow(2, 0, 5).reshape(6, 5), "w[:, 1:2, 0:5].reshape(6, 5)"),
    (
        moved(6, 5).reshape(2, 3, 5).transpose(1, 0, 2).reshape(6, 5),
        "w.reshape(2, 3, 5).transpose(1, 0, 2).reshape(6, 5)",
    ),
    (moved(5, 3, 7).flip(2).transpose(2, 1, 0), "w[:, :, ::-1].transpose(2, 1, 0)"),
    (
        moved(6, 5).reshape(3, 2, 5).take(0, (1, 0, 2)).transpose(2, 0, 1),
        "w.reshape(3, 2, 5)[[1, 0, 2]].transpose(2, 0, 1)",
    ),
    (moved(1, 5).reshape(5), "w.reshape(5)"),
    (moved(), "w"),
]


@pytest.mark.parametrize(("weight", "text"), WEIGHTS, ids=[text for _, text in WEIGHTS])
def test_the_way_of_a_weight_is_numpy(weight, text) -> None:
    assert weight_text(weight, "w") == text
    scope = {"w": weight.constant.tensor.numpy()}
    value = eval(text, scope)  # noqa: S307 - the package's own text is what is tested
    assert np.array_equal(value, weight.array("float32"))


def test_there_is_no_short_way_where_elements_change_their_order() -> None:
    assert find_way(moved(5, 3).flip(0)) is None
    assert find_way(moved(5, 3).transpose(1, 0)).order == (1, 0)
