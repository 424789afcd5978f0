"""Every module of the room that registers something is imported by one."""

from __future__ import annotations

from pathlib import Path

from torch2keras.deployment_forms import all_forms

ROOM = Path(all_forms.__file__).parent


def test_every_file_that_registers_is_imported() -> None:
    registering = {
        path.stem
        for path in ROOM.glob("*.py")
        if "\n@rule(" in path.read_text() or "\n@form(" in path.read_text()
    }
    assert registering == set(all_forms.__all__)
