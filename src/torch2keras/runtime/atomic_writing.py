"""Write files and folders so that what stands at a path is always whole: the old or the new.

What is written first lies in a folder of its own beside the target, whose name nobody can foresee
and which only its user may enter; so no link can be planted there, and files that a writer makes
for itself on the way are in it too. Then it is flushed to the disk and takes the target's place by
a rename, which is atomic (POSIX, rename). A process that is killed on the way leaves its folder
behind; the next one to write there removes it, told by a lock that the system has released.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

SUFFIX = ".unfinished"


LOCK, NEW, OLD = "lock", "new", "old"
"""What the folder holds: the lock of its writer, what is written, and what it replaces."""


NAME_SHOWN = 40
"""The letters of a target's name that its folder's name has: names are limited to 255 bytes."""


_EXCHANGE = 2
"""RENAME_EXCHANGE of Linux's renameat2."""


_HERE = -100
"""AT_FDCWD of Linux: paths are taken as they are."""


@contextmanager
def write_whole(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Give a place to write to for each target, files or folders of one parent folder.

    Without an error they take the targets' places at the end: all of them or, where one can't, none
    of them. Only a kill between the renames of several may leave some new and some old. A file
    keeps the permissions of the one that it replaces; a new one has those that the umask leaves. A
    target that is a link is replaced, and not followed.

    Raises OSError.
    """
    parent = targets[0].parent
    remove_unfinished(targets[0])
    folder, lock = _make_folder(targets[0])
    try:
        places = tuple(folder / NEW / target.name for target in targets)
        yield places
        with ExitStack() as undo:
            for place, target in zip(places, targets, strict=True):
                _flush_all(place)
                _keep_mode(place, target)
            for place, target in zip(places, targets, strict=True):
                _take_place(place, target, folder / OLD / target.name, undo)
            undo.pop_all()
        _flush(parent)
    finally:
        os.close(lock)
        _remove(folder)


def remove_unfinished(target: Path) -> None:
    """Remove what killed processes left behind when they wrote to this path."""
    prefix = _prefix(target)
    try:
        folders = list(target.parent.iterdir())
    except OSError:  # a folder may be one to write to and not to list
        return
    for folder in folders:
        is_ours = folder.name.startswith(prefix) and folder.name.endswith(SUFFIX)
        if is_ours and not folder.is_symlink():
            with contextlib.suppress(OSError):  # others may remove it too
                _remove_left_behind(folder)


def _prefix(target: Path) -> str:
    return f".{target.name[:NAME_SHOWN]}."


def _make_folder(target: Path) -> tuple[Path, int]:
    """Return a new folder beside the target, and its lock, which this process holds."""
    while True:
        folder = Path(tempfile.mkdtemp(SUFFIX, _prefix(target), target.parent))
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        with contextlib.suppress(FileNotFoundError):  # removed as empty before it had a lock
            lock = os.open(folder / LOCK, flags, 0o600)
            if _hold(lock):
                (folder / NEW).mkdir()
                (folder / OLD).mkdir()
                return folder, lock
            os.close(lock)


def _hold(lock: int) -> bool:
    """Lock an open file; return whether nobody else has, or has removed it before."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return os.fstat(lock).st_nlink > 0


def _remove_left_behind(folder: Path) -> None:
    """Remove the folder of a process that is no more; those of others stay."""
    if sys.platform == "win32":
        _remove(folder)  # which fails where its lock is open
        return
    if folder.stat().st_uid != os.geteuid():
        return
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        folder.rmdir()  # only where it is empty
        return
    try:
        if _hold(lock):
            _remove(folder)
    finally:
        os.close(lock)


def _remove(folder: Path) -> None:
    """Remove a folder, its lock last: what a kill leaves of it is known by that."""
    for part in (folder / NEW, folder / OLD, folder):
        shutil.rmtree(part, ignore_errors=True)


def _keep_mode(place: Path, target: Path) -> None:
    """Give what is written the permissions of what it replaces."""
    with contextlib.suppress(FileNotFoundError):
        before = os.lstat(target).st_mode
        if not stat.S_ISLNK(before):
            place.chmod(stat.S_IMODE(before))


def _flush_all(path: Path) -> None:
    """Bring a file, or a folder with all in it, to the disk."""
    if path.is_dir():
        for part in path.iterdir():
            _flush_all(part)
    _flush(path)


def _flush(path: Path) -> None:
    if sys.platform == "win32" and path.is_dir():
        return  # where folders can't be opened
    access = os.O_RDWR if sys.platform == "win32" else os.O_RDONLY
    opened = os.open(path, access)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _take_place(place: Path, target: Path, kept: Path, undo: ExitStack) -> None:
    """Rename what is written to its target; `undo` learns how to bring back what was there."""
    if target.is_dir() and not target.is_symlink():
        _take_place_of_folder(place, target, kept, undo)
    elif os.path.lexists(target):
        _copy_link(target, kept)
        place.replace(target)
        undo.callback(kept.replace, target)
    else:
        place.replace(target)
        undo.callback(target.rename, place)


def _copy_link(target: Path, kept: Path) -> None:
    """Give a file a second name; where the file system has no links, a copy."""
    try:
        os.link(target, kept, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(target, kept, follow_symlinks=False)


def _take_place_of_folder(place: Path, target: Path, kept: Path, undo: ExitStack) -> None:
    """Change places with a folder at once, or, where the system can't, one after the other."""
    if _exchange(place, target):
        undo.callback(_exchange, place, target)
        return
    target.rename(kept)
    undo.callback(kept.rename, target)
    place.rename(target)
    undo.callback(target.rename, place)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places; return whether the system can."""
    if sys.platform != "linux":
        return False
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    result: int = renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)
    return result == 0
