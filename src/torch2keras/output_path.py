"""Whether a model can be written to a path, asked before the long work begins."""

from __future__ import annotations

import tempfile
from pathlib import Path

from torch2keras.errors import OutputError

SUFFIX = ".keras"


def require_writable(path: Path) -> None:
    """Raises OutputError for another suffix, a folder, a folder that is missing, and one that cannot be written to."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder", [("next", f"name a file, for example {path / 'model.keras'}")])
    if path.suffix != SUFFIX:
        raise OutputError(f"{path} does not end in {SUFFIX}", [("next", f"name it {path.with_suffix(SUFFIX).name}")])
    if not path.parent.is_dir():
        raise OutputError(
            f"the folder {path.parent} does not exist", [("next", f"make it first: mkdir -p {path.parent}")]
        )
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write to the folder {path.parent}: {error.strerror}",
            [("next", "check its permissions, or name another folder")],
        ) from error
