"""Write a model so that a file which stood there is replaced only by a complete one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from torch2keras.errors import OutputError

if TYPE_CHECKING:  # the command line asks whether it may write before Keras is there
    import keras


def save_model(model: keras.Model, path: Path) -> Path:
    """Save to a `.keras` file through a temporary sibling, then rename.

    Raises OutputError for another suffix, a folder, a folder that is missing, and what the system
    refuses.
    """
    require_writable(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.keras")
    try:
        model.save(temporary)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error}",
            [("next", "check the permissions and the free space there")],
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


SUFFIX = ".keras"


def require_writable(path: Path) -> None:
    """Check that a model can be saved there, before the work that it takes to make it.

    Raises OutputError for another suffix, a folder, a folder that is missing, and one that cannot
    be written to.
    """
    if path.is_dir():
        raise OutputError(
            f"{path} is a folder", [("next", f"name a file, for example {path / 'model.keras'}")]
        )
    if path.suffix != SUFFIX:
        raise OutputError(
            f"{path} does not end in {SUFFIX}",
            [("next", f"name it {path.with_suffix(SUFFIX).name}")],
        )
    if not path.parent.is_dir():
        raise OutputError(
            f"the folder {path.parent} does not exist",
            [("next", f"make it first: mkdir -p {path.parent}")],
        )
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write to the folder {path.parent}: {error.strerror}",
            [("next", "check its permissions, or name another folder")],
        ) from error
