"""What stands at a path that a stranger has written: no name is too long to be asked for."""

from __future__ import annotations

from pathlib import Path


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
