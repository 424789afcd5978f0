"""The report: what became of each module, and how close the numbers are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch2keras.converted import Converted
    from torch2keras.ports import Port
    from torch2keras.verify import Verification


@dataclass(frozen=True)
class Report:
    """Facts of one conversion."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    verification: Verification | None
    notes: tuple[str, ...]


def make_report(converted: Converted) -> Report:
    """The report of a conversion."""
    c = converted.conversion
    return Report(c.lowered.graph.name, converted.inputs, converted.outputs, converted.verification, c.captured.notes)
