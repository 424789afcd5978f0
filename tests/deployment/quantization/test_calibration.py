"""Where the inputs of a calibration come from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import torch2keras as t2k
from deployment_nets import convert_net, trace
from torch2keras.deployment.formats import build_deployment_request
from torch2keras.deployment.quantization.calibration import RANDOM_NOTE, draw_calibration
from torch2keras.deployment.sizes import fix_sizes
from torch2keras.deployment.task import ExportTask

X = np.random.default_rng(0).standard_normal((6, 3, 21)).astype("float32")
CELL = {name: np.full((2, 8), place, "float32") for place, name in enumerate("xhc")}


@pytest.fixture(scope="module")
def conv():
    return trace(convert_net("conv1d"))


def make_task(traced, tmp_path, batch=1, mode="int8") -> ExportTask:
    request = build_deployment_request(tmp_path / "net.tflite", batch)
    sizes = fix_sizes(traced.conversion, batch)
    return ExportTask(replace(request, quantize=mode), traced, sizes)


@pytest.mark.parametrize(
    ("give", "count"),
    [
        (lambda: X, 6),
        (lambda: torch.from_numpy(X), 6),
        (lambda: list(X), 6),
        (lambda: (X[n : n + 2] for n in (0, 2)), 4),
        (lambda: [(X[:1],), {"input": X[1:2]}], 2),
        (lambda: {"input": X}, 6),
        (lambda: [np.tile(X, (30, 1, 1))], 128),
    ],
)
def test_arrays_are_split_into_batches(conv, tmp_path, give, count):
    task = make_task(conv, tmp_path)
    sets = draw_calibration(task, give())
    assert len(sets) == count
    assert all(given.tensors[0].shape == (1, 3, 21) for given in sets)
    np.testing.assert_array_equal(sets[1].tensors[0][0], X[1])
    assert sets[0].outputs[0].shape == (1, 5, 11)
    assert task.notes == []


def test_files_and_folders_are_read(conv, tmp_path):
    np.savez(tmp_path / "one.npz", input=X)
    np.savez(tmp_path / "stack.npz", input=X[:, None])
    np.save(tmp_path / "b.npy", X[3:])
    np.save(tmp_path / "a.npy", X[:3])
    task = make_task(conv, tmp_path)
    for place in (tmp_path / "one.npz", str(tmp_path / "stack.npz"), tmp_path):
        found = torch.cat([given.tensors[0] for given in draw_calibration(task, place)])
        np.testing.assert_array_equal(found, X)


def test_a_larger_batch_leaves_out_the_rest(conv, tmp_path):
    sets = draw_calibration(make_task(conv, tmp_path, batch=4), X)
    assert [tuple(given.tensors[0].shape) for given in sets] == [(4, 3, 21)]


def test_several_inputs_come_by_name(tmp_path):
    task = make_task(trace(convert_net("cell")), tmp_path)
    np.savez(tmp_path / "cell.npz", **CELL)
    for given in (tmp_path / "cell.npz", CELL, [CELL]):
        sets = draw_calibration(task, given)
        assert len(sets) == 2
        assert [float(tensor[0, 0]) for tensor in sets[0].tensors] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(("mode", "notes"), [("int8", [RANDOM_NOTE]), ("dynamic", [])])
def test_without_a_calibration_there_are_random_numbers_and_a_loud_note(
    conv, tmp_path, mode, notes
):
    task = make_task(conv, tmp_path, mode=mode)
    sets = draw_calibration(task, None)
    assert len({float(given.tensors[0].sum()) for given in sets}) == len(sets) == 16
    assert task.notes == notes


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "no calibration: int"),
        ([], "holds no inputs"),
        ([X[:, :2]], "has the shape"),
        ([(X, X)], "has 2 arrays, and the model 1"),
        ({"x": X}, "has no array 'input'"),
        ("nowhere.npz", "no calibration can be read"),
    ],
)
def test_what_is_no_calibration_is_refused(conv, tmp_path, given, said):
    with pytest.raises(t2k.InputError, match=said):
        draw_calibration(make_task(conv, tmp_path), given)
