"""The functions of the generated code, each beside the PyTorch class that it was made of."""

from __future__ import annotations

import ast
from dataclasses import dataclass


@dataclass(frozen=True)
class CodePair:
    """One function, and the listing of the class; both may be shown line by line."""

    name: str
    cls: str
    """The class as it is imported; empty where it is not known."""
    torch_lines: tuple[str, ...]
    keras_lines: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """What a link to it names."""
        return f"code-{self.name}"


def split_code(code: str) -> list[CodePair]:
    """Return the functions of code that was written with the classes beside, in their order.

    Comments right above a function are the listing of its class: a line of its name and file, then
    the lines of its methods.
    """
    lines = code.splitlines()
    pairs = []
    for node in ast.parse(code).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        start = node.lineno - 1
        above = start
        while above and lines[above - 1].startswith("#"):
            above -= 1
        listing = [line[1:].removeprefix(" ") for line in lines[above:start]]
        cls = listing[0].partition(",")[0].rstrip(":") if listing else ""
        own = tuple(lines[start : node.end_lineno])
        pairs.append(CodePair(node.name, cls, tuple(listing[1:]), own))
    return pairs
