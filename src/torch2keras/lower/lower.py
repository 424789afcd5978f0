"""Graph and LayoutPlan -> KerasGraph: each node's converter, run on operands in their orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch2keras.declarations.labels import LabelKind
from torch2keras.declarations.registry import CONTEXT, Lowering, OpOverload, registry
from torch2keras.declarations.unsupported import make_unsupported_error
from torch2keras.errors import LoweringError, Torch2KerasError
from torch2keras.graph.ir import Constant, Graph, Node, Value, keras_dtype
from torch2keras.graph.symbolic import static_size
from torch2keras.keras_graph.causal_padding import fuse_padding
from torch2keras.keras_graph.compact import compact_calls
from torch2keras.keras_graph.detach_parameters import find_tied_tensors
from torch2keras.keras_graph.equal_calls import merge_equal_calls
from torch2keras.keras_graph.graph import Call, Input, KerasGraph
from torch2keras.keras_graph.layer_names import name_calls, sanitize
from torch2keras.keras_graph.share_embeddings import share_embeddings
from torch2keras.keras_graph.weight import Shape
from torch2keras.layout.assign import LayoutPlan
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.node_storage import NodeStorage, choose_storage
from torch2keras.layout.signatures import Order
from torch2keras.layout.storage import (
    Storage,
    count_dynamic_sizes,
    is_port_storage,
    natural_storage,
    storage_order,
    storage_shape,
)
from torch2keras.lower.converter_arguments import (
    ReadResults,
    collect_arguments,
    locate_axes,
    make_context,
)
from torch2keras.lower.dynamic_sizes import measure_by
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import Recorder, Tensor, as_tensor, cast, record_to
from torch2keras.lower.size_tensors import SizeTensors
from torch2keras.lower.stored_values import Stored, StoredValues


@dataclass(frozen=True)
class Lowered:
    """The Keras graph, and where each value of the PyTorch graph is in it."""

    graph: KerasGraph
    values: Mapping[Value, Stored]
    input_storages: tuple[Storage, ...]
    output_storages: tuple[Storage | None, ...]


@dataclass(frozen=True)
class Survey:
    """What is noted of each node where a graph is only looked at, refused ops and all."""

    calls: dict[Node, tuple[Call, ...]] = field(default_factory=dict)
    refusals: dict[Node, Torch2KerasError] = field(default_factory=dict)


def lower(
    graph: Graph,
    plan: LayoutPlan,
    name: str,
    float_dtype: str = "float32",
    survey: Survey | None = None,
    lowerings: Mapping[OpOverload, Lowering] | None = None,
) -> Lowered:
    """Lower every node, and return the Keras graph called `name`.

    The converters are those of the registry, or `lowerings` where others are given.

    Raises LoweringError where an op's arguments have no Keras form. With a `survey` nothing is
    raised: refusals are noted, and calls of the target REFUSED stand for what is not there.
    """
    storages = tuple(
        natural_storage(plan.space, v, plan.units.get(v, plan.inputs[v])) for v in graph.inputs
    )
    inputs = []
    for value, storage in zip(graph.inputs, storages, strict=True):
        shape = _static_shape(plan.space, value, storage)
        inputs.append(Input(sanitize(value.name), shape, keras_dtype(value.type.dtype)))
    recorder = Recorder(tuple(inputs), float_dtype, find_tied_tensors(graph))
    known = registry.lowerings if lowerings is None else lowerings
    lowerer = Lowerer(graph, plan, recorder, known)
    for value, tensor, storage in zip(graph.inputs, recorder.tensors, storages, strict=True):
        lowerer.values.put(value, tensor, storage)
    with record_to(recorder), measure_by(SizeTensors(lowerer.values.shapes)):
        for node in graph.nodes:
            recorder.origin = node.origin
            if survey is None:
                lowerer.lower_node(node)
            else:
                lowerer.survey_node(node, survey)
        outputs = lowerer.fetch_outputs()
    results = [stored.tensor.index for stored in outputs if stored is not None]
    if survey is not None:
        noted = share_embeddings(recorder.calls)
        survey.calls.update({node: noted[span] for node, span in lowerer.spans.items()})
    calls = share_embeddings(recorder.sort_calls())
    compact = compact_calls(fuse_padding(calls, results), len(inputs), results)
    named = name_calls(compact.calls, {port.name for port in inputs})
    merged, kept = merge_equal_calls(named, compact.outputs)
    final = compact_calls(merged, len(inputs), compact.outputs)
    numbers = {}
    for number, first in compact.numbers.items():
        numbers[number] = final.numbers[kept.get(first, first)]
    return Lowered(
        KerasGraph(sanitize(name), tuple(inputs), final.calls, final.outputs, float_dtype),
        _renumber(lowerer.values.stored, numbers),
        storages,
        tuple(None if stored is None else stored.storage for stored in outputs),
    )


def _renumber(stored: Mapping[Value, Stored], numbers: Mapping[int, int]) -> dict[Value, Stored]:
    """Return the values that are left in the Keras graph, by their new numbers."""
    left = {}
    for value, there in stored.items():
        if there.tensor.index in numbers:
            tensor = replace(there.tensor, index=numbers[there.tensor.index])
            left[value] = replace(there, tensor=tensor)
    return left


def _static_shape(space: AxisSpace, value: Value, storage: Storage) -> Shape:
    """Return a value's stored shape as Keras writes it, None for a dynamic size."""
    return tuple(map(static_size, storage_shape(space, value, storage)))


class Lowerer:
    """Lowers the nodes of a graph one after the other, in the orders that a plan gives them."""

    def __init__(
        self,
        graph: Graph,
        plan: LayoutPlan,
        recorder: Recorder,
        lowerings: Mapping[OpOverload, Lowering],
    ) -> None:
        self.lowerings = lowerings
        self.graph, self.plan, self.space, self.recorder = graph, plan, plan.space, recorder
        self.values = StoredValues(plan.space)
        self.read_results = ReadResults(graph)
        self.spans: dict[Node, slice] = {}
        """Where the calls of each node that is surveyed stand among the recorded ones."""

    def lower_node(self, node: Node) -> None:
        """Lower one node; an error says where it comes from."""
        try:
            if node.op in self.lowerings:
                self._convert(node, self.lowerings[node.op])
            else:
                self._rename_axes(node)
        except Torch2KerasError as error:
            rows = [("op", str(node.op)), *_place_rows(node), *error.rows]
            raise type(error)(error.headline, rows) from error
        except Exception as error:
            raise LoweringError(
                f"{node.op} cannot be expressed in Keras with these arguments: {error}",
                [*_place_rows(node), ("next", _next_step(node))],
            ) from error

    def survey_node(self, node: Node, survey: Survey) -> None:
        """Lower one node, and note what it became or why it did not."""
        before = len(self.recorder.calls)
        try:
            if node.op not in registry:
                raise make_unsupported_error(node)
            self.lower_node(node)
        except Torch2KerasError as error:
            survey.refusals[node] = error
            del self.recorder.calls[before:]
            self._stand_in(node)
        self.spans[node] = slice(before, len(self.recorder.calls))

    def _stand_in(self, node: Node) -> None:
        """Record a call that stands for a refused node, so that those behind it can be lowered."""
        read = [self.values[v].tensor for v in node.operands if v in self.values]
        orders = self.plan.signatures[node].orders[len(node.operands) :]
        for value, order in zip(node.outputs, orders, strict=False):
            storage = natural_storage(self.space, value, order)
            shape = _static_shape(self.space, value, storage)
            tensor = self.recorder.stand_in(read, shape, keras_dtype(value.type.dtype))
            self.values.put(value, tensor, storage)

    def _rename_axes(self, node: Node) -> None:
        """Lower a view, permutation or alias: the stored tensor stays, its axes are renumbered."""
        source, target = node.operands[0], node.outputs[0]
        terms, signature = self.space.terms[node], self.plan.signatures[node]
        assert terms is not None
        stored = self.values.fetch_in_order(source, signature.orders[0])
        inside, outside = terms.labels
        if any(label.slot.kind is LabelKind.BLOCK for label, _ in inside):
            storage = natural_storage(self.space, target, signature.orders[1])
            have = storage_shape(self.space, source, stored.storage)
            want = storage_shape(self.space, target, storage)
            self.values.put(target, reshape(stored.tensor, have, want), storage)
            return
        new_axes = {label: axis for axis, label in enumerate(outside)}
        groups = []
        for group in stored.storage:
            labels = [inside[axis] for axis in group if inside[axis] in new_axes]
            groups.append(tuple(map(new_axes.__getitem__, labels)))
        self.values.put(target, stored.tensor, tuple(groups))

    def _convert(self, node: Node, lowering: Lowering) -> None:
        """Call a node's converter, and store its results."""
        self._require_terms(node, lowering)
        chosen = self._keep_storage(node)
        if chosen is None:
            stored = list(map(self.values.storage_of, node.operands))
            chosen = choose_storage(self.space, node, self.plan.signatures[node], stored)
        arguments = collect_arguments(node, lowering, chosen, self.values)
        by_name = locate_axes(lowering, node, chosen)
        if lowering.asks_context:
            by_name[CONTEXT] = make_context(node, chosen, self.space, self.read_results)
        results = lowering.convert(*arguments, **by_name)
        if not isinstance(results, list | tuple):
            results = (results,)
        self._store(node, results, chosen)

    def _require_terms(self, node: Node, lowering: Lowering) -> None:
        """Raise LoweringError where a converter relies on a declaration that does not fit."""
        if self.space.terms[node] is not None:
            return
        patterns = lowering.patterns(node)
        if patterns is None:
            return
        theirs, ours = patterns
        if ours is not None or theirs.has_groups:
            raise LoweringError(
                "the axes of these operands cannot be matched with the op's declaration, on which"
                " its lowering relies",
                [("next", _next_split(node))],
            )

    def _keep_storage(self, node: Node) -> NodeStorage | None:
        """Return the storage that the operand has, whatever it is, for all of a pointwise op.

        None where the op is another, has several operands, or the operand's order does not fit.
        """
        terms, operands = self.space.terms[node], node.operands
        if terms is None or not terms.pointwise or len(operands) != 1:
            return None
        if (
            isinstance(operands[0], Constant)
            or operands[0].type.shape != node.outputs[0].type.shape
        ):
            return None
        storage = self.values[operands[0]].storage
        wanted = self.plan.signatures[node].orders[0]
        if storage_order(self.space, operands[0], storage) != wanted:
            return None
        return NodeStorage((storage,) * (1 + len(node.outputs)), ({}, {}))

    def _store(self, node: Node, results: Sequence[Any], chosen: NodeStorage) -> None:
        """Say where the results of a converter lie, in the dtypes that PyTorch gives them.

        Raises LoweringError where one is missing that the model reads, or has another shape.
        """
        storages = chosen.storages[len(node.operands) :]
        for value, result, storage in zip(node.outputs, results, storages, strict=False):
            if result is not None:
                tensor = _check_shape(
                    node, as_tensor(result), _static_shape(self.space, value, storage)
                )
                self.values.put(value, cast(tensor, value.type.dtype), storage)
            elif value in self.read_results.values:
                raise LoweringError(
                    f"the model uses {value}, a result of {node.op} that is not computed in Keras",
                    [
                        ("why", self.lowerings[node.op].summary),
                        ("next", "leave this result unused, as with return_indices=False"),
                    ],
                )

    def fetch_outputs(self) -> list[Stored | None]:
        """Return the graph's outputs in the plan's orders; None for one that is no tensor."""
        outputs: list[Stored | None] = []
        for number, (value, order) in enumerate(
            zip(self.graph.outputs, self.plan.outputs, strict=True)
        ):
            if order is None or not isinstance(value, Value):
                outputs.append(None)
            else:
                storage = self._find_output_storage(number, value, order)
                outputs.append(Stored(as_tensor(self.values.fetch(value, storage)), storage))
        return outputs

    def _find_output_storage(self, number: int, value: Value, order: Order) -> Storage:
        """Return how an output is stored: as asked for, or as it is where that is in order."""
        if number in self.plan.units:
            return natural_storage(self.space, value, self.plan.units[number])
        stored = self.values.storage_of(value)
        if (
            stored is not None
            and storage_order(self.space, value, stored) == order
            and is_port_storage(self.space, value, stored)
        ):
            return stored
        return natural_storage(self.space, value, order)


def _check_shape(node: Node, tensor: Tensor, expected: Shape) -> Tensor:
    """Return a result with the sizes that Keras does not know; a wrong one is refused."""
    fits = tensor.ndim == len(expected)
    for here, there in zip(tensor.shape, expected, strict=False):
        fits = fits and (here is None or there is None or here == there)
    if not fits:
        raise LoweringError(
            f"the lowering of {node.op} gives {tensor.shape} where {expected} is due",
            [("next", "this is a bug of torch2keras; please report it")],
        )
    return tensor.fill_shape(expected)


def _next_step(node: Node) -> str:
    """Return what a user can do about an op that Keras refuses."""
    own = "register a lowering of your own: docs/add-an-op.md"
    if any(count_dynamic_sizes(value.type.shape) for value in node.operands):
        return f"leave a dimension of its inputs out of dynamic_shapes, or {own}"
    return own


def _next_split(node: Node) -> str:
    """Return what a user can do about an op whose axes are other ones than its operands'."""
    if any(count_dynamic_sizes(value.type.shape[1:]) for value in node.operands):
        return "leave dimensions that it divides, or that are a weight's too, out of dynamic_shapes"
    return (
        "where another op divides a dimension into other factors, write one of the two as reshape"
        " and permute"
    )


def _place_rows(node: Node) -> list[tuple[str, str]]:
    """Return where a node comes from, and what it reads, as rows of an error."""
    return [*node.origin.rows(), ("inputs", ", ".join(map(str, node.operands)))]
