"""The place of an extreme has builtin operators."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import Tensor, nn

from deployed import deploy
from torch2keras.deployment_forms.places import find_first
from torch2keras.keras_graph.graph import Call


class Codes(nn.Module):
    """The nearest vectors of a book, as in a codec of sound; and other places of extremes."""

    def __init__(self) -> None:
        super().__init__()
        self.book = nn.Embedding(16, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        far = torch.cdist(x.transpose(1, 2), self.book.weight[None].expand(x.shape[0], -1, -1))
        near = self.book(far.argmin(-1)).transpose(1, 2)
        largest, place = x.max(2, keepdim=True)
        return near, largest * place, x.argmax(1)


def test_a_book_of_codes_is_looked_up() -> None:
    found = deploy(Codes(), torch.randn(2, 5, 30)).operators
    assert found["ARG_MIN"] == 1
    assert found["ARG_MAX"] >= 2


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_places_are_those_of_numpy(name: str, axis: int | None, keepdims: bool) -> None:
    x = np.array([[1, -0.0, 0.0, 3], [3, 5, 5, -2]], "float32")
    call = Call(f"ops.{name}", (), {}, ())
    wanted = getattr(np, name)(x, axis, keepdims=keepdims)
    for dtype in (tf.float32, tf.float16, tf.int32):
        found = find_first(call, tf.cast(x, dtype), axis, keepdims)
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == tf.int32


def test_the_first_of_equal_entries_counts() -> None:
    found = deploy(First(), torch.randn(2, 6)).operators
    assert found["ARG_MAX"] >= 1


class First(nn.Module):
    """The place of a largest entry that there is twice, and of zeros of either sign."""

    def forward(self, x: Tensor) -> Tensor:
        zeros = x[:, :1] * 0
        both = torch.cat([-zeros, zeros, -zeros], 1)
        return torch.stack([torch.cat([x, x], 1).argmax(1), both.argmax(1)], 1)
