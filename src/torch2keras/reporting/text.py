"""The lines of a page of plain text, 100 columns wide."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from torch2keras.conversion.ports import Port
from torch2keras.layout.port_orders import dimension_letters
from torch2keras.reporting.facts import (
    TIERS,
    KerasCall,
    ModuleRow,
    Parameters,
    State,
    Transpose,
    Verified,
)

WIDTH = 100


LABEL = 12


GAP = 2
"""Blanks before a line, and between columns."""


MODULE_WIDTH, CLASS_WIDTH, SOURCE_WIDTH = 32, 22, 30
"""Columns of a table grow to these; the rest of the line is Keras's."""


Row = tuple[str, str, str, str]
"""The cells of a table's line: module, class or op, Keras, source."""


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
    lines = []
    width = max((len(port.name) for port in ports), default=0)
    for port in ports:
        lines += label_lines(label, f"{port.name:<{width}}  {port.dtype}  {_shapes_text(port)}")
        label = ""
    return lines


def state_lines(states: Sequence[State]) -> list[str]:
    """Return a line for each: `h <- new_h, at first zeros (1, 2, 3); the module's encoder.h`."""
    lines = []
    label = "states"
    width = max((len(state.input) for state in states), default=0)
    for state in states:
        ports = f"{state.input:<{width}} <- {state.output}"
        first = _array_text(state.initial)
        lines += label_lines(label, f"{ports}, at first {first}; the module's {state.attribute}")
        label = ""
    return lines


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


def table_lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a table whose first row is its head.

    The third column takes what the others leave.
    """
    first, second, _, last = (max(map(len, column)) for column in zip(*rows, strict=True))
    module_width = min(first, MODULE_WIDTH)
    class_width = min(second, CLASS_WIDTH)
    source_width = min(last, SOURCE_WIDTH)
    keras_width = WIDTH - module_width - class_width - source_width - 4 * GAP
    widths = (module_width, class_width, keras_width, source_width)
    for row in rows:
        columns = []
        for cell, width in zip(row, widths, strict=True):
            columns.append(textwrap.wrap(cell, width) or [""])
        for parts in itertools.zip_longest(*columns, fillvalue=""):
            yield _row_line(parts, widths)


def _row_line(parts: Sequence[str], widths: Sequence[int]) -> str:
    gap = " " * GAP
    padded = [f"{part:<{width}}" for part, width in zip(parts, widths, strict=True)]
    return (gap + gap.join(padded)).rstrip()


def shorten_path(source: str) -> str:
    """Return a file of the current folder from there, any other by its last two names."""
    path = Path(source)
    if path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return "/".join(path.parts[-2:])


def module_lines(rows: Sequence[ModuleRow]) -> Iterator[str]:
    """Yield the lines of the table of modules."""
    cells = [
        (row.path or "(itself)", row.cls, keras_text(row), shorten_path(row.source)) for row in rows
    ]
    return table_lines([("module", "class", "Keras", "source"), *cells])


def keras_text(row: ModuleRow) -> str:
    """Return what stands for a module: `ZeroPadding1D + Conv1D`.

    Equal neighbours are counted, and a layer that is not called as its module is named.
    """
    if not row.keras:
        return "- (only renames axes)"
    parts = []
    for text, run in itertools.groupby(_call_text(call, row.path) for call in row.keras):
        count = len(list(run))
        parts.append(text if count == 1 else f"{count} {text}")
    return " + ".join(parts)


def _call_text(call: KerasCall, path: str) -> str:
    is_called_as_module = not path or call.name.startswith(path)
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
