"""What `convert` does beside its stages, one after another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch.export import Dim

import torch2keras as t2k
from op_case import Function
from torch2keras.conversion.request import build_request
from torch2keras.pipeline import PIPELINE, Work, run_stages
from torch2keras.runtime.progress import Stage


def test_the_batch_is_fixed_where_keras_cannot_have_it_dynamic() -> None:
    converted = t2k.convert(
        Function(lambda x: F.adaptive_avg_pool1d(x.mT[None], 3)).eval(), (torch.randn(7, 5),)
    )
    assert 7 in converted.model.input_shape
    why = "adaptive pooling of a dynamic dimension to the size 3."
    assert converted.report.notes == (f"Dim 0 of args[0] is fixed to 7, the example's size: {why}",)


def test_what_is_asked_to_be_dynamic_is_never_fixed() -> None:
    net = Function(lambda x: F.adaptive_avg_pool1d(x.mT[None], 3)).eval()
    with pytest.raises(t2k.LoweringError, match="adaptive pooling of a dynamic dimension"):
        t2k.convert(net, (torch.randn(7, 5),), dynamic_shapes=({0: Dim.AUTO},))


def test_every_stage_is_told_once_and_in_order() -> None:
    told: list[str] = []
    t2k.convert(torch.nn.ReLU().eval(), torch.randn(2, 3), progress=told.append)
    assert told == ["capture", "import", "layout", "lower", "build", "verify"]


def test_an_inspection_stops_before_the_model_is_built() -> None:
    told: list[str] = []
    t2k.inspect(torch.nn.ReLU().eval(), torch.randn(2, 3), progress=told.append)
    assert told == ["capture", "import", "layout", "lower"]


def test_a_pass_that_runs_too_early_is_an_error() -> None:
    work = Work(build_request(torch.nn.ReLU().eval(), torch.randn(2, 3)))
    with pytest.raises(AttributeError, match="captured"):
        run_stages(work, Stage.IMPORT)


def test_the_pipeline_has_every_stage() -> None:
    assert list(PIPELINE) == list(Stage)


class GivesNumpy(torch.nn.Module):
    def forward(self, x):
        y = x.detach().numpy() * 2
        return x + 1, y, y.sum()


def test_outputs_of_numpy_are_outputs_of_the_model_at_any_batch():
    converted = t2k.convert(GivesNumpy(), (torch.randn(2, 5),))
    x = torch.randn(7, 5)
    plus, doubled, total = converted(x)
    np.testing.assert_allclose(np.asarray(plus), x + 1, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(doubled), 2 * x, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(total), 2 * x.sum(), rtol=1e-4)
