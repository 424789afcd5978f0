"""What is explained, as data and as the Python that is printed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch2keras.explanation.reasons import Reason
from torch2keras.explanation.weight_copies import WeightCopy
from torch2keras.keras_graph.source.expressions import constant_text
from torch2keras.reporting.page.page import embed_text

WIDTH = 80
"""Columns of the comments."""


@dataclass(frozen=True)
class Side:
    """One port on both sides; None is dynamic."""

    name: str
    torch_shape: tuple[int | None, ...]
    keras_shape: tuple[int | None, ...]
    order: str
    """The letters of the dimensions as Keras stores them, as "n l c"."""
    permutation: tuple[int, ...]
    """For each dimension in Keras the one in PyTorch's order."""


@dataclass(frozen=True)
class Explanation:
    """A layer, block or net, explained.

    `str()` is Python that runs as it is, with all else in comments; `as_dict()` the same as data.
    """

    layer: str
    """What constructs it, or its class where that is not known."""
    code: str
    """Python: the model, and the copying of the weights of `layer`, the PyTorch module."""
    reasons: tuple[Reason, ...]
    weights: tuple[WeightCopy, ...]
    inputs: tuple[Side, ...]
    outputs: tuple[Side, ...]
    difference: float
    """The largest error against PyTorch in float32, over all probes, in the unit of the output."""
    meaning: float
    """The same in float64, relative to the largest value."""
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        return embed_text(str(self))

    def __str__(self) -> str:
        head = "\n".join(_comment_out(_head_lines(self)))
        why = "\n".join(_comment_out(_reason_lines(self.reasons)))
        return "\n\n".join(filter(None, [head, self.code.rstrip(), why]))


def _head_lines(explanation: Explanation) -> Iterator[str]:
    yield f"{explanation.layer} in Keras"
    yield ""
    sides = (*explanation.inputs, *explanation.outputs)
    names = _fill(side.name for side in sides)
    shapes = _fill(_shape_text(side.torch_shape, side.permutation[:1]) for side in sides)
    for side, name, shape in zip(sides, names, shapes, strict=True):
        keras_side = f"Keras {_shape_text(side.keras_shape, range(len(side.keras_shape))[:1])}"
        if side.permutation != tuple(range(len(side.permutation))):
            keras_side += f": axes {', '.join(map(str, side.permutation))}"
        yield f"{name}  PyTorch {shape}  {keras_side}"
    saved = f"at most {explanation.difference:.1e} in float32"
    meaning = f"in float64 {explanation.meaning:.1e} of the largest value"
    yield f"Measured difference: {saved}, {meaning}."
    for note in explanation.notes:
        yield f"Note: {note}"


def _reason_lines(reasons: Sequence[Reason]) -> Iterator[str]:
    if reasons:
        yield "Why:"
    for reason in reasons:
        yield f"{reason.layer}.{reason.argument} = {constant_text(reason.value)}: {reason.text}"


def _comment_out(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines as comments; those that are too long go on below, indented."""
    for line in lines:
        plain = "".join(letter if letter.isprintable() else " " for letter in line)
        if not plain:
            yield "#"
        yield from textwrap.wrap(
            plain, WIDTH, initial_indent="# ", subsequent_indent="#     ", break_on_hyphens=False
        )


def _fill(texts: Iterable[str]) -> list[str]:
    """Return texts with blanks behind them, to one width."""
    listed = list(texts)
    width = max(map(len, listed), default=0)
    return [text.ljust(width) for text in listed]


def _shape_text(shape: Sequence[int | None], batch: Sequence[int]) -> str:
    """Return `(batch, 3, ?)`: what is dynamic is the batch in its dimension, else unknown."""
    sizes = ["?" if size is None else str(size) for size in shape]
    for dim in batch:
        if shape[dim] is None:
            sizes[dim] = "batch"
    return f"({', '.join(sizes)})"
