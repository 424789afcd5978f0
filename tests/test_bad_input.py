"""What bad input gets: a clear typed error, and nothing is lost."""

from __future__ import annotations

import dataclasses
import importlib
import resource
import sys

import keras
import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from command import NETS, command
from torch2keras import pipeline
from torch2keras.declarations.registry import registry
from torch2keras.lower.recorder import ops

aten = torch.ops.aten
SMALL = ("convert", "t2k_nets:Small", "-o", "out.keras", "-i", "2,3,11")
OLD = b"a model that stood here before"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "t2k_nets.py").write_text(NETS)
    (tmp_path / "out.keras").write_bytes(OLD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("t2k_nets", None)


def nothing_lost(folder):
    """The old file is as it was, and nothing was left beside it."""
    names = sorted(p.name for p in folder.iterdir() if p.name != "__pycache__")
    return names == ["out.keras", "t2k_nets.py"] and (folder / "out.keras").read_bytes() == OLD


BAD = [
    ("on_meta", (2, 3, 11), t2k.InputError, 2, ["meta device", "0.weight", "weights="]),
    ("lazy", (2, 3, 11), t2k.InputError, 2, ["not initialised", "run one forward call"]),
    (
        "Small",
        (2, 4, 11),
        t2k.InputError,
        2,
        ["fails on the example inputs", "conv (Conv1d)", "to have 3 channels"],
    ),
    (
        "Branch",
        (2, 3, 11),
        t2k.CaptureError,
        4,
        ["values of a tensor", "t2k_nets.py:", "if x.sum() > 0:"],
    ),
    ("Counter", (2, 3, 11), t2k.UnsupportedOpError, 4, ["calls"]),
    (
        "Unknown",
        (2, 3, 5),
        t2k.UnsupportedOpError,
        4,
        [
            "no lowering for aten.",
            "geqrf",
            "inner (Inner)",
            "t2k_nets.py:",
            "torch.geqrf(x)",
            "f32[",
            "next",
        ],
    ),
]


@pytest.mark.parametrize(
    ("factory", "shape", "error", "code", "words"), BAD, ids=[case[0] for case in BAD]
)
def test_bad_modules(factory, shape, error, code, words, folder):
    module = getattr(importlib.import_module("t2k_nets"), factory)()
    module.train()
    with pytest.raises(t2k.Torch2KerasError) as raised:
        t2k.convert(module, (torch.randn(shape),))
    assert type(raised.value) is error
    assert all(word in str(raised.value) for word in words), str(raised.value)
    assert module.training

    ran = command(
        "convert", f"t2k_nets:{factory}", "-o", "out.keras", "-i", ",".join(map(str, shape)), "-q"
    )
    assert ran.code == code
    assert ran.err.startswith(f"{error.__name__}: ")
    assert all(word in ran.err for word in words), ran.err
    assert nothing_lost(folder)


def test_a_wrong_lowering_fails_verification_and_names_the_value(folder, monkeypatch):
    wrong = dataclasses.replace(registry.lowerings[aten.tanh.default], convert=ops.sigmoid)
    monkeypatch.setitem(registry.lowerings, aten.tanh.default, wrong)
    module = importlib.import_module("t2k_nets").Small()
    with pytest.raises(t2k.VerificationError, match=r"tanh(.|\n)*t2k_nets\.py:"):
        t2k.convert(module, (torch.randn(2, 3, 11),))
    ran = command(*SMALL, "--quiet")
    assert ran.code == 5
    assert nothing_lost(folder)


def test_train_mode_is_restored_and_noted():
    module = importlib.import_module("t2k_nets").Small().train()
    module.conv.eval()
    converted = t2k.convert(module, (torch.randn(2, 3, 11),))
    assert [module.training, module.conv.training, module.head.training] == [True, False, True]
    assert any("train mode" in note for note in converted.report.notes)


def test_nan_weights_are_converted_bit_for_bit_and_named():
    layer = nn.Linear(3, 5)
    with torch.no_grad():
        layer.weight.view(torch.int32)[1, 2] = 0x7FC12345  # a NaN with a payload
        layer.weight[3, 0] = float("-inf")
    converted = t2k.convert(layer, (torch.randn(2, 3),))
    kernel = np.asarray(converted.model.get_weights()[0])
    assert np.array_equal(
        kernel.view(np.int32), layer.weight.detach().numpy().T.copy().view(np.int32)
    )
    (note,) = [n for n in converted.report.notes if "NaN" in n]
    assert "weight" in note


OUTPUTS = [
    ("out.h5", "does not end in .keras"),
    ("no/where.keras", "does not exist"),
    (".", "is a folder"),
    ("folder.keras", "is a folder"),
    pytest.param(
        "/proc/out.keras",
        "cannot write",
        marks=pytest.mark.skipif(sys.platform != "linux", reason="/proc"),
    ),
]


@pytest.mark.parametrize(("output", "words"), OUTPUTS)
def test_bad_outputs_are_refused_before_the_work(output, words, folder, monkeypatch):
    monkeypatch.setattr(
        "torch2keras.cli.main.build_call", lambda *_, **__: pytest.fail("the long work has begun")
    )
    if output == "folder.keras":
        (folder / output).mkdir()
    ran = command("convert", "t2k_nets:Small", "-o", output, "-i", "2,3,11", "-q")
    assert ran.code == 6
    assert words in ran.err
    assert "next" in ran.err


def test_save_refuses_bad_outputs_too(folder):
    converted = t2k.convert(nn.Linear(3, 5), (torch.randn(2, 3),), verify=False)
    (folder / "folder.keras").mkdir()
    for output in ("out.h5", "no/where.keras", "folder.keras"):
        with pytest.raises(t2k.OutputError):
            converted.save(output)
    (folder / "folder.keras").rmdir()
    assert nothing_lost(folder)


def test_a_full_disk_leaves_the_old_file(folder):
    """A limit on the size of files is what a full disk looks like from inside."""
    converted = t2k.convert(nn.Linear(97, 101), (torch.randn(2, 97),), verify=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(t2k.OutputError, match="cannot write"):
            converted.save("out.keras")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert nothing_lost(folder)


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize("stage", ["capture", "import_graph", "assign_layouts", "lower", "build"])
def test_ctrl_c_in_a_stage(stage, folder, monkeypatch):
    monkeypatch.setattr(pipeline, stage, interrupt)
    ran = command(*SMALL)
    assert ran.code == 130
    assert "interrupted" in ran.err
    assert nothing_lost(folder)
    assert command(*SMALL, "--json").json["error"]["type"] == "KeyboardInterrupt"


def test_ctrl_c_while_saving(folder, monkeypatch):
    def half(_, path, **__):
        path.write_bytes(b"half of a model")
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "save", half)
    assert command(*SMALL, "-q").code == 130
    assert nothing_lost(folder)
