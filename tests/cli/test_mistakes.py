"""What users get wrong: one typed error, one document on stdout, nothing raw on the terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from command import Ran, command

WRONG_NETS = r"""
import os
import sys
import warnings
import torch
from torch import nn


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        print("printed")
        os.write(1, b"written")
        os.system("echo from a child")
        warnings.warn("warned")
        self.linear = nn.Linear(3, 5)

    def forward(self, x):
        print("in forward")
        return self.linear(x)


class Generator(nn.Module):
    def forward(self, x):
        generator = torch.Generator()
        return x + torch.randn(x.shape, generator=generator)


class OwnGenerator(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = torch.Generator()

    def forward(self, x):
        return torch.bernoulli(x.sigmoid(), generator=self.generator)


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        setattr(self, "a\x1b[2Jverified", nn.Linear(3, 5))

    def forward(self, x):
        return getattr(self, "a\x1b[2Jverified")(x)


class Allocates(nn.Module):
    def forward(self, x):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")


def linear():
    return nn.Linear(3, 5)


def quantised():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = nn.Sequential(nn.Linear(3, 5))
        return torch.ao.quantization.quantize_dynamic(parts, {nn.Linear}, dtype=torch.qint8)


def clears():
    raise ValueError("\x1b[2J\x1b[Hverified\x07\x9b31m")


def no_memory():
    raise MemoryError


def leaves():
    sys.exit("bye")


def without_end():
    return without_end()
"""


@pytest.fixture(autouse=True)
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wrong_nets.py").write_text(WRONG_NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def source(name: str, shape: str = "2,3") -> list[str]:
    return ["inspect", f"wrong_nets:{name}", "-i", shape]


MISTAKES: dict[str, tuple[Sequence[str], int, str]] = {
    "a generator in forward": (source("Generator"), 4, "CaptureError"),
    "a generator of the module's": (source("OwnGenerator"), 4, "CaptureError"),
    "a quantised module": (source("quantised"), 2, "InputError"),
    "a factory that clears the screen": (source("clears"), 2, "SourceError"),
    "a factory without memory": (source("no_memory"), 2, "SourceError"),
    "a forward without memory": (source("Allocates"), 2, "InputError"),
    "a factory that leaves": (source("leaves"), 2, "SourceError"),
    "a factory without end": (source("without_end"), 2, "SourceError"),
    "a batch of nothing": (source("linear", "0,3"), 2, "InputError"),
    "a batch of 10**9": (source("linear", "1000000000,3"), 2, "InputError"),
    "a batch of 10**20": (source("linear", "100000000000000000000,3"), 2, "InputError"),
    "a batch of 10**5000": (source("linear", "1" + "0" * 5000 + ",3"), 2, "InputError"),
    "sizes whose product overflows": (source("linear", "999999999999,999999999"), 2, "InputError"),
    "a long source": (["inspect", "n" * 5000 + ":x", "-i", "2,3"], 2, "SourceError"),
    "a long folder": (["inspect", "hf:" + "n" * 5000], 2, "SourceError"),
    "a source of controls": (["inspect", "\x1b[2J:x", "-i", "2,3"], 2, "SourceError"),
    "a folder of controls": (["inspect", "hf:\x1b[2J\x00"], 2, "SourceError"),
    "a long output": (
        ["convert", "wrong_nets:linear", "-i", "2,3", "-o", "x" * 300 + ".keras"],
        6,
        "OutputError",
    ),
    "heads that do not divide": (["explain", "MultiheadAttention(5, 2)"], 2, "InputError"),
    "groups of none": (["explain", "GroupNorm(0, 4)"], 2, "InputError"),
    "a padding beyond": (["explain", "Embedding(10, 3, padding_idx=20)"], 2, "InputError"),
    "a kernel below nothing": (["explain", "Conv1d(3, 5, -1)"], 2, "InputError"),
    "a layer beyond all memory": (["explain", "Linear(1000000, 100000000)"], 2, "InputError"),
    "a layer beyond all numbers": (["explain", f"Linear(3, {10**30})"], 2, "InputError"),
    "a batch of nothing for a layer": (
        ["explain", "Conv1d(3, 5, 3)", "-i", "0,3,11"],
        2,
        "InputError",
    ),
    "a layer of controls": (["explain", "Linear(3, 5\x1b[2J)"], 2, "InputError"),
    "an option of controls": (["explain", "Linear(3, 5)", "-i", "\x1b[2J"], 2, "InputError"),
}


@pytest.mark.parametrize("name", ["Generator", "OwnGenerator"])
def test_a_generator_is_named(name: str) -> None:
    told = command(*source(name), "--json").json["error"]
    assert "forward uses an object that Keras has none of" in told["message"]
    assert "Generator" in told["message"]


def is_raw(ran: Ran) -> bool:
    """Whether what was printed would act on a terminal."""
    return any(letter in ran.out + ran.err for letter in "\x1b\x07\x9b\x00\r\u202e")


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_one_typed_error(kind: str) -> None:
    arguments, code, error = MISTAKES[kind]
    ran = command(*arguments, "--json")
    assert ran.code == code
    told = ran.json["error"]
    assert (told["type"], "next" in told["rows"]) == (error, True)
    assert not is_raw(ran)


@pytest.mark.parametrize(
    "kind", [kind for kind in MISTAKES if "control" in kind or "clear" in kind]
)
def test_nothing_raw_reaches_the_terminal(kind: str) -> None:
    arguments, code, error = MISTAKES[kind]
    ran = command(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert error in ran.err
    assert not is_raw(ran)


def test_names_reach_neither_the_report_nor_the_file_raw() -> None:
    for command_line in (source("Named"), ["convert", *source("Named")[1:], "-o", "a.keras"]):
        ran = command(*command_line)
        assert ran.code == 0
        assert "verified" in ran.out
        assert not is_raw(ran)


def test_what_a_factory_prints_is_no_part_of_the_document(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ran = command("convert", *source("Noisy")[1:], "-o", "a.keras", "--json")
    assert ran.json["saved"] == "a.keras"
    assert "printed" in ran.err
    assert capfd.readouterr().out == ""


def test_quiet_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    ran = command("convert", *source("Noisy")[1:], "-o", "a.keras", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert tuple(capfd.readouterr()) == ("", "")
    assert Path("a.keras").exists()
    ran = command(*source("clears"), "--quiet")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("SourceError")


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "deeplabv3_resnet50"])
def test_nothing_is_downloaded_for_a_detector(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from torch2keras.cli.sources import load_source

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    assert load_source(f"torchvision:{name}").training


@pytest.mark.parametrize("arguments", [["ops", "--json"], ["explain", "ReLU()", "--json"]])
def test_an_unknown_backend(arguments: Sequence[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "torch2keras.cli.main", *arguments],
        env={**os.environ, "KERAS_BACKEND": "foo"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(ran.stdout)["error"]
    assert (ran.returncode, told["type"]) == (2, "InputError")
    assert "Traceback" not in ran.stderr
    assert "foo" in told["message"]
