"""One call of this package at a time, whose patches hold for its own thread alone.

PyTorch and Keras are led by settings of the whole process (the default dtype, random state, grad
mode of functions that are patched), so two conversions at once would put back each other's. The
public functions therefore wait for one another, and what is patched meanwhile stays as it was for
all other threads.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar
from unittest.mock import patch

P = ParamSpec("P")
R = TypeVar("R")


class _Turn:
    """The lock; the child of a fork has one of its own, since no thread of it holds the old one."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def renew(self) -> None:
        self.lock = threading.RLock()


_TURN = _Turn()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_TURN.renew)


def run_alone(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a public function so that no other thread is in one meanwhile.

    One thread may call one from within another, as `explain` does `convert`.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with _TURN.lock:
            return function(*args, **kwargs)

    return call


@contextmanager
def patch_here(owner: Any, name: str, replacement: Callable[..., Any]) -> Iterator[None]:
    """Replace a function of a class or module for calls from this thread.

    Calls from others run what was there.
    """
    with patch.object(owner, name, only_here(replacement, getattr(owner, name))):
        yield


def only_here(replacement: Callable[..., Any], own: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is the one in this thread, and the other in all others."""
    here = threading.get_ident()

    def call(*args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() == here:
            return replacement(*args, **kwargs)
        return own(*args, **kwargs)

    return call


class SilentHere:
    """A stream that drops what this thread writes, and hands on what others write or ask for."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._here = threading.get_ident()

    def write(self, text: str) -> int:
        """Write as `stream` does; nothing for this thread."""
        if threading.get_ident() == self._here or self._stream is None:
            return len(text)
        written: int = self._stream.write(text)
        return written

    def writelines(self, lines: list[str]) -> None:
        """Write each line."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
