"""Whether there is room for what a stranger's sizes ask for, before it is asked of the system.

Linux promises memory that it does not have, and ends the process when it is written to; so the
sizes are summed first.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from torch2keras.errors import InputError

if TYPE_CHECKING:
    from torch import nn


BYTES = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]?)(i?)b?", re.IGNORECASE | re.ASCII)
"""A number of bytes: 8GB, 500 MB, 1.5GiB."""


_LIMIT: ContextVar[int] = ContextVar("limit", default=2**63)


@contextmanager
def limit_memory(most: int | None) -> Iterator[None]:
    """Let no more bytes be asked for at once than so many; None is what the machine has."""
    token = _LIMIT.set(2**63 if most is None else most)
    try:
        yield
    finally:
        _LIMIT.reset(token)


def parse_bytes(text: str | int, option: str) -> int:
    """Return a number of bytes as it is written, 8GB or 1.5GiB. Raises InputError for others."""
    found = BYTES.fullmatch(str(text))
    if found is None:
        step = f"write a number of bytes, for example {option} 8GB"
        raise InputError(f"{text!r} is no size of memory", [("next", step)])
    number, prefix, binary = found.groups()
    base = 1024 if binary else 1000
    power = "kmgt".find(prefix.lower()) + 1 if prefix else 0
    return int(float(number) * base**power)


def free_memory() -> int:
    """Return the bytes that the machine can still give; a large number where it does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:  # noqa: PTH123 - no file of ours
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return 2**63


def peak_memory() -> int:
    """Return the most bytes that the process has ever had resident; 0 where no system tells."""
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        return most
    return most * 1024  # getrusage(2): kilobytes


def trim_memory() -> None:
    """Give back to the system what the C library keeps of freed memory, where it is glibc.

    Of tensors below 32 MiB it keeps nearly all, so that each stage of a conversion would add to the
    process what the stages before have freed.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def require_bytes(needed: float, what: str) -> None:
    """Raise InputError where what is asked for needs more bytes than are free, or than may be."""
    limit, free = _LIMIT.get(), free_memory()
    if needed > min(limit, free):
        there = f"{free / 1e9:,.1f} GB are free"
        if limit < free:
            there = f"the limit is {limit / 1e9:,.3g} GB"
        raise InputError(
            f"{what} asks for more memory than there is",
            [
                ("needs", f"{needed / 1e9:,.1f} GB, and {there}"),
                ("next", "mend its sizes, or use a machine with more memory"),
            ],
        )


def require_room(make: Callable[[], nn.Module], what: str) -> None:
    """Raise InputError where the parameters of the module that `make` gives do not fit.

    It is made without memory, on the device "meta". Where making it fails, what it had made until
    then has to fit: it is made in earnest next, and says itself what is wrong.
    """
    import torch
    from torch.nn.modules.module import register_module_parameter_registration_hook

    made: dict[int, torch.Tensor | None] = {}
    handle = register_module_parameter_registration_hook(
        lambda _module, _name, tensor: made.update({id(tensor): tensor})
    )
    try:
        with torch.device("meta"):
            needed = count_bytes(make())
    except Exception:  # noqa: BLE001 - see above
        needed = sum(t.numel() * t.element_size() for t in made.values() if t is not None)
    finally:
        handle.remove()
    require_bytes(needed, what)


def count_bytes(module: nn.Module) -> int:
    """Return the bytes of a module's parameters and buffers."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
