"""Which ATen op is lowered how: `@lowering`, `pointwise`, and ops that need no converter.

Each declaration is checked against the op's ATen schema when the module that makes it is imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import torch

from torch2keras.declarations.costs import CostFunction
from torch2keras.declarations.patterns import Pattern, Term, parse_pattern
from torch2keras.graph.ir import Node, Value, argument_leaves
from torch2keras.op_facts import RENAMES_AXES, OpKind, count_tensors, kind_of, ops_of

OpOverload = torch._ops.OpOverload


Converter = Callable[..., Any]


Declaration = str | Callable[[Mapping[str, Any]], str | None]

CONTEXT = "context"
"""The parameter by which a converter asks for a `Context`."""
STOCK = "keras.ops"
"""The module of a recorder's function that stands for one of stock Keras."""
IGNORED = ("generator", "layout", "device", "pin_memory", "memory_format", "non_blocking", "copy")
"""Arguments that say how a tensor lies in memory, never its numbers; converters don't get them."""


@dataclass(frozen=True)
class Lowering:
    """How one op becomes Keras calls, and which of its axes are the same."""

    op: OpOverload
    convert: Converter
    torch: Declaration | None = None
    keras: Declaration | None = None
    reorder_cost: float | None = None
    """The cost of each operand or result out of the order of a kernel that can run in others."""
    cost: CostFunction | None = None
    """What an op that runs in any order costs in each."""
    promote: bool = False
    """Operands are cast to their common type first, as PyTorch's type promotion does."""
    equation: bool = False
    """Each operand and result may be in an order of its own.

    The converter reads `Context.letters`.
    """
    axis_names: tuple[str, ...] = ()
    """Names of the pattern whose stored positions the converter asks for."""
    optional: frozenset[str] = frozenset()
    """Those that the pattern may lack, for which the converter has a default."""
    asks_context: bool = False
    """The converter has the parameter `context`."""
    summary: str = ""
    """The first line of the converter's docstring; empty where it has none."""
    when: str = ""
    tabled: bool = False
    """Registered by `pointwise`: its function takes tensors and numbers, and can be tried on
    any.
    """

    def declaration_for(self, node: Node) -> str | None:
        """Return the declaration for this node's arguments; None where it is pinned."""
        return _resolve(self.torch, node)

    def patterns(self, node: Node) -> tuple[Pattern, Pattern | None] | None:
        """Return the pattern of the axes and that of the kernel's order; None where it is pinned.

        Each has one term for each operand and result of this node.
        """
        text = self.declaration_for(node)
        if text is None:
            return None
        axes = expand_pattern(parse_pattern(text), node)
        order = _resolve(self.keras, node)
        if not order:
            return axes, None
        return axes, expand_pattern(parse_pattern(order), node)


def _resolve(declaration: Declaration | None, node: Node) -> str | None:
    return declaration(node.args) if callable(declaration) else declaration


def tensor_arguments(op: OpOverload) -> list[torch._C.Argument]:
    """Return the schema's arguments that hold tensors, or lists of them."""
    return [a for a in op._schema.arguments if "Tensor" in str(a.type)]


def expand_pattern(pattern: Pattern, node: Node) -> Pattern:
    """Return the pattern with one term for each tensor that is really there.

    An absent optional tensor has none; a list has terms of its own, or repeats one.
    """
    arguments = tensor_arguments(node.op)
    count = len(pattern.operands)
    has_own_terms = count not in (1, len(arguments))
    repeats = len(arguments) if count != len(arguments) else 1
    terms = iter(pattern.operands * repeats)
    operands: list[Term] = []
    for argument in arguments:
        leaves = argument_leaves(node.args.get(argument.name))
        tensors = sum(isinstance(leaf, Value) for leaf in leaves)
        if has_own_terms:
            operands += islice(terms, tensors)
        else:
            operands += [next(terms)] * tensors
    results = pattern.results
    if len(results) != len(node.outputs):
        results *= len(node.outputs)
    return Pattern(tuple(operands), results)


STRUCTURAL = frozenset(op for op in ops_of(*RENAMES_AXES) if count_tensors(op) == 1)
"""Ops that only give axes other names; they need no converter."""


class Refusal(NamedTuple):
    """Why no lowering can be written for an op, and what to write in its place."""

    why: str
    next: str


@dataclass
class Registry:
    """All lowerings, by op."""

    lowerings: dict[OpOverload, Lowering] = field(default_factory=dict)
    refused: dict[OpOverload, Refusal] = field(default_factory=dict)
    """Ops that stock Keras cannot express, whatever their arguments."""

    @staticmethod
    def structure_of(op: OpOverload) -> OpKind | None:
        """Return what an op that needs no converter does: regroup or permute dimensions, or copy.

        What becomes of the axes is read off the shapes, or off a probe. None for other ops.
        """
        return kind_of(op) if op in STRUCTURAL else None

    def __contains__(self, op: object) -> bool:
        return op in self.lowerings or op in STRUCTURAL

    def __iter__(self) -> Iterator[OpOverload]:
        return iter([*self.lowerings, *STRUCTURAL])


registry = Registry()


def lowering(
    *ops: OpOverload,
    axes: Declaration | None = None,
    torch: Declaration | None = None,
    keras: Declaration | None = None,
    reorder_cost: float | None = None,
    cost: CostFunction | None = None,
    promote: bool = False,
    equation: bool = False,
) -> Callable[[Converter], Converter]:
    """Register a converter for ATen ops.

    `axes` declares which axes are the same, for ops that work in any order, and `cost` (`costs`)
    what they cost where TensorFlow's kernel has another one; `torch` and `keras` declare it for a
    kernel that wants an order. With `reorder_cost` that kernel can also run in other orders, at
    this cost, in transposes, for each operand or result that is not in its own. With neither,
    operands and result are pinned to PyTorch's order. With `equation` an op with `axes` runs on
    operands that are each in an order of its own: its converter writes an einsum of
    `context.letters`. A declaration may be a function of the node's arguments.

    The converter's parameters are the schema's, in its order and with its defaults (the first
    tensor is called `x`); keyword-only ones are names of the pattern and receive the stored
    positions of those dimensions, with a default where a pattern that depends on the arguments may
    lack them; `context` receives a `Context`, which answers what else there is to know.

    Raises TypeError where the converter does not fit the schema, asks for a name that the pattern
    lacks, or the options exclude each other, ValueError where a pattern is malformed. The names of
    a declaration that is a function are compared when a node is lowered, which raises
    LoweringError.
    """
    declaration = axes or torch

    def register(convert: Converter) -> Converter:
        for op in ops:
            names = check_converter(op, convert)
            if equation:
                _check_equation(convert, axes, names)
            check_terms(op, declaration)
            check_terms(op, keras)
            axis_names = tuple(name for name in names if name != CONTEXT)
            check_names(op, convert, axis_names, declaration)
            registry.lowerings[op] = Lowering(
                op, convert, declaration, keras, reorder_cost, cost, promote, equation,
                axis_names=axis_names,
                optional=_optional(convert),
                asks_context=CONTEXT in names,
                summary=_summary(convert),
            )  # fmt: skip
        return convert

    return register


def _check_equation(convert: Converter, axes: Declaration | None, names: Sequence[str]) -> None:
    """Raise TypeError unless a converter that writes an einsum has a pattern and the letters."""
    if axes is None:
        message = "equation=True needs axes=..., the pattern of an op that runs in any order"
        raise TypeError(message)
    if CONTEXT not in names:
        lacks = f"no parameter {CONTEXT!r}, which holds the letters"
        message = f"{convert.__name__} has equation=True, but {lacks}"
        raise TypeError(message)


def pointwise(table: Mapping[OpOverload, Converter], *, promote: bool = True) -> None:
    """Register ops that act on each position alone: `table` maps each to a function.

    The function is one of the recorder's `ops`, whose parameters have Keras's names, or a converter
    as `lowering` takes it. Several overloads may share one: what a schema lacks, and what it gives
    no default, may have one there.

    Raises TypeError where a function does not fit the schema.
    """
    for op, convert in table.items():
        check_row(op, convert)
        summary = _summary(convert)
        registry.lowerings[op] = Lowering(
            op, convert, "...", promote=promote, summary=summary, tabled=True
        )


def check_row(op: OpOverload, convert: Converter) -> None:
    """Raise TypeError unless the function takes the schema's arguments, with its defaults."""
    schema, signature = _arguments(op), inspect.signature(convert)
    try:
        signature.bind(*schema)
    except TypeError as error:
        message = f"{convert.__name__}{signature} does not fit {op}: {error}: {op._schema}"
        raise TypeError(message) from error
    positional = [p for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY]
    parameters = positional[: len(schema)]
    if convert.__module__ != STOCK:
        expected = ["x" if a.name in ("self", "input") else a.name for a in schema]
        _check_parameter_names(op, convert, parameters, expected, schema)
    _check_defaults(op, convert, parameters, schema)


def _arguments(op: OpOverload) -> list[torch._C.Argument]:
    """The schema's arguments that a converter is given."""
    return [a for a in op._schema.arguments if a.name not in IGNORED]


def _summary(convert: Converter) -> str:
    """The first line of the docstring; empty where there is none."""
    return (inspect.getdoc(convert) or "").partition("\n")[0]


def check_converter(op: OpOverload, convert: Converter) -> tuple[str, ...]:
    """The keyword-only parameters of a converter: names of axes, and `context`.

    Raises TypeError unless its other parameters are the schema's.
    """
    schema = _arguments(op)
    parameters = list(inspect.signature(convert).parameters.values())
    wanted = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
    expected = [a.name for a in schema]
    if expected[:1] in (["self"], ["input"]):
        expected[0] = "x"
    _check_parameter_names(op, convert, wanted, expected, schema)
    _check_defaults(op, convert, wanted, schema)
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def _check_parameter_names(
    op: OpOverload,
    convert: Converter,
    parameters: Sequence[inspect.Parameter],
    expected: Sequence[str],
    schema: Sequence[torch._C.Argument],
) -> None:
    """Raise TypeError unless the parameters are called as expected, or as in the schema."""
    got = [p.name for p in parameters]
    if got not in (expected, [a.name for a in schema]):
        message = f"{convert.__name__} takes {got}, but {op} has {expected}: {op._schema}"
        raise TypeError(message)


def _check_defaults(
    op: OpOverload,
    convert: Converter,
    parameters: Sequence[inspect.Parameter],
    schema: Sequence[torch._C.Argument],
) -> None:
    """Raise TypeError where a parameter lacks the default that the schema's argument has."""
    for parameter, argument in zip(parameters, schema, strict=True):
        if not argument.has_default_value():
            continue
        ours, theirs = parameter.default, argument.default_value
        if not _is_same_default(ours, theirs):
            message = f"{convert.__name__}: {parameter.name} defaults to {ours}, {op} to {theirs}"
            raise TypeError(message)


def _optional(convert: Converter) -> frozenset[str]:
    """Return the names of dimensions that a converter has a default for."""
    parameters = inspect.signature(convert).parameters.values()
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty]
    return frozenset(names)


def _is_same_default(ours: Any, theirs: Any) -> bool:
    """Whether defaults agree.

    A list of equal numbers may be the one number: stride=1 for [1, 1].
    """
    if ours is inspect.Parameter.empty:
        return False
    if not isinstance(theirs, list):
        return bool(ours == theirs)
    if not isinstance(ours, list | tuple):
        ours = [ours]
    return list(ours) in (theirs, theirs[:1])


def check_names(
    op: OpOverload, convert: Converter, names: Sequence[str], declaration: Declaration | None
) -> None:
    """Raise TypeError where a converter asks for a name that the pattern lacks.

    Of a declaration that is a function nothing is known yet.
    """
    if callable(declaration):
        return
    declared = parse_pattern(declaration).names if declaration else frozenset()
    unknown = [name for name in names if name not in declared]
    if unknown:
        there = "an op without a declaration"
        if declaration:
            there = f"the pattern {declaration!r}"
        message = (
            f"{convert.__name__} asks for {unknown}, but {there} names {sorted(declared)}: {op}"
        )
        raise TypeError(message)


def check_terms(op: OpOverload, declaration: Declaration | None) -> None:
    """Raise ValueError where a pattern is malformed, or has more or fewer terms than tensors."""
    if not isinstance(declaration, str):
        return
    pattern, tensors = parse_pattern(declaration), tensor_arguments(op)
    if len(pattern.operands) not in (1, len(tensors)):
        terms = f"{declaration!r} has {len(pattern.operands)} operand terms"
        message = f"{terms}, {op} has {len(tensors)} tensors"
        raise ValueError(message)
