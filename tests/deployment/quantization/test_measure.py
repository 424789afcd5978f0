"""Signal-to-noise ratios, and the layers that lose most."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from deployment_nets import convert_net, trace
from torch2keras.deployment.comparison import Boundary, draw_sets
from torch2keras.deployment.formats import build_deployment_request
from torch2keras.deployment.quantization import measure
from torch2keras.deployment.quantization.measure import compute_snr, find_losses, measure_snr
from torch2keras.deployment.quantization.quantize import find_scopes
from torch2keras.deployment.sizes import fix_sizes
from torch2keras.deployment.task import ExportTask

ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (ONES, ONES, 200.0),
        (1.1 * ONES, ONES, 20.0),
        (ONES * np.nan, ONES, -200.0),
        (ONES[0], ONES, -200.0),
        (ONES, 0 * ONES, -200.0),
        (0 * ONES, 0 * ONES, 200.0),
        (ONES * (1 + 0.1j), ONES * (1 + 0j), 20.0),
    ],
)
def test_the_ratio_is_that_of_all_numbers(ours, theirs, expected):
    assert compute_snr([ours], [theirs]) == pytest.approx(expected)


def test_noise_of_all_sets_counts():
    assert compute_snr([ONES, 1.1 * ONES], [ONES, ONES]) == pytest.approx(23.01, abs=0.01)


def test_the_worst_way_of_each_output_is_told(monkeypatch):
    traced = trace(convert_net("swapped"))
    boundary = Boundary(traced.inputs, traced.outputs, "keras")
    sets = draw_sets(traced.conversion, fix_sizes(traced.conversion, 1), [], ["normal"])

    def run(script, file, traced, stored, ways):
        right = [[a - b, 2 * b, b] for b, a in stored]
        return [{"index": y, "again": [y[0], 1.01 * y[1], y[2]]} for y in right]

    monkeypatch.setattr(measure, "run_file", run)
    found = measure_snr(traced, boundary, None, sets, ("index", "again"))
    assert found == pytest.approx({"output_0": 200.0, "output_1": 40.0, "output_2": 200.0}, abs=0.1)


def test_losses_are_those_of_modules_and_the_worst_comes_first(monkeypatch, tmp_path):
    traced = trace(convert_net("picture"))
    conv = next(scope for scope, call in traced.scopes.items() if call.origin.path == "conv")
    rows = [[f"{conv}/a", 30.0, 1.5], [f"{conv}/b", 29.0, 4.0], ["output", 20.0, 9.0]]

    def run(script, folder, request):
        (folder / "rows.json").write_text(str(rows).replace("'", '"'))

    monkeypatch.setattr(measure, "run_child", run)
    names = {name: f"{scope}/" for name, scope in traced.output_scopes().items()}
    losses = find_losses(traced, names, (tmp_path, tmp_path), [np.zeros(1)])
    assert [(layer.module, layer.loss) for layer in losses] == [("head", 9.0), ("conv", 4.0)]


class Outermost(nn.Module):
    """An op of the module's own forward between its layers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.second(torch.softmax(self.first(x), -1))


def test_what_the_outermost_forward_loses_is_called_as_keep_float_takes_it(monkeypatch, tmp_path):
    traced = trace(t2k.convert(Outermost(), torch.randn(2, 4), verify=False))
    own = [scope for scope, call in traced.scopes.items() if not call.origin.path]
    rows = [[f"{scope}/a", 30.0, 5.0] for scope in own] + [["arith.constant", 1.0, 30.0]]

    def run(script, folder, request):
        (folder / "rows.json").write_text(json.dumps(rows))

    monkeypatch.setattr(measure, "run_child", run)
    losses = find_losses(traced, {}, (tmp_path, tmp_path), [np.zeros(1)])
    assert own
    assert [layer.module for layer in losses] == own
    request = build_deployment_request(tmp_path / "net.tflite", 1, "keras")
    task = ExportTask(request, traced, fix_sizes(traced.conversion, 1))
    assert find_scopes(task, own) == own
