"""Files and folders at any path that can be written."""

from __future__ import annotations

import errno
from pathlib import Path

from torch2keras.runtime.paths import (
    find_system_error,
    is_file,
    is_folder,
    is_program_file,
    is_script_source,
)

NOWHERE = ("none", "n" * 5000, "a\x00b", "file/x")


def test_what_stands_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    assert (is_file(tmp_path / "file"), is_folder(tmp_path / "file")) == (True, False)
    assert (is_file(tmp_path), is_folder(tmp_path)) == (False, True)
    for name in (*NOWHERE, "loop"):
        assert (is_file(tmp_path / name), is_folder(tmp_path / name)) == (False, False)


def test_a_source_that_is_a_program_is_known_by_its_name() -> None:
    assert is_program_file("a/net.pt2")
    assert is_script_source("torchscript:net.pt")
    for name in ("net.pt", "torchscript.py:Net"):
        assert not is_program_file(name)
        assert not is_script_source(name)


def test_what_the_system_refuses_is_found_in_the_error_of_a_library() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    hdf5 = OSError(errno.ENOSPC, "Can't synchronously write data (buf = 0x5583)")
    for error in (full, hdf5, RuntimeError(f"SaveV2: {full}")):
        assert str(find_system_error(error)) == "[Errno 28] No space left on device"
    assert find_system_error(ValueError("bad")) is None
    assert find_system_error(OSError(errno.ENOENT, "No such file")) is None
