"""How a matching is printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from torch2keras.errors import list_names
from torch2keras.twins.mapping import PairRow, TwinMapping

MOST_LINES = 20
"""The number of lines of a section that are printed; the mapping holds all."""


def write_section(title: str, lines: Sequence[str]) -> str:
    """Return a title and its lines below, not more than MOST_LINES; "" where there are none."""
    if not lines:
        return ""
    shown = [f"  {line}" for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(f"  and {len(lines) - MOST_LINES} more")
    return "\n".join([title, *shown])


def group_moves(moved: Iterable[str]) -> list[str]:
    """Return what was done beside copying; what was done to several weights in one line."""
    by_text: dict[str, list[str]] = {}
    for line in moved:
        name, _, text = line.partition(": ")
        by_text.setdefault(text, []).append(name)
    lines = []
    for text, names in by_text.items():
        lines.append(f"{list_names(names, most=2)}: {text}")
    return lines


def say_matching(mapping: TwinMapping) -> str:
    """Return what was matched and how, what was guessed, and what was left over."""
    counts = Counter(pair.how for pair in mapping.pairs)
    by = ", ".join(f"{count} by {how}" for how, count in counts.items())
    head = f"{len(mapping.pairs)} layers matched" + (f" ({by})" if by else "")
    parts = [
        head,
        write_section("guessed, since others look alike", list(_say_pairs(mapping.guessed))),
        write_section("left over of the module", mapping.torch_left),
        write_section("left over of the Keras model", mapping.keras_left),
    ]
    return "\n".join(part for part in parts if part)


def _say_pairs(pairs: Iterable[PairRow]) -> Iterable[str]:
    for pair in pairs:
        yield f"{pair.torch} | {pair.keras}"
