"""Layouts: the `LayoutMap` of a converted model, with what it does to each variable."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras

from torch2keras.keras_model.saving import save_text

Axes = tuple[str | None, ...]
"""For each dimension of a variable the axis of the mesh that divides it; None: it is whole."""


@dataclass(frozen=True)
class DividedVariable:
    """How a variable of the model lies on the devices."""

    path: str
    """`variable.path`, by which Keras finds its layout."""
    shape: tuple[int, ...]
    axes: Axes
    how: str
    """How it is divided, or why it is whole."""

    @property
    def is_divided(self) -> bool:
        return self.axes.count(None) < len(self.axes)


class Layouts(keras.distribution.LayoutMap):  # type: ignore[misc]
    """A `keras.distribution.LayoutMap` with the layout of each variable that is divided.

    What is not in it is whole on each device. Printed, it is a table of all variables.
    """

    def __init__(
        self, mesh: Mapping[str, int], device_mesh: object, variables: Iterable[DividedVariable]
    ) -> None:
        super().__init__(device_mesh)
        self.mesh = dict(mesh)
        """The sizes of the mesh by the names of its axes."""
        self.variables = tuple(variables)
        """All variables of the model, in its order."""
        for variable in self.variables:
            if variable.is_divided:
                # Keras takes a key for a regular expression of the whole path.
                self[re.escape(variable.path)] = variable.axes

    @property
    def axes(self) -> dict[str, Axes]:
        """The layouts of the divided variables as plain data, by `variable.path`."""
        return {one.path: one.axes for one in self.variables if one.is_divided}

    @property
    def share(self) -> float:
        """The share of all elements of the variables that each device holds."""
        held, total = 0.0, 0.0
        for one in self.variables:
            elements = float(math.prod(one.shape))
            total += elements
            for axis in filter(None, one.axes):
                elements /= self.mesh[axis]
            held += elements
        return held / total if total else 1.0

    def save(self, path: str | Path) -> Path:
        """Write `axes` as JSON, for a process that has Keras alone (docs/distribution.md).

        Raises OutputError where it cannot be written.
        """
        return save_text(json.dumps(self.axes, indent=1) + "\n", Path(path))

    def __str__(self) -> str:
        sizes = ", ".join(f"{name}: {size}" for name, size in self.mesh.items())
        head = f"mesh ({sizes}); each device holds {100 * self.share:.1f} % of the weights"
        rows = [("variable", "shape", "layout", "how"), *_merge_alike(self.variables)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([head, "", *lines])

    def __repr__(self) -> str:
        divided = len(self)
        return f"<Layouts mesh={self.mesh}, {divided} of {len(self.variables)} variables divided>"


def _merge_alike(variables: Iterable[DividedVariable]) -> list[tuple[str, str, str, str]]:
    """Return a row for all variables that are alike but for the numbers in their paths."""
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for one in variables:
        shape = " x ".join(map(str, one.shape)) or "scalar"
        layout = ", ".join(axis or "-" for axis in one.axes)
        row = re.sub(r"\d+", "*", one.path), shape, layout, one.how
        alike.setdefault(row, []).append(one.path)
    rows = []
    for (pattern, *rest), paths in alike.items():
        name = paths[0] if len(paths) == 1 else f"{pattern} ({len(paths)})"
        shape, layout, how = rest
        rows.append((name, shape, layout, how))
    return rows
