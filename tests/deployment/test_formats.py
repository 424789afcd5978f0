"""What can be asked of an export, and what cannot."""

from __future__ import annotations

import pytest

import torch2keras as t2k
from torch2keras.deployment.formats import Format, build_deployment_request, read_format


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("net.tflite", Format.LITERT),
        ("net.onnx", Format.ONNX),
        ("folder", Format.SAVED_MODEL),
        ("v1.2/", Format.SAVED_MODEL),
    ],
)
def test_the_format_is_that_of_the_name(path, expected):
    assert read_format(path) is expected


@pytest.mark.parametrize("path", ["net.keras", "net.pb", "net.h5"])
def test_another_suffix_is_refused(path):
    with pytest.raises(t2k.OutputError, match="no format of deployment"):
        read_format(path)


@pytest.mark.parametrize("batch", [0, -1, True, "1", 1.5])
def test_what_is_no_batch_is_refused(batch, tmp_path):
    with pytest.raises(t2k.InputError, match="no size of a batch"):
        build_deployment_request(tmp_path / "net.tflite", batch, "keras")


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(t2k.InputError, match="unknown layout 'nchw'") as caught:
        build_deployment_request(tmp_path / "net.tflite", 1, "nchw")
    assert caught.value.rows == (("next", "one of 'keras', 'torch'"),)


def test_what_is_asked_for_is_given_back(tmp_path):
    request = build_deployment_request(str(tmp_path / "net.tflite"), None, "torch")
    assert (request.path, request.batch) == (tmp_path / "net.tflite", None)
    assert (request.format, request.layout) == (Format.LITERT, "torch")


def test_a_place_that_is_taken_is_refused(tmp_path):
    def ask(name):
        return build_deployment_request(tmp_path / name, 1, "keras")

    (tmp_path / "file").write_text("mine")
    with pytest.raises(t2k.OutputError, match="no folder of a SavedModel"):
        ask("file")
    (tmp_path / "a.tflite").mkdir()
    with pytest.raises(t2k.OutputError, match="is a folder"):
        ask("a.tflite")
    with pytest.raises(t2k.OutputError, match="does not exist"):
        ask("nowhere/net.tflite")
    with pytest.raises(t2k.OutputError, match="no file can be written"):
        ask("a\0b.tflite")
    (tmp_path / "mine").mkdir()
    ask("mine")
    (tmp_path / "mine/letter.txt").write_text("mine")
    with pytest.raises(t2k.OutputError, match="holds other files"):
        ask("mine")
    (tmp_path / "mine/saved_model.pb").write_text("")
    ask("mine")
