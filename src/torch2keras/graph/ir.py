"""The intermediate representation: typed SSA over ATen ops.

A `Graph` has inputs, nodes in execution order, and outputs. Every tensor is a `Value`, defined
once. Nothing is mutated: a pass returns a new graph. A size is an int or a sympy expression over
the symbols of `torch.export`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

import sympy
import torch

from torch2keras.graph.element_moves import ElementMove, move_elements

type_names: Mapping[torch.dtype, str] = {
    torch.float64: "f64",
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.int64: "i64",
    torch.int32: "i32",
    torch.int16: "i16",
    torch.int8: "i8",
    torch.uint8: "u8",
    torch.bool: "bool",
}


Size: TypeAlias = int | sympy.Expr


def keras_dtype(dtype: torch.dtype) -> str:
    """Return a dtype as Keras spells it: "float32" for `torch.float32`."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class TensorType:
    """Shape in PyTorch's order, and dtype."""

    shape: tuple[Size, ...]
    dtype: torch.dtype

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        dtype = type_names.get(self.dtype, keras_dtype(self.dtype))
        return f"{dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Origin:
    """Where in the user's model a node comes from."""

    path: str = ""
    """Dotted path of the innermost module, "" for the outermost."""
    cls: str = ""
    """Class name of that module."""
    source: str = ""
    """"file.py:41", or "" where unknown."""
    text: str = ""
    """The line of source itself."""

    def rows(self) -> list[tuple[str, str]]:
        """Return the rows of an error message."""
        module = f"{self.path or '(the module itself)'} ({self.cls})" if self.cls else self.path
        return [("module", module), ("source", f"{self.source}    {self.text}".strip())]


@dataclass(frozen=True, eq=False)
class Value:
    """One tensor, defined once: a graph's input or a node's result."""

    name: str
    type: TensorType

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


@dataclass(frozen=True, eq=False)
class Constant(Value):
    """A tensor known at conversion: a parameter, a buffer, or what is computed from those alone."""

    tensor: torch.Tensor = field(repr=False)
    """The data that `moves` start from.

    A folded constant of float type is held in float64, to be rounded once.
    """
    paths: tuple[str, ...] = ()
    """Names in the state_dict; several where a parameter is tied. Empty for anonymous tensors."""
    trainable: bool = False
    moves: tuple[ElementMove, ...] = ()
    """Rearrangements of the named tensor that give this value."""
    folded_from: tuple[str, ...] = ()
    """Names of the trainable parameters that a folded constant was computed from."""
    recipe: tuple[Node, int] | None = field(default=None, repr=False)
    """The node that computes a folded constant, and which of its results it is."""

    @property
    def data(self) -> torch.Tensor:
        """The value itself."""
        return move_elements(self.tensor, self.moves)


Argument = Any
"""What a schema argument is bound to: Value, tuple of Values or Nones, Size, float, bool, str,
dtype, None.
"""


@dataclass(frozen=True, eq=False)
class Node:
    """One call of an ATen op, every argument of its schema bound by name."""

    op: torch._ops.OpOverload
    args: Mapping[str, Argument]
    outputs: tuple[Value, ...]
    origin: Origin = field(default_factory=Origin)

    @property
    def operands(self) -> tuple[Value, ...]:
        """Tensor operands in the schema's order, lists flattened."""
        leaves = chain.from_iterable(map(argument_leaves, self.args.values()))
        return tuple(leaf for leaf in leaves if isinstance(leaf, Value))

    def replace_values(self, swap: Callable[[Value], Value]) -> Node:
        """Return the same node reading other values."""
        args = {name: map_values(value, swap) for name, value in self.args.items()}
        return Node(self.op, args, self.outputs, self.origin)


def broadcast_shape(shapes: Sequence[Sequence[Size]]) -> tuple[Size, ...]:
    """Return the shape that tensors of these shapes have together."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(map(_broadcast_size, zip(*padded, strict=True)))


def _broadcast_size(sizes: Sequence[Size]) -> Size:
    return next((size for size in sizes if size != 1), 1)


def argument_leaves(argument: Argument) -> Iterator[Any]:
    """Yield the argument itself, or the members of a list."""
    if isinstance(argument, list | tuple):
        yield from argument
    else:
        yield argument


def map_values(argument: Argument, swap: Callable[[Value], Any]) -> Argument:
    """Return the argument with each Value in it exchanged."""
    if isinstance(argument, Value):
        return swap(argument)
    if isinstance(argument, list | tuple):
        return tuple(map_values(item, swap) for item in argument)
    return argument


@dataclass(frozen=True)
class Graph:
    """A whole model."""

    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Any, ...]
    """Flat; a Value, or a Python constant where the module returns one."""
    out_spec: torch.utils._pytree.TreeSpec
    hints: Mapping[sympy.Symbol, int] = field(default_factory=dict)
    """What each symbol measured in the example."""
    state_outputs: tuple[str, ...] = ()
    """The names of the last outputs: the next values of what forward keeps from call to call."""

    def hint(self, size: Size) -> int:
        """Return a size in the example; 1 for one that the data decide, which no lowering takes."""
        if isinstance(size, int):
            return size
        known = sympy.sympify(size.xreplace(dict(self.hints)))
        return int(known) if known.is_number else 1

    def uses(self) -> dict[Value, list[Node]]:
        """Return the nodes that read each value."""
        found: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in node.operands:
                found.setdefault(value, []).append(node)
        return found

    def output_values(self) -> Iterable[Value]:
        return (out for out in self.outputs if isinstance(out, Value))
