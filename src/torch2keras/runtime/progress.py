"""Progress: a function that is told each stage of a conversion as it begins."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

Progress = Callable[[str], None]


class Stage(StrEnum):
    """The stages of a conversion, in their order."""

    CAPTURE = "capture"
    IMPORT = "import"
    LAYOUT = "layout"
    LOWER = "lower"
    BUILD = "build"
    VERIFY = "verify"


def ignore_stage(stage: str) -> None:
    """Do nothing when a stage begins: the `Progress` of a caller that gives none."""
