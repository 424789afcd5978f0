"""Exported programs on the command line: their own inputs and weights, `--trust`, refusals."""

from __future__ import annotations

import json

import pytest

import hostile_programs as hostile
from command import command


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def clean():
    return hostile.read_records(hostile.export_clean())


def test_a_file_is_converted_with_its_own_inputs(tmp_path, clean):
    hostile.write_records(tmp_path / "net.pt2", clean)
    ran = command("convert", "net.pt2", "-o", "net.keras")
    assert ran.code == 0
    assert "verified" in ran.out
    assert (tmp_path / "net.keras").exists()


def test_a_file_is_inspected_and_explained(tmp_path, clean):
    hostile.write_records(tmp_path / "net.pt2", clean)
    assert "Conv1D" in command("inspect", "net.pt2", "-i", "2,3,length=31").out
    assert "layers.Conv1D(7" in command("explain", "net.pt2").out


def test_a_hostile_file_is_unsafe(tmp_path, clean):
    records, marker = dict(clean), tmp_path / "marker"
    hostile.HOSTILE["a size that is code"](records, marker)
    hostile.write_records(tmp_path / "net.pt2", records)
    ran = command("convert", "net.pt2", "-o", "net.keras", "--json")
    assert ran.code == 3
    assert "UnsafeFileError" in json.dumps(ran.json)
    assert not marker.exists()


def test_what_is_trusted_stands_in_the_report(tmp_path, clean):
    hostile.write_records(tmp_path / "net.pt2", clean)
    ran = command("convert", "net.pt2", "-o", "net.keras", "--trust")
    assert ran.code == 0
    assert "net.pt2 was trusted" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("torchvision:resnet18", "--trust"),
        ("nothing.pt2",),
        ("net.pt2", "--weights", "other.pth"),
        ("net.pt2", "--entry", "ema"),
    ],
)
def test_calls_that_do_not_fit(tmp_path, clean, arguments):
    hostile.write_records(tmp_path / "net.pt2", clean)
    ran = command("convert", *arguments, "-o", "net.keras")
    assert ran.code == 2
    assert "next" in ran.err
