"""What one export has written, and how it was proved."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch2keras.deployment.formats import Format
from torch2keras.deployment.sizes import Shape
from torch2keras.errors import show_controls
from torch2keras.verification.results import Check

WIDTH = 80
"""The columns of a page: no terminal is narrower."""


@dataclass(frozen=True)
class FilePort:
    """An input or output of a file."""

    name: str
    dtype: str
    shape: Shape
    """None where any size is taken."""
    order: str
    """How the dimensions are stored: "n l c" is PyTorch's (n, c, l) with channels last."""
    scale: float | None = None
    """Of an int8 port: a number is `scale * (stored - zero_point)`."""
    zero_point: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as plain data; scale and zero point where there are any."""
        facts = dataclasses.asdict(self)
        if self.scale is None:
            del facts["scale"], facts["zero_point"]
        return facts

    def __str__(self) -> str:
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        text = f"{self.name} {self.dtype} ({sizes}) {self.order}".rstrip()
        if self.scale is None or self.zero_point is None:
            return text
        sign = "-" if self.zero_point >= 0 else "+"
        return f"{text}, {self.scale:.4g} * (stored {sign} {abs(self.zero_point)})"


@dataclass(frozen=True)
class Deployment:
    """A file for another runtime. `str(deployment)` is a paragraph, `as_dict()` plain data."""

    path: Path
    format: Format
    inputs: tuple[FilePort, ...]
    outputs: tuple[FilePort, ...]
    signatures: tuple[str, ...]
    bytes: int
    operators: Mapping[str, int]
    """How often each operator is in the file."""
    runtime: str
    """What it was run by, with its version."""
    checks: tuple[Check, ...]
    """Every output under every set of inputs, tier N."""
    notes: tuple[str, ...] = ()
    snr: Mapping[str, float] = field(default_factory=dict)
    """Of a quantised file, the signal-to-noise ratio of each output to PyTorch's, in dB.

    `checks` are then those of the float file that it was made of.
    """

    @property
    def worst(self) -> float:
        """The largest error as a share of what is allowed."""
        return max((check.difference.share_of_bound for check in self.checks), default=0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as dicts, lists, strings and numbers."""
        return {
            "path": str(self.path),
            "format": self.format.value,
            "inputs": list(map(FilePort.as_dict, self.inputs)),
            "outputs": list(map(FilePort.as_dict, self.outputs)),
            "signatures": list(self.signatures),
            "bytes": self.bytes,
            "operators": dict(self.operators),
            "runtime": self.runtime,
            "worst": self.worst,
            "compared": self._list_probes(),
            "snr": dict(self.snr),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return show_controls("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """Return the paragraph's lines, at most 80 columns wide where a word does not need more."""
        size = f"{self.format}, {format_bytes(self.bytes)}, {self._count_operators()}"
        lines = _wrap(f"{self.path}: {size}", "")
        proof = f"{self.runtime}: {self._describe_checks()}"
        parts = {"in": self.inputs, "out": self.outputs, "ran": [proof], "note": self.notes}
        for label, texts in parts.items():
            for text in texts:
                lines += _wrap(str(text), f"  {label:<5} ")
        return lines

    def _count_operators(self) -> str:
        total = sum(self.operators.values())
        transposes = self.operators.get("TRANSPOSE", 0) + self.operators.get("Transpose", 0)
        return f"{total} operators, {transposes} of them transposes"

    def _list_probes(self) -> list[str]:
        return list(dict.fromkeys(check.probe for check in self.checks))

    def _describe_checks(self) -> str:
        probes = self._list_probes()
        if self.snr:
            least = f"{min(self.snr.values()):.0f} dB to PyTorch"
            return f"{least}; the float file at most {self.worst:.2g} of the bound of tier N"
        return f"at most {self.worst:.2g} of the bound of tier N; inputs {', '.join(probes)}"


def _wrap(text: str, label: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=label,
        subsequent_indent=" " * 8,
        break_long_words=False,
        break_on_hyphens=False,
    )


def format_bytes(count: int) -> str:
    """Return a size as it is read: "1.2 MB"."""
    if count < 1_000_000:
        return f"{count / 1000:.1f} kB"
    return f"{count / 1_000_000:.1f} MB"
