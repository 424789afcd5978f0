"""The map of a saved model as a page: a line for each variable, and what it is made of."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch2keras.conversion.weight_files.saved_weights import SavedWeights
from torch2keras.graph.element_moves import describe_moves
from torch2keras.graph.interpreter import find_paths


@dataclass(frozen=True)
class MapRow:
    """One variable of a Keras model."""

    variable: str
    """The layer and the way to the variable in it."""
    shape: tuple[int, ...]
    dtype: str
    sources: tuple[str, ...]
    """The entries of the state_dict that it is made of."""
    moves: tuple[str, ...]
    """How their elements come into Keras's order, one after the other."""
    is_computed: bool
    """Whether PyTorch computes it from them."""

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return dataclasses.asdict(self)


def list_map(saved: SavedWeights) -> list[MapRow]:
    """Return the variables of a saved model, in the order of its map."""
    names = saved.entry_names
    rows: list[MapRow] = []
    for layer, attribute, weight in saved.weight_map.weights:
        rows.append(
            MapRow(
                f"{layer}/{attribute}",
                weight.shape,
                str(weight.dtype),
                tuple(names.get(path, path) for path in find_paths(weight.constant)),
                describe_moves((*weight.constant.moves, *weight.moves)),
                weight.constant.recipe is not None,
            )
        )
    return rows


def format_map(rows: Sequence[MapRow]) -> str:
    """Return the page: variable, shape, dtype, and the tensors of the module behind an arrow."""
    width = max((len(row.variable) for row in rows), default=0)
    shapes = [str(list(row.shape)) for row in rows]
    across = max(map(len, shapes), default=0)
    lines: list[str] = []
    for row, shape in zip(rows, shapes, strict=True):
        made = ", ".join(row.sources) or "a constant of the module"
        how = list(row.moves)
        if row.is_computed:
            how.insert(0, "computed")
        told = "; ".join([made, *how])
        lines.append(f"{row.variable:<{width}}  {shape:<{across}}  {row.dtype}  <- {told}")
    numbers = sum(math.prod(row.shape) for row in rows)
    return "\n".join([*lines, "", f"{len(rows)} weights, {numbers:,} numbers"]).lstrip("\n")
