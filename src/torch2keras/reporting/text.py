"""The lines of a page of plain text, 80 columns wide: no terminal is narrower."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from torch2keras.conversion.ports import Port
from torch2keras.keras_graph.layer_names import sanitize
from torch2keras.layout.port_orders import dimension_letters
from torch2keras.reporting.facts import (
    TIERS,
    KerasCall,
    ModuleRow,
    Parameters,
    RandomInput,
    State,
    Transpose,
    Verified,
)
from torch2keras.reporting.folding import fold_rows

WIDTH = 80


LABEL = 12


ITSELF = "(itself)"
"""What stands for the path of the converted module."""


GAP = 2
"""Blanks before a line, and between columns."""


KERAS_COLUMN, KERAS_LEAST = 2, 30
"""Which column of a table is Keras's, and how wide it is at least where it needs to be."""


def format_count(count: int, what: str) -> str:
    """Return `3 ops` or `1 op`."""
    if count == 1:
        return f"1 {what}"
    return f"{count:,} {what}s"


def label_lines(label: str, text: str) -> list[str]:
    """Return a label with its text, wrapped in a column behind it."""
    width = WIDTH - LABEL - GAP
    lines: list[str] = []
    for part in text.splitlines():
        lines += textwrap.wrap(part, width, break_on_hyphens=False)
    first, *rest = lines or [""]
    indent = " " * (GAP + LABEL)
    return [f"{' ' * GAP}{label:<{LABEL}}{first}", *(indent + line for line in rest)]


def port_lines(label: str, ports: Sequence[Port]) -> list[str]:
    """Return a line for each port, the label before the first.

    Each has the shapes on both sides: `x  float32  PyTorch (n, c=3, l=21), Keras (n, l=21, c=3)`.
    """
    width = max((len(port.name) for port in ports), default=0)
    texts = [f"{port.name:<{width}}  {port.dtype}  {_shapes_text(port)}" for port in ports]
    return _label_first(label, texts)


def _label_first(label: str, texts: Iterable[str]) -> list[str]:
    """Return the lines of several texts, of which the first has the label."""
    lines = []
    for text in texts:
        lines += label_lines(label, text)
        label = ""
    return lines


def draw_lines(draws: Sequence[RandomInput]) -> list[str]:
    """Return a line for each: `noise: standard normal, for randn_like at net.py:41`."""
    texts = []
    for draw in draws:
        place = f" at {draw.source}" if draw.source else ""
        texts.append(f"{draw.input}: {draw.distribution}, for {draw.op}{place}")
    return _label_first("random", texts)


def state_lines(states: Sequence[State]) -> list[str]:
    """Return a line for each: `h <- new_h, at first zeros (1, 2, 3); the module's encoder.h`."""
    texts = []
    width = max((len(state.input) for state in states), default=0)
    for state in states:
        ports = f"{state.input:<{width}} <- {state.output}"
        first = _array_text(state.initial)
        texts.append(f"{ports}, at first {first}; the module's {state.attribute}")
    return _label_first("states", texts)


def _array_text(array: np.ndarray) -> str:
    """Return `0`, `zeros (1, 2, 3)` or `float32 (1, 2, 3)`."""
    if not array.ndim:
        return str(array)
    if not array.any():
        return f"zeros {array.shape}"
    return f"{array.dtype} {array.shape}"


def _shapes_text(port: Port) -> str:
    torch_names, keras_names = dimension_letters(len(port.torch_shape)), port.order.split()
    torch_shape = _shape_text(port.torch_shape, torch_names)
    if torch_names == keras_names:
        return f"{torch_shape} on both sides"
    return f"PyTorch {torch_shape}, Keras {_shape_text(port.keras_shape, keras_names)}"


def _shape_text(shape: Sequence[int | None], names: Sequence[str]) -> str:
    """Return `(n, c=3)`: a dynamic size is its letter alone."""
    sizes = []
    for size, name in zip(shape, names, strict=True):
        sizes.append(name if size is None else f"{name}={size}")
    return f"({', '.join(sizes)})"


def table_lines(rows: Sequence[Sequence[str]], width: int = WIDTH) -> Iterator[str]:
    """Yield the lines of a table whose first row is its head, cells wrapped.

    The third column is Keras's: it has what the others leave, and never less than `KERAS_LEAST`.
    """
    widths = _fit_columns([max(map(len, column)) for column in zip(*rows, strict=True)], width)
    for row in rows:
        columns = []
        for cell, column_width in zip(row, widths, strict=True):
            columns.append(_wrap_cell(cell, column_width))
        for parts in itertools.zip_longest(*columns, fillvalue=""):
            yield _row_line(parts, widths)


def _fit_columns(needed: Sequence[int], width: int) -> list[int]:
    """Return the widths of columns; where they need more than there is, the widest give way."""
    keras = min(needed[KERAS_COLUMN], KERAS_LEAST)
    left = width - GAP * len(needed)
    widths = list(needed)
    widths[KERAS_COLUMN] = keras
    while sum(widths) > left:
        others = [0 if i == KERAS_COLUMN else size for i, size in enumerate(widths)]
        widths[others.index(max(others))] -= 1
    widths[KERAS_COLUMN] = min(needed[KERAS_COLUMN], left - sum(widths) + keras)
    return widths


def _wrap_cell(cell: str, width: int) -> list[str]:
    """Return the lines of a cell; a path that is too long breaks behind a dot where it can."""
    lines = []
    for line in textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False):
        rest = line
        while len(rest) > width:
            cut = rest.rfind(".", 1, width) + 1 or width
            lines.append(rest[:cut])
            rest = rest[cut:]
        lines.append(rest)
    return lines or [""]


def _row_line(parts: Sequence[str], widths: Sequence[int]) -> str:
    gap = " " * GAP
    padded = [f"{part:<{width}}" for part, width in zip(parts, widths, strict=True)]
    return (gap + gap.join(padded)).rstrip()


def shorten_path(source: str) -> str:
    """Return a file without its folders; `__init__.py`, which says nothing, with the last one."""
    path = Path(source)
    names = 2 if path.name.startswith("__init__.py") else 1
    return "/".join(path.parts[-names:])


def module_lines(rows: Sequence[ModuleRow]) -> Iterator[str]:
    """Yield the lines of the table of all modules, with the user's lines."""
    cells = [
        (row.path or ITSELF, row.cls, keras_text(row), shorten_path(row.source)) for row in rows
    ]
    return table_lines([("module", "class", "Keras", "source"), *cells])


def block_lines(rows: Sequence[ModuleRow]) -> Iterator[str]:
    """Yield the lines of the table of modules, those that are alike as one, without sources."""
    folded = fold_rows(rows)
    cells = []
    for found in folded:
        path = found.row.path or ITSELF
        if found.within > 1:
            path = f"{path} ({found.within} modules)"
        text = _join_kinds(found.row) if found.times > 1 else keras_text(found.row)
        cells.append((path, found.row.cls, text))
    yield from table_lines([("module", "class", "Keras"), *cells])
    if len(folded) < len(rows):
        yield f"{' ' * GAP}({len(rows)} modules, folded; all of them: report.full_text(), --full)"


def keras_text(row: ModuleRow) -> str:
    """Return what stands for a module: `ZeroPadding1D + Conv1D`.

    Equal neighbours are counted, and a layer that is not called as its module is named.
    """
    return _join_kinds(row, named=True)


def _join_kinds(row: ModuleRow, *, named: bool = False) -> str:
    """Return the calls of a row, joined; of many modules that are one, without names."""
    if not row.keras:
        return "- (only renames axes)"
    texts = [_call_text(call, row.path) if named else call.kind for call in row.keras]
    parts = []
    for text, run in itertools.groupby(texts):
        count = len(list(run))
        parts.append(text if count == 1 else f"{count} {text}")
    return " + ".join(parts)


def _call_text(call: KerasCall, path: str) -> str:
    is_called_as_module = not path or call.name.startswith(sanitize(path))
    if not call.name or is_called_as_module:
        return call.kind
    return f"{call.kind} {call.name!r}"


def parameters_text(parameters: Parameters) -> str:
    """Return the scalars on both sides, in a line."""
    torch_side = f"PyTorch {parameters.torch_trainable:,} trainable"
    if parameters.torch_frozen:
        torch_side += f", {parameters.torch_frozen:,} frozen"
    if parameters.torch_buffers:
        torch_side += f", {parameters.torch_buffers:,} in buffers"
    keras_side = f"Keras {parameters.keras_trainable:,} trainable, {parameters.keras_frozen:,} not"
    return f"{torch_side}; {keras_side}"


def transposes_text(transposes: Sequence[Transpose]) -> str:
    """Return how many are left, and a line for each."""
    if not transposes:
        return "none"
    lines = [str(len(transposes))]
    for t in transposes:
        orders = f"stored as {t.written!r} and needed as {t.read!r}"
        lines.append(f"{t.value} {t.type} is {orders} by {', '.join(t.readers)}")
    return "\n".join(lines)


def verification_text(verified: Verified | None) -> str:
    """Return what was compared, and how close it came."""
    if verified is None:
        return "not verified with these weights; converted.verify() does it"
    lines = []
    for tier in verified.tiers:
        error = f"worst error {tier.max_abs:.1e}, {100 * tier.share:.2g} % of what is allowed"
        lines.append(f"{TIERS[tier.tier]}: {error} ({tier.probe}, {tier.output})")
    inputs = []
    for probe, shapes in verified.probes:
        inputs.append(f"{probe} {', '.join(map(str, shapes))}")
    return "\n".join([*lines, f"inputs: {'; '.join(inputs)}"])
