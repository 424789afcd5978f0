"""A full disk and a folder that may not be written: each format, in a file system of its own.

The mount is that of one process, and only root can make it: without it these are skipped, loudly.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import disk_child

pytestmark = pytest.mark.slow

SAID = {"full": "No space left on device", "read_only": "Read-only file system"}


@pytest.mark.parametrize("kind", SAID)
def test_the_old_file_stays_and_nothing_is_left_behind(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, disk_child.__file__, kind, str(tmp_path)]
    done = subprocess.run(
        ["/usr/bin/env", "unshare", "--mount", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if not lines:
        pytest.skip(f"NO MOUNT: no disk was full. This user may not mount: {done.stderr[-200:]}")
    assert done.returncode == 0, (lines[-1], done.stderr[-2000:])
    ended = {line["name"]: line for line in lines[1:]}
    assert list(ended) == list(disk_child.NAMES)
    for name, line in ended.items():
        assert line["ended"].startswith("OutputError: cannot write"), line
        assert SAID[kind] in line["ended"], line
        assert str(tmp_path) in line["ended"], line
        assert kind == "read_only" or f"{tmp_path / name}:" in line["ended"], line
        assert "next" in line["rows"], line
        assert line["same"], line
