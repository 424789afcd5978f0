"""Graph and LayoutPlan -> KerasGraph: runs each node's converter on operands in the chosen order."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from torch2keras.declarations.context import Context
from torch2keras.declarations.labels import LabelKind
from torch2keras.declarations.patterns import normalize_dims, parse_pattern
from torch2keras.declarations.registry import CONTEXT, IGNORED, Lowering, registry
from torch2keras.declarations.unsupported import unsupported_op_error
from torch2keras.errors import LoweringError, Torch2KerasError
from torch2keras.graph.ir import Constant, Graph, Node, Value, keras_dtype
from torch2keras.graph.symbolic import static_size
from torch2keras.keras_graph.causal_padding import fuse_padding
from torch2keras.keras_graph.compact import compact_calls
from torch2keras.keras_graph.detach_parameters import find_tied_tensors
from torch2keras.keras_graph.graph import Call, Input, KerasGraph
from torch2keras.keras_graph.layer_names import name_calls, sanitize
from torch2keras.keras_graph.share_embeddings import share_embeddings
from torch2keras.keras_graph.weight import Weight
from torch2keras.layout.assign import LayoutPlan
from torch2keras.layout.axes import Terms
from torch2keras.layout.einsum_letters import spell_letters
from torch2keras.layout.signatures import Order
from torch2keras.layout.storage import (
    NodeStorage,
    Storage,
    choose_storage,
    count_dynamic_sizes,
    natural_storage,
    storage_order,
    storage_shape,
)
from torch2keras.lower.dynamic_sizes import SizeTensors, measuring
from torch2keras.lower.rearrange import arrange_weight, rearrange, reshape
from torch2keras.lower.recorder import Recorder, Tensor, cast, recording
from torch2keras.lower.type_promotion import promote_arguments


@dataclass(frozen=True)
class Stored:
    """A value as it lies in the Keras graph."""

    tensor: Tensor
    storage: Storage


@dataclass(frozen=True)
class Lowered:
    """The Keras graph, and where each value of the PyTorch graph is in it."""

    graph: KerasGraph
    values: Mapping[Value, Stored]
    input_storages: tuple[Storage, ...]
    output_storages: tuple[Storage | None, ...]


@dataclass(frozen=True)
class Survey:
    """What is noted of each node where a graph is lowered in order to be looked at, refused ops and all."""

    calls: dict[Node, tuple[Call, ...]] = field(default_factory=dict)
    refusals: dict[Node, Torch2KerasError] = field(default_factory=dict)


def lower(
    graph: Graph,
    plan: LayoutPlan,
    name: str,
    float_dtype: str = "float32",
    survey: Survey | None = None,
) -> Lowered:
    """Lower every node. Raises LoweringError where an op's arguments have no Keras form.

    With a `survey` nothing is raised: refusals are noted, and calls named "refused" stand for what is not there.
    """
    storages = tuple(natural_storage(plan.space, v, plan.inputs[v]) for v in graph.inputs)
    inputs = tuple(map(functools.partial(_port, plan), graph.inputs, storages))
    recorder = Recorder(inputs, float_dtype, find_tied_tensors(graph))
    work = Lowerer(graph, plan, recorder)
    for value, tensor, storage in zip(graph.inputs, recorder.tensors, storages, strict=True):
        work.stored[value] = Stored(tensor, storage)
    with recording(recorder), measuring(work.sizes):
        for node in graph.nodes:
            recorder.origin = node.origin
            if survey is None:
                work.lower_node(node)
            else:
                work.survey_node(node, survey)
        outputs, output_storages = work.outputs()
    results = [t.index for t in outputs]
    calls = share_embeddings(recorder.calls)
    if survey is not None:
        survey.calls.update({node: calls[span] for node, span in work.spans.items()})
    compact = compact_calls(fuse_padding(calls, results), len(inputs), results)
    named = name_calls(compact.calls, {i.name for i in inputs})
    keras_graph = KerasGraph(sanitize(name), inputs, named, compact.outputs, float_dtype)
    values = _renumber(work.stored, compact.numbers)
    return Lowered(keras_graph, values, storages, output_storages)


def _renumber(stored: Mapping[Value, Stored], numbers: Mapping[int, int]) -> dict[Value, Stored]:
    """Return the values that are left in the Keras graph, by their new numbers."""
    left = {}
    for value, there in stored.items():
        if there.tensor.index in numbers:
            tensor = replace(there.tensor, index=numbers[there.tensor.index])
            left[value] = replace(there, tensor=tensor)
    return left


def _port(plan: LayoutPlan, value: Value, storage: Storage) -> Input:
    """Return the input of the Keras model for an input of the graph."""
    shape = tuple(map(static_size, storage_shape(plan.space, value, storage)))
    return Input(sanitize(value.name), shape, keras_dtype(value.type.dtype))


class Lowerer:
    """The values lowered so far."""

    def __init__(self, graph: Graph, plan: LayoutPlan, recorder: Recorder) -> None:
        self.graph, self.plan, self.space, self.recorder = graph, plan, plan.space, recorder
        self.stored: dict[Value, Stored] = {}
        self.copies: dict[tuple[Value, Storage], Tensor] = {}
        self.sizes = SizeTensors(self.stored, self.space)
        self.spans: dict[Node, slice] = {}
        """Where the calls of each node that is surveyed stand among the recorded ones."""
        self.used = {*graph.uses(), *graph.output_values()}

    def fetch(self, value: Value, storage: Storage) -> Tensor | Weight:
        """A value in a storage; a constant as a Weight. Copies are shared."""
        if isinstance(value, Constant):
            return arrange_weight(self.space, value, Weight.of(value), storage)
        key = value, storage
        if key not in self.copies:
            stored = self.stored[value]
            try:
                tensor = rearrange(self.space, value, stored.tensor, stored.storage, storage)
            except ValueError as error:  # Keras infers sizes less well than torch.export
                rows = [
                    ("value", f"{value.name} {value.type}"),
                    ("next", "leave dimensions out of dynamic_shapes"),
                ]
                raise LoweringError(
                    f"Keras cannot bring a value into another order: {error}", rows
                ) from error
            self.copies[key] = tensor.with_sizes(storage_shape(self.space, value, storage))
        return self.copies[key]

    def lower_node(self, node: Node) -> None:
        """Lower one node; an error says where it comes from."""
        try:
            if node.op in registry.lowerings:
                self._convert(node, registry.lowerings[node.op])
            else:
                self._rename(node)
        except Torch2KerasError as error:
            raise type(error)(
                error.headline,
                [("op", str(node.op)), *node.origin.rows(), *_inputs(node), *error.rows],
            ) from error
        except Exception as error:
            raise LoweringError(
                f"{node.op} cannot be expressed in Keras with these arguments: {error}",
                [*node.origin.rows(), *_inputs(node), ("next", _next_step(node))],
            ) from error

    def survey_node(self, node: Node, survey: Survey) -> None:
        """Lower one node, and note what it became or why it did not."""
        before = len(self.recorder.calls)
        try:
            if node.op not in registry:
                raise unsupported_op_error(node)
            self.lower_node(node)
        except Torch2KerasError as error:
            survey.refusals[node] = error
            del self.recorder.calls[before:]
            read = [self.stored[v].tensor for v in node.operands if v in self.stored]
            orders = self.plan.signatures[node].orders[len(node.operands) :]
            for value, order in zip(node.outputs, orders, strict=False):
                storage = natural_storage(self.space, value, order)
                shape = storage_shape(self.space, value, storage)
                tensor = self.recorder.stand_in(
                    read, tuple(map(static_size, shape)), keras_dtype(value.type.dtype)
                )
                self.stored[value] = Stored(tensor, storage)
        self.spans[node] = slice(before, len(self.recorder.calls))

    def _rename(self, node: Node) -> None:
        """A view, permutation or alias: the same stored tensor, its axes under other numbers."""
        source, target = node.operands[0], node.outputs[0]
        terms, signature = self.space.terms[node], self.plan.signatures[node]
        assert terms is not None
        tensor, storage = self._in_order(source, signature.orders[0])
        inside, outside = terms.labels
        if any(label.slot.kind is LabelKind.BLOCK for label, _ in inside):
            out_storage = natural_storage(self.space, target, signature.orders[1])
            whole = reshape(
                tensor,
                storage_shape(self.space, source, storage),
                storage_shape(self.space, target, out_storage),
            )
            self.stored[target] = Stored(whole, out_storage)
            return
        where = {label: i for i, label in enumerate(outside)}
        groups = tuple(
            tuple(where[inside[i]] for i in group if inside[i] in where) for group in storage
        )
        self.stored[target] = Stored(tensor, groups)

    def _in_order(self, value: Value, order: Order) -> tuple[Tensor, Storage]:
        """A value in an order, in the storage that it has already where the order is right."""
        if isinstance(value, Constant):
            storage = natural_storage(self.space, value, order)
            weight = self.fetch(value, storage)
            assert isinstance(weight, Weight)
            return self.recorder.bare(weight), storage
        stored = self.stored[value]
        if storage_order(self.space, value, stored.storage) == order:
            return stored.tensor, stored.storage
        storage = natural_storage(self.space, value, order)
        tensor = self.fetch(value, storage)
        assert isinstance(tensor, Tensor)
        return tensor, storage

    def _convert(self, node: Node, lowering: Lowering) -> None:
        terms, signature = self.space.terms[node], self.plan.signatures[node]
        if (
            terms is None
            and (found := lowering.patterns(node))
            and (found[1] is not None or found[0].has_groups)
        ):
            raise LoweringError(
                "the axes of these operands cannot be matched with the op's declaration, on which its lowering relies",
                [("next", _next_split(node))],
            )
        stored = [
            None if isinstance(v, Constant) else self.stored[v].storage for v in node.operands
        ]
        chosen = self._unary(node, terms, signature.orders) or choose_storage(
            self.space, node, signature, stored
        )
        operands = iter(zip(node.operands, chosen.storages, strict=False))
        args = [
            self._argument(node, lowering, argument, operands, chosen)
            for argument in node.op._schema.arguments
            if argument.name not in IGNORED
        ]
        if lowering.promote:
            args = promote_arguments(node, args)
        names = _positions(lowering, node, chosen)
        if lowering.asks_context:
            names[CONTEXT] = self._context(node, chosen)
        results = lowering.convert(*args, **names)
        self._store(node, results if isinstance(results, list | tuple) else (results,), chosen)

    def _context(self, node: Node, chosen: NodeStorage) -> Context:
        """What a converter may ask about the node."""
        results = zip(node.outputs, chosen.storages[len(node.operands) :], strict=False)
        return Context(
            shapes=tuple(storage_shape(self.space, value, storage) for value, storage in results),
            used=self._used(node),
            spell=functools.partial(spell_letters, self.space, node, chosen),
        )

    def _used(self, node: Node) -> tuple[bool, ...]:
        """Which results the model reads, of this call or of another one by the same weights, which shares its layer."""
        held = [v for v in node.operands if isinstance(v, Constant)]
        calls = [
            other
            for other in self.graph.nodes
            if other is node
            or (
                other.op is node.op
                and held
                and held == [v for v in other.operands if isinstance(v, Constant)]
            )
        ]
        return tuple(
            any(call.outputs[i] in self.used for call in calls) for i in range(len(node.outputs))
        )

    def _unary(
        self, node: Node, terms: Terms | None, orders: Sequence[Order]
    ) -> NodeStorage | None:
        """Of a pointwise op on one tensor: the storage that it has, whatever that is."""
        if (
            terms is None
            or not terms.pointwise
            or len(node.operands) != 1
            or isinstance(node.operands[0], Constant)
        ):
            return None
        if node.operands[0].type.shape != node.outputs[0].type.shape:
            return None
        storage = self.stored[node.operands[0]].storage
        fits = storage_order(self.space, node.operands[0], storage) == orders[0]
        return NodeStorage((storage, *(storage for _ in node.outputs)), ({}, {})) if fits else None

    def _argument(
        self, node: Node, lowering: Lowering, argument: Any, operands: Any, chosen: NodeStorage
    ) -> Any:
        value = node.args[argument.name]
        if isinstance(value, Value):
            return self.fetch(*next(operands))
        if isinstance(value, list | tuple) and any(isinstance(v, Value) for v in value):
            return [self.fetch(*next(operands)) if isinstance(v, Value) else v for v in value]
        if isinstance(value, sympy.Expr) and "int" not in str(argument.type).lower():
            return self.sizes.tensor(value)
        if (
            argument.name in _dims_arguments(lowering, node)
            and value is not None
            and self.space.terms[node] is not None
        ):
            return self._stored_dims(node, value, chosen)
        return value

    def _stored_dims(self, node: Node, value: Any, chosen: NodeStorage) -> Any:
        """An argument that names dimensions, as the stored positions of them."""
        terms = self.space.terms[node]
        assert terms is not None
        rank = max(v.type.rank for v in (*node.operands, *node.outputs))
        places = chosen.find_argument_dims(normalize_dims(value, rank))
        return places[0] if isinstance(value, int) else places

    def _store(self, node: Node, results: Sequence[Any], chosen: NodeStorage) -> None:
        for value, result, storage in zip(
            node.outputs, results, chosen.storages[len(node.operands) :], strict=False
        ):
            if result is None and value not in self.used:
                continue
            if result is None:
                raise LoweringError(
                    f"the model uses {value}, a result of {node.op} that is not computed in Keras",
                    [
                        ("why", registry.lowerings[node.op].summary),
                        ("next", "leave this result unused, as with return_indices=False"),
                    ],
                )
            tensor = self.recorder.bare(result) if isinstance(result, Weight) else result
            expected = tuple(map(static_size, storage_shape(self.space, value, storage)))
            fits = len(expected) == tensor.ndim and all(
                None in (a, b) or a == b for a, b in zip(expected, tensor.shape, strict=True)
            )
            if not fits:
                message = f"the lowering of {node.op} gives {tensor.shape} where {expected} is due"
                raise LoweringError(
                    message, [("next", "this is a bug of torch2keras; please report it")]
                )
            self.stored[value] = Stored(
                cast(tensor.fill_shape(expected), value.type.dtype), storage
            )

    def outputs(self) -> tuple[list[Tensor], tuple[Storage | None, ...]]:
        """The graph's outputs in the order that the plan gives its ports."""
        tensors: list[Tensor] = []
        storages: list[Storage | None] = []
        for value, order in zip(self.graph.outputs, self.plan.outputs, strict=True):
            if order is None:
                storages.append(None)
                continue
            storage = natural_storage(self.space, value, order)
            tensor = self.fetch(value, storage)
            tensors.append(self.recorder.bare(tensor) if isinstance(tensor, Weight) else tensor)
            storages.append(storage)
        return tensors, tuple(storages)


def _dims_arguments(lowering: Lowering, node: Node) -> frozenset[str]:
    """The arguments that name dimensions, by the declaration."""
    text = lowering.declared(node)
    return parse_pattern(text).argument_names if text else frozenset()


def _positions(lowering: Lowering, node: Node, chosen: NodeStorage) -> dict[str, Any]:
    """The stored positions of the names that a converter asks for.

    A name that is absent, and that the converter has a default for, is left out. Raises
    LoweringError where another one is absent: a declaration that is a function may lack it.
    """
    asked = lowering.axis_names
    found = {name: chosen.find_name(name) for name in asked}
    missing = [name for name in asked if found[name] == ()]
    needed = ", ".join(name for name in missing if name not in lowering.optional)
    if needed:
        raise LoweringError(
            f"{lowering.convert.__name__} asks for axes that its declaration lacks here: {needed}",
            [
                ("declared", str(lowering.declared(node))),
                (
                    "next",
                    "correct the name; where it may be absent, give it a default in the converter",
                ),
            ],
        )
    return {name: place for name, place in found.items() if name not in missing}


def _next_step(node: Node) -> str:
    own = "register a lowering of your own: docs/add-an-op.md"
    if any(count_dynamic_sizes(value.type.shape) for value in node.operands):
        return f"leave a dimension of its inputs out of dynamic_shapes, or {own}"
    return own


def _next_split(node: Node) -> str:
    """For an op whose axes are other ones than those of its operands."""
    if any(count_dynamic_sizes(value.type.shape[1:]) for value in node.operands):
        return "leave dimensions that it divides, or that are a weight's too, out of dynamic_shapes"
    return "where another op divides a dimension into other factors, write one of the two as reshape and permute"


def _inputs(node: Node) -> list[tuple[str, str]]:
    return [("inputs", ", ".join(str(v) for v in node.operands))]
