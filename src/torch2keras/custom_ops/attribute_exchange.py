"""Another value of an attribute, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def exchange_attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Let a class or a module of Python have another value by this name, within."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
