"""Progress: a function that is told each stage as it begins."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]


STAGES = ("capture", "import", "layout", "lower", "build", "verify")


def silent(stage: str) -> None:
    """Tell nobody."""
