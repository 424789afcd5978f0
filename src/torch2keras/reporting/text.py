"""A report as a page of plain text, 100 columns wide."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch2keras.conversion.ports import Port
from torch2keras.layout.port_orders import dimension_letters
from torch2keras.reporting.facts import TIERS, KerasCall, ModuleRow, Parameters, Transpose, Verified

WIDTH = 100


LABEL = 12


WIDEST = {"module": 32, "class": 22, "source": 30}
"""Columns grow to these; the rest of the line is Keras's."""


def number(count: int, what: str) -> str:
    """`3 ops`, `1 op`."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def ports_text(label: str, ports: Sequence[Port]) -> list[str]:
    """Each port's shapes on both sides: `x  float32  PyTorch (n, 3, 21)  Keras (n, 21, 3) = n l c`."""
    lines = []
    width = max((len(p.name) for p in ports), default=0)
    for port in ports:
        usual = dimension_letters(len(port.torch_shape))
        torch = _shape(port.torch_shape, usual)
        keras = _shape(port.keras_shape, port.order.split())
        same = port.order.split() == usual
        both = f"{torch} on both sides" if same else f"PyTorch {torch}, Keras {keras}"
        lines += labelled(label, f"{port.name:<{width}}  {port.dtype}  {both}")
        label = ""
    return lines


def _shape(shape: Sequence[int | None], names: Sequence[str]) -> str:
    """Dynamic sizes by their letter."""
    return (
        "("
        + ", ".join(
            name if size is None else f"{name}={size}"
            for size, name in zip(shape, names, strict=True)
        )
        + ")"
    )


def module_lines(rows: Sequence[ModuleRow]) -> Iterator[str]:
    """The lines of the table of modules."""
    cells = [(row.path or "(itself)", row.cls, keras_text(row), place(row.source)) for row in rows]
    return table([("module", "class", "Keras", "source"), *cells])


def table(rows: Sequence[tuple[str, str, str, str]]) -> Iterator[str]:
    """The lines of a table whose first row is its head; its third column takes what the others leave."""
    first, second, _, last = (
        max(len(cell) for cell in column) for column in zip(*rows, strict=True)
    )
    widths = [
        min(first, WIDEST["module"]),
        min(second, WIDEST["class"]),
        0,
        min(last, WIDEST["source"]),
    ]
    widths[2] = WIDTH - 2 - sum(widths) - 3 * 2
    for row in rows:
        cells = [
            textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)
        ]
        for line in itertools.zip_longest(*cells, fillvalue=""):
            yield (
                "  "
                + "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
            ).rstrip()


def place(source: str) -> str:
    """A file of the current folder from there, any other by its last two names."""
    path = Path(source)
    return (
        str(path.relative_to(Path.cwd()))
        if path.is_relative_to(Path.cwd())
        else "/".join(path.parts[-2:])
    )


def keras_text(row: ModuleRow) -> str:
    """`ZeroPadding1D + Conv1D`; equal neighbours are counted, and a layer that is not called as its module is named."""
    if not row.keras:
        return "- (only renames axes)"
    runs = [
        (text, len(list(run)))
        for text, run in itertools.groupby(_call_text(c, row.path) for c in row.keras)
    ]
    return " + ".join(text if count == 1 else f"{count} {text}" for text, count in runs)


def _call_text(call: KerasCall, path: str) -> str:
    return (
        call.kind
        if not call.name or call.name.startswith(path or call.name)
        else f"{call.kind} {call.name!r}"
    )


def counts_text(parameters: Parameters) -> str:
    """The scalars on both sides, in a line."""
    p = parameters
    frozen = f", {p.torch_frozen:,} frozen" if p.torch_frozen else ""
    buffers = f", {p.torch_buffers:,} in buffers" if p.torch_buffers else ""
    torch = f"PyTorch {p.torch_trainable:,} trainable{frozen}{buffers}"
    return f"{torch}; Keras {p.keras_trainable:,} trainable, {p.keras_frozen:,} not"


def transposes_text(transposes: Sequence[Transpose]) -> str:
    """How many are left, and a line for each."""
    if not transposes:
        return "none"
    lines = [
        f"{t.value} {t.type} is stored as {t.written!r} and needed as {t.read!r} by {', '.join(t.readers)}"
        for t in transposes
    ]
    return "\n".join([str(len(lines)), *lines])


def number_lines(verified: Verified | None) -> str:
    """The lines on what was compared and how close it came."""
    if verified is None:
        return "not verified (verify=False)"
    tiers = [
        f"{TIERS[t.tier]}: worst error {t.max_abs:.1e}, {_percent(t.share)} of what is allowed ({t.probe}, {t.output})"
        for t in verified.tiers
    ]
    sets = [
        f"{probe} {', '.join(str(shape) for shape in shapes)}" for probe, shapes in verified.probes
    ]
    return "\n".join([*tiers, f"inputs: {'; '.join(sets)}"])


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def labelled(label: str, text: str) -> list[str]:
    """A label and its text, wrapped behind it."""
    indent = " " * (LABEL + 2)
    width = WIDTH - LABEL - 2
    lines = [
        line
        for part in text.splitlines()
        for line in textwrap.wrap(part, width, break_on_hyphens=False)
    ] or [""]
    return [f"  {label:<{LABEL}}{lines[0]}", *(indent + line for line in lines[1:])]
