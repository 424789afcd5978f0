"""What `convert` does beside its stages, one after another."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch.export import Dim

import torch2keras as t2k
from op_case import Function


def test_the_batch_is_fixed_where_keras_cannot_have_it_dynamic() -> None:
    converted = t2k.convert(
        Function(lambda x: F.adaptive_avg_pool1d(x.mT[None], 3)).eval(), (torch.randn(7, 5),)
    )
    assert 7 in converted.model.input_shape
    why = "adaptive pooling of a dynamic dimension to the size 3."
    assert converted.report.notes == (
        f"The first dim of the inputs, usually the batch, is fixed to 7: {why}",
    )


def test_what_is_asked_to_be_dynamic_is_never_fixed() -> None:
    net = Function(lambda x: F.adaptive_avg_pool1d(x.mT[None], 3)).eval()
    with pytest.raises(t2k.LoweringError, match="adaptive pooling of a dynamic dimension"):
        t2k.convert(net, (torch.randn(7, 5),), dynamic_shapes=({0: Dim.AUTO},))
