"""One export under way."""

from __future__ import annotations

import json

import pytest

import torch2keras as t2k
from deployment_nets import convert_net, trace
from torch2keras.deployment.formats import build_deployment_request
from torch2keras.deployment.sizes import fix_sizes
from torch2keras.deployment.task import ExportTask, write_place
from torch2keras.verification.results import Check


@pytest.fixture(scope="module")
def traced():
    return trace(convert_net("conv1d"))


def make_task(traced, tmp_path, layout="keras") -> ExportTask:
    request = build_deployment_request(tmp_path / "net.tflite", 1, layout)
    return ExportTask(request, traced, fix_sizes(traced.conversion, 1), ["a note"])


@pytest.mark.parametrize(
    ("layout", "shape", "order"),
    [("keras", (1, 21, 3), "n l c"), ("torch", (1, 3, 21), "n c l")],
)
def test_the_ports_of_a_file_have_its_sizes_and_order(traced, layout, shape, order, tmp_path):
    (port,), (out,) = make_task(traced, tmp_path, layout).list_ports(layout)
    assert (port.name, port.dtype, port.shape, port.order) == ("input", "float32", shape, order)
    assert sorted(out.shape) == [1, 5, 11]


def test_a_file_says_its_versions_and_ports(traced, tmp_path):
    facts = json.loads(json.dumps(make_task(traced, tmp_path).describe()))
    assert facts["layout"] == "keras"
    assert facts["inputs"][0]["shape"] == [1, 21, 3]
    assert any(text.startswith("torch ") for text in facts["versions"])


def test_the_result_holds_the_notes_and_the_runtimes_version(traced, tmp_path):
    checks: tuple[Check, ...] = ()
    result = make_task(traced, tmp_path).result(checks, 10, {"CONV_2D": 1}, runtime="numpy")
    assert (result.notes, result.bytes, result.worst) == (("a note",), 10, 0.0)
    assert result.runtime.startswith("numpy ")


def test_a_place_becomes_the_file_only_without_an_error(tmp_path):
    path = tmp_path / "file"
    with write_place(path) as place:
        place.write_text("new")
    assert path.read_text() == "new"
    with pytest.raises(t2k.OutputError, match="cannot write"), write_place(path):
        raise OSError(28, "No space left on device")
    with pytest.raises(t2k.DeploymentError), write_place(path) as place:
        place.write_text("wrong")
        raise t2k.DeploymentError("it is wrong")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
