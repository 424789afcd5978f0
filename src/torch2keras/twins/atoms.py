"""Atoms: the parts of layers that hold weights, in a form that is the same for equal layers.

A Dense layer is a convolution of size one; a separable convolution is a depthwise and a pointwise
one; attention is its four projections; Bidirectional is two recurrent layers. The weights of equal
parts have equal elements in equal order, whatever shapes they are held in. A weight that a
stranger's layer has of its own is an atom, as a parameter is in a converted module.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from torch2keras.runtime.arrays import to_numpy
from torch2keras.twins.own_weights import WeightSource
from torch2keras.twins.steps import LayerGraph, LayerStep, find_parts, is_stranger

Signature = tuple[Any, ...]

PROJECTIONS = {
    "query": "query_dense",
    "key": "key_dense",
    "value": "value_dense",
    "output": "output_dense",
}
"""The parts of attention, and the attributes in which MultiHeadAttention has them."""

NORMS = ("LayerNormalization", "GroupNormalization", "RMSNormalization")

RECURRENT = ("LSTM", "GRU", "SimpleRNN")

ROLES = {
    "kernel": "kernel",
    "depthwise_kernel": "kernel",
    "pointwise_kernel": "kernel",
    "recurrent_kernel": "recurrent_kernel",
    "bias": "bias",
    "gamma": "gamma",
    "scale": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
    "embeddings": "embeddings",
    "alpha": "alpha",
}
"""The role of a weight, by the attribute in which a layer has it."""

PARAMETER = "parameter"
"""The family of a weight on its own."""

STATISTICS = "Normalization"
"""The layer that holds the mean and variance of the data, which no module has as parameters."""


@dataclass(eq=False)
class Atom:
    """A part of a layer with weights."""

    step: LayerStep
    """The first call of the layer."""
    layer: Any
    """The layer that has the weights; within attention or Bidirectional the inner one."""
    part: str
    """Which part of the layer, "" for all of it."""
    signature: Signature
    """What equal parts have in common: what it is, and the sizes of its weights."""
    slots: Mapping[str, Any]
    """Its variables by role: "kernel", "bias", "gamma", "mean", ..."""
    enters: int | None = None
    """The value that it reads; None within a layer."""
    leaves: int | None = None
    """The value that it makes; None within a layer."""
    before: set[int] = field(default_factory=set)
    """The places of the atoms whose results it reads, through steps without weights."""
    after: set[int] = field(default_factory=set)
    whole: Atom | None = None
    """The atom that it is one weight of, where it was cut off."""

    @property
    def name(self) -> str:
        """The name of the layer, and which part of it."""
        if self.whole is not None:
            (role,) = self.slots
            return f"{self.whole.name}:{role}"
        return f"{self.step.name}:{self.part}" if self.part else self.step.name

    @property
    def is_source(self) -> bool:
        """Whether it is a weight that reads nothing."""
        return isinstance(self.layer, WeightSource)

    @property
    def kind(self) -> str:
        """The name of the class of the layer that has the weights."""
        layer = self.layer.layer if isinstance(self.layer, WeightSource) else self.layer
        return type(layer).__name__

    @property
    def family(self) -> str:
        """What kind of weights it holds."""
        return str(self.signature[0])

    @property
    def size(self) -> int:
        """The number of its weights' elements."""
        return sum(math.prod(variable.shape) for variable in self.slots.values())

    def values(self, role: str) -> np.ndarray:
        """Return the weight of a role as it is held."""
        return to_numpy(self.slots[role].value)


def find_atoms(graph: LayerGraph) -> list[Atom]:
    """Return the atoms of a model in the order of computation, with their neighbours."""
    atoms: list[Atom] = []
    places: dict[int, list[int]] = {}
    reach: dict[int, set[int]] = {number: set() for number in graph.inputs}
    for step in graph.steps:
        before = set[int]().union(*(reach[number] for number in step.inputs))
        own = places.get(id(step.operation))
        if own is None:
            own = []
            for atom in _parts_of(step):
                own.append(len(atoms))
                atoms.append(atom)
            places[id(step.operation)] = own
            _link_within(atoms, own)
        for place in own:
            if not atoms[place].is_source and atoms[place].part not in ("output", "pointwise"):
                atoms[place].before |= before - set(own)
        reach.update(dict.fromkeys(step.outputs, _find_last(atoms, own, before)))
    for atom in atoms:
        if atom.family == PARAMETER and not atom.before:
            atom.before |= _find_company(graph, atom, reach)
    for place, atom in enumerate(atoms):
        for other in atom.before:
            atoms[other].after.add(place)
    return atoms


def _find_company(graph: LayerGraph, atom: Atom, reach: Mapping[int, set[int]]) -> set[int]:
    """Return the atoms whose results a weight on its own is first put together with.

    Nothing stands before such a weight, and this is what its place is told by.
    """
    found: set[int] = set()
    waiting = list(atom.step.outputs)
    while waiting:
        value = waiting.pop()
        own = reach[value]
        for step in graph.readers.get(value, ()):
            company = set[int]().union(*(reach[number] for number in step.inputs)) - own
            found |= company
            if not company and reach[step.outputs[0]] == own:
                waiting += step.outputs
    return found


def _find_last(atoms: Sequence[Atom], own: Sequence[int], before: set[int]) -> set[int]:
    """Return the atoms that a step's results come from: `own` are its own."""
    if not own:
        return before
    if any(atoms[place].is_source for place in own):
        return before.union(own)
    if atoms[own[-1]].part == "backward":
        return set(own)
    return set(own[-1:])


def _link_within(atoms: Sequence[Atom], own: Sequence[int]) -> None:
    """Let the last projection of a layer follow the ones before it."""
    if own and atoms[own[-1]].part in ("output", "pointwise"):
        atoms[own[-1]].before |= set(own[:-1])


def _parts_of(step: LayerStep) -> Iterator[Atom]:
    """Yield the atoms of one step."""
    operation = step.operation
    if isinstance(operation, WeightSource):
        yield _take_source(step, operation)
        return
    if not isinstance(operation, keras.Layer) or not operation.weights:
        return
    if step.kind == STATISTICS:
        return
    if is_stranger(operation):
        for inner in _parts_within(step, operation):
            for atom in _parts_of(inner):
                atom.enters = atom.leaves = None
                yield atom
        return
    enters = step.inputs[0] if step.inputs else None
    leaves_at = step.outputs[0]
    if isinstance(operation, keras.layers.MultiHeadAttention):
        for part, attribute in PROJECTIONS.items():
            inner_layer = getattr(operation, attribute)
            reads = enters if part == "query" else None
            makes = leaves_at if part == "output" else None
            yield _make_atom(step, inner_layer, part, reads, makes)
    elif isinstance(operation, keras.layers.Bidirectional):
        yield _make_atom(step, operation.forward_layer, "forward", enters)
        yield _make_atom(step, operation.backward_layer, "backward", enters, leaves_at)
    elif step.kind.startswith("SeparableConv"):
        yield from _separate(step, operation, enters, leaves_at)
    else:
        yield _make_atom(step, operation, "", enters, leaves_at)


def _parts_within(step: LayerStep, layer: Any) -> Iterator[LayerStep]:
    """Yield a step for each part of a layer that cannot be looked into."""
    for part in find_parts(layer):
        own = part.variable if isinstance(part, WeightSource) else part
        yield LayerStep(part, f"{step.name}/{own.name}", (), {}, step.inputs, step.outputs)


def _take_source(step: LayerStep, source: WeightSource) -> Atom:
    """Return a weight on its own as an atom."""
    name = source.variable.name
    signature = (PARAMETER, math.prod(source.variable.shape))
    return Atom(step, source, "", signature, {ROLES.get(name, name): source.variable})


def _make_atom(
    step: LayerStep, layer: Any, part: str, enters: int | None = None, leaves: int | None = None
) -> Atom:
    slots = _find_slots(layer)
    return Atom(step, layer, part, sign_layer(layer, slots), slots, enters, leaves)


def _separate(step: LayerStep, layer: Any, enters: int | None, leaves: int) -> Iterator[Atom]:
    """Yield a separable convolution as a depthwise and a pointwise one."""
    *sizes, channels, multiplier = layer.depthwise_kernel.shape
    first = {"kernel": layer.depthwise_kernel}
    signature = ("depthwise", tuple(sizes), channels, multiplier)
    yield Atom(step, layer, "depthwise", signature, first, enters)
    second = {"kernel": layer.pointwise_kernel}
    if layer.use_bias:
        second["bias"] = layer.bias
    *_, channels, filters = layer.pointwise_kernel.shape
    yield Atom(step, layer, "pointwise", ("kernel", (), channels, filters), second, None, leaves)


def _find_slots(layer: Any) -> dict[str, Any]:
    """Return a layer's variables by role; those of unknown attributes by their names."""
    holder = layer
    if type(layer).__name__ in RECURRENT:
        holder = layer.cell
    slots: dict[str, Any] = {}
    known: set[int] = set()
    for attribute, role in ROLES.items():
        variable = getattr(holder, attribute, None)
        if isinstance(variable, keras.Variable) and role not in slots:
            slots[role] = variable
            known.add(id(variable))
    for variable in layer.weights:
        if id(variable) not in known and "seed_generator" not in variable.path:
            slots[variable.name] = variable
    return slots


def sign_layer(layer: Any, slots: Mapping[str, Any]) -> Signature:
    """Return what equal layers have in common: what they are, and the sizes of their weights."""
    kind = type(layer).__name__
    kernel = slots.get("kernel")
    if kind in RECURRENT:
        backwards = bool(layer.go_backwards)
        return (kind, kernel.shape[0], layer.units, backwards) if kernel is not None else (kind,)
    if kind == "BatchNormalization":
        return ("batch_norm", slots["mean"].shape[0])
    if kind in NORMS:
        (first, *_) = slots.values()
        return ("norm", math.prod(first.shape))
    if kind == "Embedding":
        return ("embedding", *slots["embeddings"].shape)
    if kind == "EinsumDense" and kernel is not None:
        return _sign_einsum(layer, kernel)
    if kind == "Dense" and kernel is not None:
        if kernel.shape[0] == 1 and "bias" not in slots:
            return (PARAMETER, math.prod(kernel.shape))
        return ("kernel", (), *kernel.shape)
    if kind.startswith(("Conv", "DepthwiseConv")) and kernel is not None:
        return _sign_convolution(kind, layer, kernel)
    sizes = sorted(math.prod(variable.shape) for variable in slots.values())
    return (PARAMETER, *sizes)


def _sign_convolution(kind: str, layer: Any, kernel: Any) -> Signature:
    *sizes, inputs, outputs = kernel.shape
    if kind.startswith("Depthwise"):
        return ("depthwise", tuple(sizes), inputs, outputs)
    if kind.endswith("Transpose"):
        return ("transposed", tuple(sizes), outputs, inputs)
    if layer.groups > 1:
        if inputs == 1:
            return ("depthwise", tuple(sizes), layer.groups, outputs // layer.groups)
        return ("grouped", tuple(sizes), inputs, outputs, layer.groups)
    if math.prod(sizes) == 1:
        sizes = []
    return ("kernel", tuple(sizes), inputs, outputs)


def _sign_einsum(layer: Any, kernel: Any) -> Signature:
    """Return the signature of a projection: the sizes that the kernel sums over come first."""
    given, _, result = layer.equation.partition("->")
    letters = given.partition(",")[2]
    outputs = 1
    inputs = 1
    for letter, size in zip(letters, kernel.shape, strict=True):
        if letter in result:
            outputs *= size
        else:
            inputs *= size
    return ("kernel", (), inputs, outputs)
