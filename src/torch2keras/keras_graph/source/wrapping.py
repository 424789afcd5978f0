"""Statements at 100 columns, as ruff formats them.

A statement that is too long is broken at its brackets, from left to right: one stays on its line
where all up to the next place for a break fits. What a call holds comes on one line of its own, or
one argument a line; what a list or a tuple holds, one item a line. Only long lists of numbers are
kept together, and the statement is then kept from the formatter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 100
"""Columns of the code."""

MANY_NUMBERS = 8
"""Numbers from which on a list of them is not written one a line."""

KEEP = "  # fmt: skip"

CLOSING = {"(": ")", "[": "]"}

NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?|True|False")


@dataclass(frozen=True)
class Bracket:
    """What stands in brackets, and what stands before them."""

    lead: str
    text: str
    """With the brackets."""
    items: tuple[str, ...]
    is_attached: bool
    """Whether they are those of a call or an index, and not of a tuple or a list."""

    @property
    def opening(self) -> str:
        """The first bracket."""
        return self.text[0]

    @property
    def reach(self) -> str:
        """What has to stand on the line of what is before it, up to the next break."""
        return self.lead + (self.opening if self.items else self.text)


def split_brackets(text: str) -> tuple[list[Bracket], str]:
    """Return the outermost brackets of a text, and what stands behind the last."""
    brackets: list[Bracket] = []
    depth = start = comma = end = 0
    items: list[str] = []
    for place, sign in enumerate(_blank_texts(text)):
        if sign in CLOSING:
            depth += 1
            if depth == 1:
                start, comma, items = place, place + 1, []
        elif sign == "," and depth == 1:
            items.append(text[comma:place].strip())
            comma = place + 1
        elif sign in CLOSING.values():
            depth -= 1
            if depth == 0:
                last = text[comma:place].strip()
                items += [last] * bool(last)
                lead, inside = text[end:start], text[start : place + 1]
                is_attached = bool(re.search(r"\w$", lead)) or (lead == "" and end > 0)
                brackets.append(Bracket(lead, inside, tuple(items), is_attached))
                end = place + 1
    return brackets, text[end:]


def _blank_texts(code: str) -> str:
    """Return code with blanks for what stands in quotes, which are double and not in each other."""
    return re.sub(r'"[^"]*"', lambda found: " " * len(found[0]), code)


class _Wrapper:
    """Breaks one statement, and holds whether it is to be kept from the formatter."""

    def __init__(self) -> None:
        self.is_kept = False

    def wrap(self, indent: int, text: str) -> list[str]:
        """Return the lines of a text."""
        space = " " * indent
        if len(space + text) <= WIDTH:
            return [space + text]
        brackets, tail = split_brackets(text)
        lines = []
        line = space
        for place, bracket in enumerate(brackets):
            line += bracket.lead
            reach = _reach_of(brackets[place + 1 :], tail)
            fits = len(line + bracket.text + reach) <= WIDTH
            if fits or not bracket.items:
                line += bracket.text
            else:
                lines.append(line + bracket.opening)
                lines += self._wrap_items(indent + 4, bracket)
                line = space + CLOSING[bracket.opening]
        return [*lines, line + tail]

    def _wrap_items(self, indent: int, bracket: Bracket) -> list[str]:
        space = " " * indent
        together = space + ", ".join(bracket.items)
        if bracket.is_attached and len(together) <= WIDTH:
            return [together]
        if len(bracket.items) > MANY_NUMBERS and all(map(NUMBER.fullmatch, bracket.items)):
            self.is_kept = True
            return fill_lines(space, bracket.items, ",")
        lines = []
        for item in bracket.items:
            lines += self.wrap(indent, f"{item},")
        return lines


def _reach_of(brackets: Sequence[Bracket], tail: str) -> str:
    """Return what stands before the next place for a break."""
    text = ""
    for bracket in brackets:
        text += bracket.reach
        if bracket.items:
            return text
    return text + tail


def fill_lines(start: str, items: Sequence[str], end: str = "") -> list[str]:
    """Return items with commas between them on as few lines as possible, each with `start`."""
    lines = []
    line = start
    for item in items:
        if line != start and len(f"{line}, {item},") > WIDTH:
            lines.append(f"{line},")
            line = start
        line += item if line == start else f", {item}"
    return [*lines, line + end]


def wrap_statement(indent: int, text: str) -> list[str]:
    """Return the lines of a statement."""
    wrapper = _Wrapper()
    lines = wrapper.wrap(indent, text)
    return [*lines[:-1], lines[-1] + KEEP * wrapper.is_kept]


def wrap_table(indent: int, name: str, rows: Sequence[str]) -> list[str]:
    """Return the lines of the list of this name, each item on a line of its own."""
    wrapper = _Wrapper()
    lines = [f"{' ' * indent}{name} = ["]
    for row in rows:
        lines += wrapper.wrap(indent + 4, f"{row},")
    return [*lines, f"{' ' * indent}]{KEEP * wrapper.is_kept}"]


def wrap_values(indent: int, head: str, values: Sequence[str]) -> list[str]:
    """Return the lines of `head` and what stands behind it: one value, or several as a tuple."""
    line = f"{' ' * indent}{head} {', '.join(values)}"
    if len(line) <= WIDTH:
        return [line]
    space = " " * indent
    return [f"{space}{head} (", *(f"{space}    {value}," for value in values), f"{space})"]


def wrap_call(indent: int, head: str, arguments: Sequence[str], tail: str) -> list[str]:
    """Return the lines of a call: `head`, its arguments, and from the closing bracket on `tail`."""
    return wrap_statement(indent, f"{head}({', '.join(arguments)}{tail}")


def add_comment(lines: Sequence[str], comment: str) -> list[str]:
    """Return lines with a comment at the end of the last, if there is one and it fits there."""
    last = f"{lines[-1]}  # {comment}"
    if not comment or len(last) > WIDTH or lines[-1].endswith(KEEP):
        return list(lines)
    return [*lines[:-1], last]
