"""What stands at a path that a stranger has written: no name is too long to be asked for."""

from __future__ import annotations

import errno
import os
from pathlib import Path

SYSTEM_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EIO)
"""Why a system writes no more: no room, no right, a broken disk."""


def is_file(path: Path) -> bool:
    """Return whether a file stands there; False where the system cannot tell."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Return whether a folder stands there; False where the system cannot tell."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_program_file(path: str | Path) -> bool:
    """Return whether a path is called as `torch.export.save` wants its files called."""
    return Path(path).suffix == ".pt2"


def is_script_source(source: str) -> bool:
    """Return whether a SOURCE names a file of TorchScript."""
    return source.startswith("torchscript:")


def find_system_error(error: BaseException) -> OSError | None:
    """Return what the system has refused, out of a library's own error of it; None for another.

    HDF5 puts its whole state into the message, and TensorFlow has errors of its own kind.
    """
    for number in SYSTEM_ERRORS:
        text = os.strerror(number)
        if getattr(error, "errno", None) == number or text in str(error):
            return OSError(number, text)
    return None
