"""`torch2keras convert SOURCE -o net.tflite`, and what cannot be asked for."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import torch2keras as t2k
from command import NETS, command
from torch2keras.cli.deployment_options import Target, read_batch
from torch2keras.errors import InputError, OutputError

SOURCE = ("convert", "deployed_nets:Small", "-i", "2,3,11")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "deployed_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("deployed_nets", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("net.tflite", True),
        ("net.onnx", True),
        ("net/", True),
        ("net.keras", False),
        ("net.py", False),
        ("net", False),
    ],
)
def test_a_file_for_another_runtime_is_told_by_its_name(text, expected):
    assert Target(text).is_deployment is expected


@pytest.mark.parametrize(("text", "batch"), [(None, "default"), ("any", None), ("3", 3)])
def test_the_batch_is_a_number_or_any(text, batch):
    assert read_batch(text) == batch


@pytest.mark.parametrize("text", ["0", "-1", "", "x", "1.5", "\u0663", "None"])
def test_what_is_no_batch_is_refused(text):
    with pytest.raises(InputError, match="no size of a batch"):
        read_batch(text)


def test_a_batch_is_refused_for_a_model_of_keras(tmp_path):
    with pytest.raises(InputError, match="--batch is for files of other runtimes"):
        Target(str(tmp_path / "net.keras"), "1").require_place()
    with pytest.raises(OutputError, match="does not exist"):
        Target(str(tmp_path / "none/net.tflite"), "1").require_place()


def test_a_file_is_written_and_told(folder):
    ran = command(*SOURCE, "-o", "net.tflite", "--batch", "2")
    assert ran.code == 0
    assert "net.tflite: LiteRT" in ran.out
    assert "in    x float32 (2, 11, 3) n l c" in ran.out
    assert ran.out.endswith("saved net.tflite\n")
    assert (folder / "net.tflite").read_bytes()[4:8] == b"TFL3"


def test_a_folder_is_written_and_told_as_json(folder):
    ran = command(*SOURCE, "-o", "net/", "--json")
    assert ran.code == 0
    assert ran.json["saved"] == "net"
    (deployment,) = ran.json["report"]["deployments"]
    assert deployment["signatures"] == ["serve", "serve_torch_layout"]
    assert (folder / "net/saved_model.pb").exists()


@pytest.mark.parametrize("place", ["net", "net/"])
@pytest.mark.parametrize("kind", ["h5", "safetensors"])
def test_a_folder_of_shards_is_written(folder, place, kind):
    ran = command(
        *SOURCE, "-o", place, "--max-shard-size", "50kB", "--weights-format", kind, "--json"
    )
    assert (ran.code, ran.json["saved"]) == (0, "net")
    assert len(list((folder / "net").glob(f"model*.{kind}"))) == 1
    assert t2k.weights(folder / "net").to_state_dict()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("-o", "net.tflite", "--batch", "0"), 2),
        (("-o", "net.keras", "--batch", "1"), 2),
        (("-o", "net.keras", "--quantize", "int8"), 2),
        (("-o", "net.keras", "--keep-float", "head"), 2),
        (("-o", "net.keras", "--integer-ports"), 2),
        (("-o", "net.tflite", "--calibration", "x.npz"), 2),
        (("-o", "net.tflite", "--keep-float", "head"), 2),
        (("-o", "net.tflite", "--quantize", "dynamic", "--integer-ports"), 2),
        (("-o", "net.tflite", "--quantize", "int8", "--keep-float", "nowhere"), 2),
        (("-o", "net.onnx", "--quantize", "int8"), 2),
        (("-o", "net.tflite", "--quantize", "int8", "--calibration", "none.npz"), 2),
        (("-o", "no/where.tflite"), 6),
        (("-o", "net.pb"), 6),
        (("-o", "net", "--max-shard-size", "much"), 2),
        (("-o", "net", "--max-shard-size", "2GB", "--quantize", "int8"), 2),
        (("-o", "net.keras", "--max-shard-size", "2GB"), 6),
        (("-o", "no/where", "--max-shard-size", "2GB"), 6),
    ],
)
def test_mistakes_are_typed_and_leave_nothing(arguments, code, folder):
    ran = command(*SOURCE, *arguments, "--json")
    assert ran.code == code
    assert ran.json["error"]
    assert sorted(path.name for path in folder.glob("net*")) == []


def test_a_file_is_quantised_by_data(folder):
    np.savez(folder / "data.npz", x=np.ones((4, 3, 11), np.float32))
    options = ("--quantize", "dynamic", "--calibration", "data.npz", "--json")
    ran = command(*SOURCE, "-o", "net.tflite", *options)
    assert ran.code == 0
    (deployment,) = ran.json["report"]["deployments"]
    assert deployment["snr"]["output"] > 25


def test_modules_stay_float_and_ports_are_integers(folder):
    options = ("--quantize", "int8", "--keep-float", "conv", "--integer-ports", "--json")
    ran = command(*SOURCE, "-o", "net.tflite", *options)
    assert ran.code == 0
    (deployment,) = ran.json["report"]["deployments"]
    assert "conv kept as floats" in " ".join(deployment["notes"])
    assert deployment["outputs"][0]["dtype"] == "int8"
