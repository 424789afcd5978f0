"""The source of a PyTorch class, as it stands above the function that was made of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ClassSource:
    """The methods of a class that its calls run."""

    name: str
    """The class as it is imported."""
    place: str
    """The file as it is shown, "torchvision/models/resnet.py"."""
    file: str
    """The file's path."""
    lines: Mapping[int, str]
    """The lines of the methods by number."""

    def comment_lines(self) -> list[str]:
        """Return the listing as comments, each line with its number."""
        head = f"# {self.name}, {self.place}:" if self.lines else f"# {self.name}"
        width = len(str(max(self.lines, default=0)))
        listing = [_comment(f"{n:{width}}  {line}") for n, line in self.lines.items()]
        return [_comment(head.removeprefix("# ")), *listing]


def number_lines(sources: Iterable[ClassSource]) -> dict[str, int]:
    """Return the number of each line that is listed, by "file:line" as a call's origin has it."""
    numbers = {}
    for source in sources:
        numbers.update({f"{source.file}:{number}": number for number in source.lines})
    return numbers


def _comment(text: str) -> str:
    """Return a line of source as a comment, without what could end it."""
    return re.sub(r"[^ -~]", "_", f"# {text}".expandtabs(4)).rstrip()
