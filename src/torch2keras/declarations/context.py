"""What a converter may ask about the node that it lowers, beside the arguments of the op."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch2keras.graph.ir import Size


@dataclass(frozen=True)
class Context:
    """The node being lowered, as it lies in the Keras graph.

    Each converter that has a parameter `context` is given one.
    """

    shapes: tuple[tuple[Size, ...], ...]
    """The stored shape of each result, with symbolic sizes."""
    used: tuple[bool, ...]
    """Whether the model reads each result, of this call or of one that shares its layer."""
    spell: Callable[[], tuple[str, ...] | None]
    """Gives `letters`, which most converters never ask for."""

    @cached_property
    def letters(self) -> tuple[str, ...] | None:
        """Return for each operand and result a string of one letter a stored dimension.

        It is None where the node is pinned. Raises LoweringError where two operands hold the same
        axes in differently cut dimensions.
        """
        return self.spell()
