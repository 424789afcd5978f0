"""What a converter is called with: its op's arguments, positions of axes, the node's context."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import sympy

from torch2keras.declarations.context import Context
from torch2keras.declarations.patterns import normalize_dims, parse_pattern
from torch2keras.declarations.registry import IGNORED, Lowering, OpOverload
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Constant, Graph, Node, Value
from torch2keras.keras_graph.operand import Operand
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.einsum_letters import spell_letters
from torch2keras.layout.node_storage import NodeStorage
from torch2keras.layout.storage import storage_shape
from torch2keras.lower.dynamic_sizes import size_tensor
from torch2keras.lower.stored_values import StoredValues
from torch2keras.lower.type_promotion import promote_arguments


def collect_arguments(
    node: Node, lowering: Lowering, chosen: NodeStorage, values: StoredValues
) -> list[Any]:
    """Return the arguments of the op as the converter takes them, in the schema's order.

    A value is an operand in its chosen storage, a symbolic number a scalar tensor, and a dimension
    the stored position of it.
    """
    fetched = map(values.fetch, node.operands, chosen.storages)
    dims_arguments: frozenset[str] = frozenset()
    if values.space.terms[node] is not None:
        dims_arguments = _dims_arguments(lowering, node)
    arguments = []
    for declared in node.op._schema.arguments:
        if declared.name in IGNORED:
            continue
        argument = node.args[declared.name]
        if argument is not None and declared.name in dims_arguments:
            arguments.append(_locate_dims(node, argument, chosen))
        elif isinstance(argument, sympy.Expr) and "int" not in str(declared.type).lower():
            arguments.append(size_tensor(argument))
        else:
            arguments.append(_exchange_values(argument, fetched))
    if lowering.promote:
        return promote_arguments(node, arguments)
    return arguments


def _exchange_values(argument: Any, fetched: Iterator[Operand]) -> Any:
    """Return an argument with the next operands in place of the values in it."""
    if isinstance(argument, Value):
        return next(fetched)
    if isinstance(argument, list | tuple) and any(isinstance(item, Value) for item in argument):
        return [_exchange_values(item, fetched) for item in argument]
    return argument


def _dims_arguments(lowering: Lowering, node: Node) -> frozenset[str]:
    """Return the names of the arguments that name dimensions, by the declaration."""
    text = lowering.declaration_for(node)
    if not text:
        return frozenset()
    return parse_pattern(text).argument_names


def _locate_dims(node: Node, dims: Any, chosen: NodeStorage) -> Any:
    """Return an argument that names dimensions as the stored positions of them."""
    rank = max(value.type.rank for value in (*node.operands, *node.outputs))
    places = chosen.find_argument_dims(normalize_dims(dims, rank))
    return places[0] if isinstance(dims, int) else places


def locate_axes(lowering: Lowering, node: Node, chosen: NodeStorage) -> dict[str, Any]:
    """Return the stored positions of the names that a converter asks for.

    A name that is absent, and that the converter has a default for, is left out. Raises
    LoweringError where another one is absent: a declaration that is a function may lack it.
    """
    found: dict[str, Any] = {}
    missing = []
    for name in lowering.axis_names:
        place = chosen.find_name(name)
        if place != ():
            found[name] = place
        elif name not in lowering.optional:
            missing.append(name)
    if missing:
        names = ", ".join(missing)
        raise LoweringError(
            f"{lowering.convert.__name__} asks for axes that its declaration lacks here: {names}",
            [
                ("declared", str(lowering.declaration_for(node))),
                (
                    "next",
                    "correct the name; where it may be absent, give it a default in the converter",
                ),
            ],
        )
    return found


def make_context(
    node: Node, chosen: NodeStorage, space: AxisSpace, read_results: ReadResults
) -> Context:
    """Return what a converter may ask about the node."""
    storages = chosen.storages[len(node.operands) :]
    shapes = map(functools.partial(storage_shape, space), node.outputs, storages)
    spell = functools.partial(spell_letters, space, node, chosen)
    return Context(shapes=tuple(shapes), used=read_results.of(node), spell=spell)


class ReadResults:
    """Which results of each node the model reads."""

    def __init__(self, graph: Graph) -> None:
        self.values = {*graph.uses(), *graph.output_values()}
        self._sharing: dict[tuple[OpOverload, tuple[Value, ...]], list[Node]] = {}
        for node in graph.nodes:
            self._sharing.setdefault(_layer_key(node), []).append(node)

    def of(self, node: Node) -> tuple[bool, ...]:
        """Return for each result whether it is read, of this call or of one that shares its layer.

        Those are the calls of the same op by the same constants.
        """
        key = _layer_key(node)
        sharing = self._sharing[key] if key[1] else [node]
        read = [False] * len(node.outputs)
        for other in sharing:
            for place, result in enumerate(other.outputs[: len(read)]):
                read[place] = read[place] or result in self.values
        return tuple(read)


def _layer_key(node: Node) -> tuple[OpOverload, tuple[Value, ...]]:
    """Return what nodes have in common that become calls of one layer."""
    return node.op, tuple(value for value in node.operands if isinstance(value, Constant))
