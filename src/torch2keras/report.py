"""The report: what became of each module, which transposes are left, and how close the numbers are.

Facts first, as dataclasses; `report_text` sets them in lines.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from torch2keras.ir import Constant, Graph, Node, Origin, Value
from torch2keras.keras_graph import Call, KerasGraph, Weight
from torch2keras.layout import LayoutPlan, Order, moves
from torch2keras.loops import loops
from torch2keras.ports import Port, letters, port_names

if TYPE_CHECKING:
    from torch2keras.converted import Conversion, Converted
    from torch2keras.verify import Check, Verification

TIERS = {"S": "float64", "N": "as saved"}
"""What the letters of the metric mean to a reader."""


@dataclass(frozen=True)
class KerasCall:
    """A stock layer with its name, or a stock op, whose name is empty."""

    kind: str
    name: str = ""


@dataclass(frozen=True)
class ModuleRow:
    """A module of the user's, and what Keras computes in its place; nothing where it only renames axes."""

    path: str
    cls: str
    source: str
    """The first line of the user's that it comes from, as "net.py:41"; empty inside torch.nn's own modules."""
    keras: tuple[KerasCall, ...]


@dataclass(frozen=True)
class Parameters:
    """Scalars on both sides. Keras's frozen ones hold buffers and constants too."""

    torch_trainable: int
    torch_frozen: int
    torch_buffers: int
    keras_trainable: int
    keras_frozen: int
    folded: Mapping[str, tuple[str, ...]]
    """Keras weight -> the parameters that it is computed from (weight_norm)."""
    tied: tuple[tuple[str, ...], ...]
    """Names of one and the same parameter."""
    unused: tuple[str, ...]
    """Parameters that no output depends on."""


@dataclass(frozen=True)
class Transpose:
    """A transpose that is left: a value that is written in one order and read in another."""

    value: str
    type: str
    written: str
    read: str
    readers: tuple[str, ...]


@dataclass(frozen=True)
class Tier:
    """The worst check of one tier: its error as a share of what is allowed."""

    tier: str
    share: float
    probe: str
    output: str
    max_abs: float


@dataclass(frozen=True)
class Verified:
    """What was compared, and the worst of each tier."""

    tiers: tuple[Tier, ...]
    probes: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]
    """Each set of inputs, with its shapes in PyTorch's order."""


@dataclass(frozen=True)
class Report:
    """Facts of one conversion. `str(report)` is a page of text, `report.as_dict()` plain data."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    rows: tuple[ModuleRow, ...]
    parameters: Parameters
    transposes: tuple[Transpose, ...]
    notes: tuple[str, ...]
    verified: Verified | None

    def as_dict(self) -> dict[str, Any]:
        """The report as dicts, lists, strings and numbers."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """The report as a JSON document."""
        return json.dumps(self.as_dict(), indent=2)

    def __str__(self) -> str:
        from torch2keras.report_text import report_text

        return report_text(self)


def make_report(converted: Converted) -> Report:
    """The report of a conversion, as it stands: with the last verification."""
    c, verification = converted.conversion, converted.verification
    calls = c.lowered.graph.calls
    model = converted.model
    parameters = parameters_of(c, _scalars(model.trainable_weights), _scalars(model.non_trainable_weights))
    return Report(
        c.lowered.graph.name,
        converted.inputs,
        converted.outputs,
        tuple(_rows(c.graph, calls)),
        parameters,
        tuple(transposes_of(c.graph, c.plan)),
        tuple(notes_of(c, parameters, verification)),
        _verified(verification) if verification else None,
    )


def _rows(graph: Graph, calls: Sequence[Call]) -> Iterator[ModuleRow]:
    """One row a module, in the order in which they first run."""
    origins: dict[str, Origin] = {}
    made: dict[str, list[KerasCall]] = {}
    for origin in [node.origin for node in graph.nodes] + [call.origin for call in calls]:
        known = origins.setdefault(origin.path, origin)
        if origin.source and not known.source:
            origins[origin.path] = origin
        made.setdefault(origin.path, [])
    for call in calls:
        made[call.origin.path].append(KerasCall(kind_of(call), call.name))
    for path, origin in origins.items():
        yield ModuleRow(path, origin.cls, origin.source, tuple(made[path]))


def kind_of(call: Call) -> str:
    """The layer or op of a call, as a reader knows it."""
    kind = call.target.removeprefix("layers.") if call.is_layer else call.target
    return f"{kind}({call.config['activation']!r})" if kind == "Activation" else kind


def parameters_of(conversion: Conversion, keras_trainable: int, keras_frozen: int) -> Parameters:
    """The scalars on both sides; those of Keras are given."""
    module, graph = conversion.module, conversion.lowered.graph
    own = dict(module.named_parameters())
    folded = {
        f"{call.name}.{attribute}": weight.constant.folded_from
        for call, attribute, weight in graph.weights()
        if weight.constant.folded_from
    }
    held = {path for _, _, weight in graph.weights() for path in weight.constant.paths}
    held |= {path for paths in folded.values() for path in paths}
    return Parameters(
        sum(p.numel() for p in own.values() if p.requires_grad),
        sum(p.numel() for p in own.values() if not p.requires_grad),
        sum(b.numel() for b in module.buffers()),
        keras_trainable,
        keras_frozen,
        folded,
        _tied(conversion),
        tuple(name for name in own if name not in held and not _written_out(conversion, name)),
    )


def _scalars(weights: Sequence[Any]) -> int:
    return sum(int(np.prod(w.shape)) for w in weights)


def _tied(conversion: Conversion) -> tuple[tuple[str, ...], ...]:
    names: dict[int, list[str]] = {}
    for name, parameter in conversion.module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return tuple(tuple(group) for group in names.values() if len(group) > 1)


def _written_out(conversion: Conversion, name: str) -> bool:
    """Whether a frozen parameter stands in the graph as a small constant."""
    reads = (v for node in conversion.graph.nodes for v in node.operands if isinstance(v, Constant))
    return any(name in v.paths or name in v.folded_from for v in reads)


def transposes_of(graph: Graph, plan: LayoutPlan) -> Iterator[Transpose]:
    """The transposes that the plan leaves, and who needs them."""
    uses = graph.uses()
    _, names = port_names(graph)
    ports = dict(zip([i for i, v in enumerate(graph.outputs) if isinstance(v, Value)], names, strict=True))
    for value, order in moves(graph, plan):
        readers = [_reader(node) for node in uses.get(value, []) if _reads(plan, node, value, order)]
        readers += [
            f"the output {ports[i]}" for i, out in enumerate(graph.outputs) if out is value and plan.outputs[i] == order
        ]
        yield Transpose(
            value.name, str(value.type), _spelled(plan, value, _written(graph, plan, value)),
            _spelled(plan, value, order), tuple(dict.fromkeys(readers)),
        )  # fmt: skip


def _written(graph: Graph, plan: LayoutPlan, value: Value) -> Order:
    for node in graph.nodes:
        if value in node.outputs:
            return plan.signatures[node].orders[len(node.operands) + node.outputs.index(value)]
    return plan.inputs[value]


def _reads(plan: LayoutPlan, node: Node, value: Value, order: Order) -> bool:
    orders = plan.signatures[node].orders
    return any(operand is value and orders[slot] == order for slot, operand in enumerate(node.operands))


def _reader(node: Node) -> str:
    where = node.origin.path or node.origin.cls
    op = str(node.op).removeprefix("aten.").partition(".")[0]
    return f"{op} in {where}" if where else op


def _spelled(plan: LayoutPlan, value: Value, order: Order) -> str:
    """An order as letters; a dimension that is several axes has them numbered: "n c0 l c1"."""
    dims, names = plan.space.dim_of(value), letters(value.type.rank)
    solid = plan.space.solid(value)
    inside = {i: [j for j in solid if dims[j] == dims[i]] for i in order}
    return " ".join(names[dims[i]] + (str(inside[i].index(i)) if len(inside[i]) > 1 else "") for i in order)


def notes_of(conversion: Conversion, parameters: Parameters, verification: Verification | None) -> Iterator[str]:
    """What the user should know, each a sentence."""
    yield from conversion.captured.notes
    if conversion.captured.strict:
        yield "torch.export took the module only with strict=True."
    sums = list(_bias_sums(conversion.lowered.graph))
    for weight, names in parameters.folded.items():
        if weight not in sums:
            yield f"{weight} is computed from {', '.join(names)}; in Keras it is one weight."
    for names in parameters.tied:
        yield f"{' = '.join(names)}: one parameter, and one weight in Keras where one layer reads it."
    for name, count in _apart(conversion.lowered.graph):
        yield f"{name} is held in {count} Keras weights that share elements: equal now, and training moves them apart."
    if parameters.unused:
        yield f"No output depends on {', '.join(parameters.unused)}; they are not in the Keras model."
    yield from _batch_norm_notes(conversion)
    yield from _recurrence_notes(conversion.lowered.graph, sums)
    yield from (verification.notes if verification else ())


def _batch_norm_notes(conversion: Conversion) -> Iterator[str]:
    """What further training does to batch normalization otherwise than in PyTorch."""
    norms = [call for call in conversion.lowered.graph.calls if call.target == "layers.BatchNormalization"]
    still = [call.name for call in norms if _has_cumulative_average(conversion.module, call)]
    if free := [call.name for call in norms if call.trainable and call.name not in still]:
        yield (
            f"Further training of {_some(free)}: Keras moves the running variance with a batch's biased variance, "
            "PyTorch with the unbiased one, n/(n-1) times as large for n numbers a channel."
        )
    if frozen := [call.name for call in norms if not call.trainable]:
        yield (
            f"The parameters of {_some(frozen)} are frozen, so these layers are: in training, Keras normalizes with "
            "their running statistics and leaves them as they are, PyTorch with those of the batch."
        )
    if still:
        yield f"The running statistics of {_some(still)} stay as they are in Keras: it has no cumulative average."


def _has_cumulative_average(module: nn.Module, call: Call) -> bool:
    """Whether a batch normalization is one with momentum=None."""
    own = dict(module.named_modules()).get(call.origin.path)
    return own is not None and getattr(own, "momentum", 0.1) is None


def _recurrence_notes(graph: KerasGraph, sums: Sequence[str]) -> Iterator[str]:
    """How the biases of recurrent layers are trained, and what makes these layers fast."""
    if sums:
        yield (
            f"{_some(sums)}: the sum of bias_ih and bias_hh, which moves half as far as PyTorch's two at the same "
            "learning rate. Once trained, state_dict gives it as bias_ih, and zeros as bias_hh."
        )
    if looping := loops(graph.calls):
        yield (
            f"{_some(looping)}: step by step. On a CPU, TensorFlow is 2 to 8 times as fast with jit_compile=True: "
            "model.predict and fit do so by themselves, tf.function and a SavedModel only when told."
        )


def _bias_sums(graph: KerasGraph) -> Iterator[str]:
    """The biases of recurrent layers in which PyTorch's two are summed."""
    for call, attribute, weight in graph.weights():
        recipe = weight.constant.recipe
        if recipe and attribute.endswith("cell.bias") and recipe[0].op is torch.ops.aten.add.Tensor:
            yield f"{call.name}.{attribute}"


def _apart(graph: KerasGraph) -> Iterator[tuple[str, int]]:
    """Parameters of which an element stands in several Keras weights, and in how many."""
    held: dict[str, list[Weight]] = {}
    for _, _, weight in graph.weights():
        if weight.trainable and weight.constant.paths:
            held.setdefault(weight.constant.paths[0], []).append(weight)
    for name, weights in held.items():
        numbers = np.concatenate([weight.numbers().numpy().ravel() for weight in weights])
        if len(weights) > 1 and len(np.unique(numbers)) < len(numbers):
            yield name, len(weights)


def _some(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:3]) + (f" and {len(unique) - 3} more" if len(unique) > 3 else "")


def _verified(verification: Verification) -> Verified:
    probes = dict.fromkeys((check.probe, check.shapes) for check in verification.checks)
    tiers = (_tier(name, [c for c in verification.checks if c.difference.tier == name]) for name in TIERS)
    return Verified(tuple(t for t in tiers if t is not None), tuple(probes))


def _tier(name: str, checks: Sequence[Check]) -> Tier | None:
    if not checks:
        return None
    worst = max(checks, key=_share)
    return Tier(name, _share(worst), worst.probe, worst.output, worst.difference.max_abs)


def _share(check: Check) -> float:
    """The error as a share of the bound; exact results have none."""
    difference = check.difference
    if difference.max_abs == 0.0:
        return 0.0
    return difference.max_abs / difference.bound_max if difference.bound_max else float("inf")
