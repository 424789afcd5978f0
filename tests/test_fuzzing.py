"""Thousands of damaged and hostile files: each is read or refused, in time, and nothing is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fuzzing
from torch2keras.errors import InternalError, SourceError

ASKED = os.environ.get("T2K_FUZZ_FILES")
"""How many files, from the seed T2K_FUZZ_START on; without it 2,004, always the same."""

EACH = 334
"""Files of each kind in one process."""

STARTS = [0]
if ASKED:
    first = int(os.environ.get("T2K_FUZZ_START", "0"))
    PIECES = -(-int(ASKED) // (EACH * len(fuzzing.KINDS)))
    STARTS = [first + EACH * piece for piece in range(PIECES)]


@pytest.mark.parametrize("start", STARTS)
def test_changed_files_end_well(tmp_path: Path, start: int) -> None:
    command = [sys.executable, fuzzing.__file__, str(start), str(EACH), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3000)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [line for line in lines if "wrong" in line]
    assert not wrong, "\n".join(map(str, wrong))
    left = [path.name for path in tmp_path.iterdir()]
    assert (done.returncode, left) == (0, []), f"{left} ended the process: {done.stderr[-2000:]}"
    assert [line["kind"] for line in lines] == list(fuzzing.KINDS)
    for line in lines:
        assert line["read"] + line["refused"] == EACH
        assert line["read"] > EACH // 50, f"{line}: all are refused at the door"
        assert line["refused"] > EACH // 5


def test_the_same_seeds_are_the_same_files() -> None:
    clean = fuzzing.make_safetensors()
    made = [fuzzing.mutate(clean, fuzzing.random.Random(seed)) for seed in (*range(30), 3)]
    assert made[3] == made[-1]
    assert len(set(made)) > 25


def _raise(error: Exception):
    def read(_: Path) -> None:
        raise error

    return read


ENDS = {
    "it is read": (lambda _: None, ""),
    "it is refused": (_raise(SourceError("no")), fuzzing.REFUSED),
    "a bug": (_raise(InternalError("bug")), "InternalError: bug"),
    "another error": (_raise(ValueError("bad")), "ValueError: bad"),
    "memory": (lambda _: bytearray(10**8) and None, " MB for a file of 3 bytes"),
    "time": (lambda _: sum(range(10**7)) and None, "0 seconds"),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_ends_badly_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    read, said = ENDS[name]
    if name == "time":
        monkeypatch.setattr(fuzzing, "SECONDS", 0.01)
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    ended = fuzzing.judge(read, file)
    assert ended.endswith(said)
    assert bool(ended) == bool(said)


def test_what_is_left_behind_is_told(tmp_path: Path) -> None:
    (tmp_path / "marker").mkdir()
    (tmp_path / "file").touch()
    assert fuzzing.remove_others(tmp_path / "file") == ["marker"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
