"""Write a model so that a file which stood there is replaced only by a complete one."""

from __future__ import annotations

import os
from pathlib import Path

import keras

from torch2keras.errors import OutputError
from torch2keras.output_path import require_writable


def save_model(model: keras.Model, path: Path) -> Path:
    """Save to a `.keras` file through a temporary sibling, then rename.

    Raises OutputError for another suffix, a folder, a folder that is missing, and what the system refuses.
    """
    require_writable(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.keras")
    try:
        model.save(temporary)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error}", [("next", "check the permissions and the free space there")]
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
