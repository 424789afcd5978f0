"""The table of gradients and training, a line for each parameter and input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch2keras.reporting.text import GAP, LABEL
from torch2keras.verification.results import LearningCheck, Verdict

MARKS = {Verdict.EQUAL: "", Verdict.ROUNDING: " ~", Verdict.DIFFERS: " !"}

CELL = len("1.0e-16 ~")
"""The width of the widest number with its mark."""

LEGEND = {
    Verdict.ROUNDING: "~ moved by rounding alone, in PyTorch too",
    Verdict.DIFFERS: "! differs",
}


def write_learning_lines(checks: Sequence[LearningCheck]) -> Iterator[str]:
    """Yield a line for each name, with its error in each comparison, as a share of its size."""
    if not checks:
        return
    indent = " " * GAP
    yield f"{indent}{'learning':<{LABEL}}errors as shares of the largest number, in float64"
    names: dict[str, None] = {}
    found = set[Verdict]()
    for check in checks:
        names.update(dict.fromkeys(check.errors))
        found.update(check.verdicts.values())
    heads = [_split_head(check.what) for check in checks]
    first = max(map(len, names), default=0)
    widths = [max(CELL, *map(len, head)) for head in heads]
    for cells in zip(*heads, strict=True):
        yield _join("", cells, first, widths)
    for name in names:
        yield _join(name, [_describe_cell(check, name) for check in checks], first, widths)
    for verdict, meaning in LEGEND.items():
        if verdict in found:
            yield f"{indent * 2}{meaning}"


def _split_head(what: str) -> tuple[str, str]:
    """Return the two lines of a head: `gradients, eval mode` and `20 steps of SGD`."""
    before, comma, behind = what.partition(", ")
    if comma:
        return before, behind
    before, _, behind = what.partition(" of ")
    return before, f"of {behind}"


def _describe_cell(check: LearningCheck, name: str) -> str:
    if name not in check.errors:
        return "-"
    return f"{check.errors[name]:.1e}{MARKS[check.verdicts[name]]}"


def _join(name: str, cells: Sequence[str], first: int, widths: Sequence[int]) -> str:
    gap = " " * GAP
    padded = []
    for cell, width in zip(cells, widths, strict=True):
        padded.append(f"{cell:<{width}}")
    return f"{gap * 2}{name:<{first}}{gap}{gap.join(padded)}".rstrip()
