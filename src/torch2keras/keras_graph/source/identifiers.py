"""Python identifiers made of names that are not ours, so that none of these becomes code."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Container, Iterator
from itertools import count

MODULES = ("keras", "layers", "ops", "np")
FUNCTIONS = ("build", "nest", "partial")
VALUES = ("inputs", "outputs", "model", "name", "row", "rows", *"ijkmn")
"""Names that stand in the generated code for something already, the last for a loop's number."""

RESERVED = frozenset(
    [*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *MODULES, *FUNCTIONS, *VALUES]
)
"""Names that the generated code may not give to a value, an argument or a function."""


def identifier(text: str) -> str:
    """Return a Python identifier made of a text: lower case, no number at its end."""
    name = re.sub(r"[\W_]+", "_", text, flags=re.ASCII).strip("_").lower()
    name = re.sub(r"[_\d]+$", "", name)
    if not name or not name[0].isalpha() or name in RESERVED:
        name = f"{name}_value".lstrip("_")
    return name if name[0].isalpha() else f"v_{name}"


def snake_case(name: str) -> str:
    """Return a class's name as a function's: `basic_block` for BasicBlock."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return identifier(re.sub(r"_?(\d)_D\b", r"_\1d", words))


def yield_letters() -> Iterator[str]:
    """Yield a, b, ..., z, aa, ab, ... without end."""
    for number in count(1):
        text = ""
        rest = number
        while rest:
            rest, letter = divmod(rest - 1, 26)
            text = chr(ord("a") + letter) + text
        yield text


def yield_names(base: str) -> Iterator[str]:
    """Yield a name, and then the name with letters behind it, without end."""
    yield base
    for letters in yield_letters():
        yield f"{base}_{letters}"


def find_free_name(base: str, taken: Container[str]) -> str:
    """Return a name, with letters behind it where it is taken."""
    return next(name for name in yield_names(base) if name not in taken)
