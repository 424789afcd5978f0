"""Weights that are mapped from files take no memory but for what is read of them just now.

A mapped file is read page by page, when its numbers are asked for, and what was read stays with the
process until the system needs the room. So a run of a module would leave all its weights in memory
once more. The pages of a weight can be given back as soon as an operation has read them: they are
in the file, and come again when they are read again.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch.multiprocessing.reductions import StorageWeakRef

SMALL = 2**18
"""Bytes; what is smaller stays in memory once it was read."""

DONT_NEED = 4
"""MADV_DONTNEED of Linux, which `mmap` has only for maps of its own."""

PAGE_FLAGS = Path("/proc/self/pagemap")
"""64 bits a page: present (63), swapped (62), of a file (61). Kernel documentation, pagemap.rst."""

PRESENT, SWAPPED, OF_FILE = 1 << 63, 1 << 62, 1 << 61


class _Mapped(NamedTuple):
    """The memory of one tensor that was mapped from a file."""

    storage: StorageWeakRef
    """While it is held, no other storage has the same identity."""
    address: int
    size: int

    @property
    def is_there(self) -> bool:
        """Whether any tensor still has it."""
        return not self.storage.expired()  # type: ignore[no-untyped-call]


_MAPPED: dict[int, _Mapped] = {}
"""By the identity of the storage, as `runtime.journal.memory_key` has it."""


def note_mapped(tensors: Iterable[torch.Tensor]) -> None:
    """Let the pages of tensors that were just mapped from a file be given back when they are read.

    Nobody else may have mapped them.
    """
    import torch
    from torch.multiprocessing.reductions import StorageWeakRef

    for key in [key for key, mapped in _MAPPED.items() if not mapped.is_there]:
        del _MAPPED[key]
    if not sys.platform.startswith("linux"):
        return
    for tensor in tensors:
        if tensor.layout is not torch.strided or tensor.device.type != "cpu":
            continue
        storage = tensor.untyped_storage()
        if storage.nbytes() >= SMALL:
            alive = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
            mapped = _Mapped(alive, storage.data_ptr(), storage.nbytes())
            _MAPPED[storage._cdata] = mapped  # noqa: SLF001 - its identity


def release_pages(keys: Iterable[int]) -> None:
    """Give back what was read of the mapped tensors among these storages, given by identity."""
    if not _MAPPED:
        return
    for key in keys:
        mapped = _MAPPED.get(key)
        if mapped is not None and mapped.is_there:
            _release(mapped)


def release_tensors(tensors: Iterable[torch.Tensor]) -> None:
    """Give back what was read of the mapped ones among these tensors."""
    if _MAPPED:
        release_pages([tensor.untyped_storage()._cdata for tensor in tensors])  # noqa: SLF001


def release_all() -> None:
    """Give back what was read of all mapped tensors."""
    release_pages(list(_MAPPED))


def _release(mapped: _Mapped) -> None:
    """Give back the whole pages of a tensor, unless something was written to them."""
    first = -(-mapped.address // mmap.PAGESIZE)
    count = (mapped.address + mapped.size) // mmap.PAGESIZE - first
    if count <= 0 or not _is_as_in_file(first, count):
        return
    libc = ctypes.CDLL(None)
    start, size = first * mmap.PAGESIZE, count * mmap.PAGESIZE
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), DONT_NEED)


def _is_as_in_file(first: int, count: int) -> bool:
    """Return whether these pages are those of a file; a page that was written to is a copy."""
    import numpy as np

    try:
        with PAGE_FLAGS.open("rb", buffering=0) as flags:
            flags.seek(first * 8)
            pages = np.frombuffer(flags.read(count * 8), np.uint64)
    except OSError:
        return False
    is_present, is_swapped, is_of_file = (
        (pages & np.uint64(flag)) != 0 for flag in (PRESENT, SWAPPED, OF_FILE)
    )
    return len(pages) == count and not ((is_present & ~is_of_file) | is_swapped).any()
