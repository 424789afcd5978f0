"""Files and folders at any path that can be written."""

from __future__ import annotations

from pathlib import Path

from torch2keras.runtime.paths import is_file, is_folder, is_program_file, is_script_source

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
