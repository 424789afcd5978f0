"""Labels: the names that the dimensions of an op's operands and results have within that op."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

DIGITS = "0123456789"


class LabelKind(IntEnum):
    """Where a label comes from. An int, because labels are keys of every table of the layout."""

    FREE = 0
    """A dimension of `...`, or one that a view or permutation leaves whole."""
    NAMED = 1
    """A name of the pattern; those of `*s` are numbered."""
    ARGUMENT = 2
    """A dimension that an argument of the op names, by its position."""
    UNIT = 3
    """A dimension of size one: a `1` of the pattern, by its term, or one that a view has."""
    BLOCK = 4
    """Dimensions of a view whose factors do not nest; they are stored in order."""


class Slot(NamedTuple):
    """A place in the terms of an op: dimensions with equal slots stand in the same place."""

    kind: LabelKind
    name: str = ""
    number: int = -1
    """Tells slots of one kind and name apart; -1 for a name without a number."""

    @classmethod
    def of_name(cls, text: str) -> Slot:
        """Return the slot of a name of the pattern; `s0` is number 0 of those called `s`."""
        name = text.rstrip(DIGITS)
        digits = text[len(name) :]
        return cls(LabelKind.NAMED, name, int(digits) if digits else -1)

    @classmethod
    def of_argument(cls, dim: int) -> Slot:
        """Return the slot of a dimension that an argument names."""
        return cls(LabelKind.ARGUMENT, number=dim)

    @property
    def text(self) -> str:
        """The name as the pattern has it."""
        return f"{self.name}{self.number}" if self.number >= 0 else self.name


class Label(NamedTuple):
    """The name of a dimension within one op. Equal labels are one axis."""

    slot: Slot
    term: int = -1
    """The term that owns a label of which the order matters; -1 where the label is shared."""

    @classmethod
    def free(cls, position: int) -> Label:
        """Return the label of a dimension of `...`."""
        return cls(Slot(LabelKind.FREE, number=position))

    @classmethod
    def unit(cls, term: int) -> Label:
        """Return the label of a `1` of the pattern, of which each term has its own."""
        return cls(Slot(LabelKind.UNIT, number=term))

    @classmethod
    def view_unit(cls, group: int, term: int) -> Label:
        """Return the label of a dimension of size one that a view has on one side alone."""
        return cls(Slot(LabelKind.UNIT, number=group), term)

    @classmethod
    def block(cls, group: int, term: int) -> Label:
        """Return the label of what a view cuts into factors that do not nest."""
        return cls(Slot(LabelKind.BLOCK, number=group), term)

    @property
    def is_ordered(self) -> bool:
        """Whether the order inside the dimension matters, so that no other term shares its axes."""
        return self.term >= 0

    @property
    def is_free(self) -> bool:
        """Whether it is a dimension of `...`, the axes of which need not lie side by side."""
        return self.slot.kind is LabelKind.FREE


class AxisLabel(NamedTuple):
    """One axis within an op: its dimension's label, and which of that dimension's factors it is."""

    label: Label
    factor: int


Dim = tuple[Label, ...]
"""The labels of one dimension: one, or several for a group."""
