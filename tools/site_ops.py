"""The supported ops as pages, each op under every name that PyTorch has for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from torch2keras.declarations.registry import registry
from torch2keras.reporting.op_table import BY_ARGUMENTS, SupportedOp, find_ops

PLACES = {
    "F": torch.nn.functional,
    "torch": torch,
    "torch.Tensor": torch.Tensor,
    "torch.linalg": torch.linalg,
    "torch.fft": torch.fft,
    "torch.special": torch.special,
}
"""Where a user finds functions of the same names as ops."""

PREFIXES = re.compile(r"^_?(linalg_|special_|fft_)?")
"""What an op's name begins with and the function's does not."""

INDEX = """\
---
search: {{exclude: true}}
---
# Ops

{overloads} overloads of {ops} ops have a lowering; PyTorch's own table decomposes many others into
these. Search by the name that you know: `nn.Conv1d`, `F.conv1d`, `aten.conv1d`. The same on the
command line: `torch2keras ops conv1d`; what a model of yours needs: `torch2keras inspect`. One that
is missing: [add an op](../add-an-op.md).

| op | in PyTorch | in Keras |
|---|---|---|"""
"""The head of the table of all ops."""

FAMILY = """\
---
search: {{boost: 4}}
---
# Ops: {}

One family of [all ops](index.md). A pattern of `axes` says which axes of the operands and of the
result are the same, `kernel` in which order Keras has them ([add an op](../add-an-op.md))."""

STRUCTURE = "structure"
"""The family of the ops that only rename axes."""


@dataclass
class OpEntry:
    """An op with all its overloads."""

    name: str
    """Without the overload: aten.conv1d."""
    family: str
    rows: list[SupportedOp] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        """Without the namespace: conv1d."""
        return self.name.partition(".")[2]

    @property
    def anchor(self) -> str:
        """What a link to its section names."""
        return self.name.replace(".", "-").replace("__", "")


def list_entries(layers: Mapping[str, Sequence[str]]) -> list[OpEntry]:
    """Return all supported ops; `layers` has the classes of torch.nn that an op comes from."""
    families = {str(op): _name_family(lowering) for op, lowering in registry.lowerings.items()}
    entries: dict[str, OpEntry] = {}
    for row in find_ops():
        name = row.op.rpartition(".")[0]
        entry = entries.setdefault(name, OpEntry(name, families.get(row.op, STRUCTURE)))
        entry.rows.append(row)
        entry.layers = list(dict.fromkeys([*entry.layers, *layers.get(row.op, ())]))
    return list(entries.values())


def _name_family(lowering: object) -> str:
    """Return the file that an op is converted in."""
    module: str = getattr(lowering, "convert").__module__  # noqa: B009
    return module.rpartition(".")[2]


def list_python_names(name: str) -> Iterator[str]:
    """Yield the functions of PyTorch that are called as an op: F.conv1d for aten.conv1d."""
    namespace, _, base = name.partition(".")
    if namespace != "aten":
        return
    short = PREFIXES.sub("", base)
    for place, module in PLACES.items():
        if callable(getattr(module, short, None)):
            yield f"{place}.{short}"


def write_index(entries: Sequence[OpEntry]) -> str:
    """Return the table of all ops."""
    count = sum(len(entry.rows) for entry in entries)
    lines = [INDEX.format(overloads=count, ops=len(entries))]
    for entry in entries:
        names = ", ".join(map("`{}`".format, _list_names(entry)))
        link = f"[{entry.name}]({entry.family}.md#{entry.anchor})"
        lines.append(f"| {link} | {names} | {escape(entry.rows[0].keras)} |")
    return "\n".join(lines) + "\n"


def write_families(entries: Sequence[OpEntry]) -> dict[str, str]:
    """Return a page for each family, with a section for each op."""
    sections: dict[str, list[str]] = {}
    for entry in entries:
        page = sections.setdefault(entry.family, [FAMILY.format(entry.family.replace("_", " "))])
        page.append(write_section(entry))
    return {family: "\n\n".join(parts) + "\n" for family, parts in sections.items()}


def write_section(entry: OpEntry) -> str:
    """Return what is known of one op."""
    layers = [f"[nn.{name}](../layers/nn.{name}.md)" for name in entry.layers]
    functions = list(map("`{}`".format, list_python_names(entry.name)))
    lines = [f"## {entry.name} {{ #{entry.anchor} }}"]
    if layers or functions:
        lines.append(f"`{entry.base}` in PyTorch: {', '.join([*layers, *functions])}")
    for row in entry.rows:
        facts = {"axes": row.axes, "kernel": row.keras_order, "note": row.note}
        told = [escape(row.keras)]
        for label, text in facts.items():
            if text not in {"", BY_ARGUMENTS}:
                told.append(f"{label} `{text}`")
        lines.append(f"`{row.op}`: {'; '.join(told)}")
    return "\n\n".join(lines)


def _list_names(entry: OpEntry) -> list[str]:
    return [*(f"nn.{name}" for name in entry.layers), *list_python_names(entry.name)]


def escape(text: str) -> str:
    """Return a text without what Markdown would act on."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
