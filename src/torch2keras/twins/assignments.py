"""What each variable of the twin is to hold, and why; written all at once, and taken back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np

from torch2keras.graph.element_moves import Permute, describe_moves
from torch2keras.runtime.arrays import to_numpy
from torch2keras.twins.atoms import PARAMETER, Atom
from torch2keras.twins.mapping import PairRow, WeightRow
from torch2keras.twins.matching import AtomPair, Match
from torch2keras.twins.module_side import ModuleSide

NEUTRAL = {"bias": 0.0, "beta": 0.0, "gamma": 1.0, "mean": 0.0, "variance": 1.0}
"""What a weight holds that does nothing, by its role."""

Rows = Mapping[int, np.ndarray]
"""For the `id` of an atom of the twin which rows of our kernel its own are."""


@dataclass
class Plan:
    """The new values of a twin's variables."""

    values: dict[int, tuple[Any, np.ndarray]] = field(default_factory=dict)
    """`id` of a variable -> the variable, and what it is to hold, in its shape."""
    rows: list[PairRow] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    """What was done beside copying, in words."""
    torch_left: list[str] = field(default_factory=list)
    """The weights of the module that have no place in the twin, and why."""
    keras_left: list[str] = field(default_factory=list)
    """The weights of the twin that nothing of the module gives a value."""

    incomplete: set[int] = field(default_factory=set)
    """`id` of the twin's atoms that have no place for a weight of the module's."""
    skipped: set[tuple[int, str]] = field(default_factory=set)
    """`id` of an atom of the twin, and "enters" or "leaves": values that a factor makes others."""

    def put(self, variable: Any, array: np.ndarray) -> None:
        """Let a variable hold an array of as many elements."""
        self.values[id(variable)] = variable, array.reshape(tuple(variable.shape))

    def get(self, variable: Any) -> np.ndarray | None:
        """Return what a variable is to hold, if that is known."""
        held = self.values.get(id(variable))
        return None if held is None else held[1]

    def arrays(self) -> dict[int, np.ndarray]:
        """Return what is to be held by the `id` of the variable."""
        return {number: array for number, (_, array) in self.values.items()}

    @property
    def is_complete(self) -> bool:
        """Whether each weight of the module has a place, and each of the twin a value."""
        return not self.torch_left and not self.keras_left

    def apply(self) -> list[tuple[Any, np.ndarray]]:
        """Write the values into the variables, and return what they held before."""
        before = []
        for variable, array in self.values.values():
            before.append((variable, np.array(to_numpy(variable.value))))
            variable.assign(array)
        return before


def take_back(before: Sequence[tuple[Any, np.ndarray]]) -> None:
    """Give variables what they held before a plan was applied."""
    for variable, array in before:
        variable.assign(array)


def plan_weights(side: ModuleSide, match: Match, rows: Rows | None = None) -> Plan:
    """Return what the twin's variables are to hold for a matching of its atoms with the module's.

    A weight that only one side has is left out where it changes nothing (a bias of zeros, a factor
    of ones), or where it can be multiplied into its neighbours; else it is left over.
    """
    plan = Plan()
    partners = {id(pair.ours): pair.twin for pair in match.pairs}
    for pair in match.pairs:
        row = _plan_pair(plan, side, pair, (rows or {}).get(id(pair.twin)))
        plan.rows.append(row)
    for pair in match.pairs:
        for role in pair.ours.slots:
            if pair.twin_role(role) is None:
                _place_missing(plan, side, pair, role, partners)
    for atom in match.ours_left:
        if atom.whole is not None and _does_nothing(atom):
            continue
        if not _fold_norm(plan, side, atom, partners):
            plan.torch_left.append(f"{side.name(atom)} {_say_shapes(atom)}")
    for atom in match.twin_left:
        plan.keras_left.append(f"{atom.name} {_say_shapes(atom)}")
    return plan


def _say_shapes(atom: Atom) -> str:
    """Return what an atom holds: "(Conv1D: kernel 5x3x16, bias 16)"."""
    parts = []
    for role, variable in atom.slots.items():
        parts.append(f"{role} {'x'.join(map(str, variable.shape))}")
    return f"({atom.kind}: {', '.join(parts)})"


def _plan_pair(plan: Plan, side: ModuleSide, pair: AtomPair, rows: np.ndarray | None) -> PairRow:
    """Let the twin's atom hold what ours does; return the row of the mapping."""
    ours, twin = pair.ours, pair.twin
    texts = []
    for role, variable in twin.slots.items():
        name = f"{twin.name} {role}"
        source = pair.our_role(role)
        if source is not None:
            array = ours.values(source)
            sources = tuple(side.sources(ours, source))
            moves = side.moves(ours, source)
            if array.size != math.prod(variable.shape):
                sizes = f"{array.shape} in the module, {tuple(variable.shape)} in the Keras model"
                plan.torch_left.append(f"{side.name(ours)} {source}: {sizes}")
                continue
            if PARAMETER in (ours.family, twin.family):
                order = find_order(array.shape, tuple(variable.shape))
                if order is not None:
                    array = array.transpose(order)
                    moves = (*moves, *describe_moves([Permute(order)]))
            if source == "kernel" and rows is not None:
                array = array.reshape(len(rows), -1)[rows]
                moves = (*moves, "rows in the order of the twin's Flatten")
                plan.moved.append(f"{name}: rows in the order of the twin's Flatten")
            plan.put(variable, array)
            texts.append(WeightRow(sources, role, moves))
        elif role in NEUTRAL:
            plan.put(variable, np.full(tuple(variable.shape), NEUTRAL[role], dtype="float32"))
            plan.moved.append(f"{name}: only in the Keras model, all {NEUTRAL[role]:g}")
            texts.append(WeightRow((), role, (f"all {NEUTRAL[role]:g}",)))
        else:
            plan.keras_left.append(name)
    return PairRow(side.name(ours), twin.name, pair.how.value, tuple(texts))


def find_order(shape: Sequence[int], wanted: Sequence[int]) -> tuple[int, ...] | None:
    """Return the order of axes that gives a shape; None where the elements stay as they are.

    PyTorch's own order, with all axes backwards, comes first.
    """
    if tuple(shape) == tuple(wanted) or sorted(shape) != sorted(wanted):
        return None
    backwards = tuple(reversed(range(len(shape))))
    for order in (backwards, *permutations(range(len(shape)))):
        if [shape[axis] for axis in order] == list(wanted):
            return order
    return None


def _does_nothing(atom: Atom) -> bool:
    """Whether all weights of an atom are neutral: zeros to add, ones to multiply by."""
    return all(
        role in NEUTRAL and bool((atom.values(role) == NEUTRAL[role]).all()) for role in atom.slots
    )


def _place_missing(
    plan: Plan, side: ModuleSide, pair: AtomPair, role: str, partners: Mapping[int, Atom]
) -> None:
    """Find a place for a weight of the module that the twin's layer does not have."""
    values = pair.ours.values(role)
    name = " + ".join(side.sources(pair.ours, role)) or f"{side.name(pair.ours)} {role}"
    if role in NEUTRAL and bool((values == NEUTRAL[role]).all()):
        plan.moved.append(f"{name}: all {NEUTRAL[role]:g}, and {pair.twin.name} has none")
        return
    if role == "gamma" and _fold_gamma(plan, side, pair, values, partners):
        return
    plan.torch_left.append(f"{name}: {pair.twin.name} has no {role}")
    plan.incomplete.add(id(pair.twin))


def _find_layer_before(side: ModuleSide, norm: Atom, partners: Mapping[int, Atom]) -> Atom | None:
    """Return the twin's convolution whose result a norm alone reads, or None."""
    before = [side.atoms[place] for place in norm.before]
    if len(before) != 1 or len(before[0].after) != 1 or "kernel" not in before[0].slots:
        return None
    if before[0].family not in ("kernel", "grouped", "depthwise"):
        return None
    return partners.get(id(before[0]))


def _fold_gamma(
    plan: Plan, side: ModuleSide, pair: AtomPair, gamma: np.ndarray, partners: Mapping[int, Atom]
) -> bool:
    """Multiply the factor of a batch norm into the layer before it and the mean."""
    feeding = _find_layer_before(side, pair.ours, partners)
    mean = plan.get(pair.twin.slots.get("mean"))
    if feeding is None or mean is None:
        return False
    _scale_output(plan, feeding, gamma)
    plan.skipped |= {(id(feeding), "leaves"), (id(pair.twin), "enters")}
    plan.put(pair.twin.slots["mean"], mean * gamma)
    names = " + ".join(side.sources(pair.ours, "gamma"))
    plan.moved.append(f"{names}: multiplied into {feeding.name} and the mean of {pair.twin.name}")
    return True


def _scale_output(plan: Plan, feeding: Atom, factor: np.ndarray) -> None:
    """Multiply what a layer gives, channel by channel, by way of its weights."""
    for role in ("kernel", "bias"):
        variable = feeding.slots.get(role)
        held = plan.get(variable)
        if held is not None:
            wide = held.astype("float64").reshape(-1, factor.size) * factor.astype("float64")
            plan.put(variable, wide.astype(held.dtype))


def _fold_norm(plan: Plan, side: ModuleSide, norm: Atom, partners: Mapping[int, Atom]) -> bool:
    """Multiply a batch norm that the twin does not have into the layer before it."""
    feeding = _find_layer_before(side, norm, partners)
    if norm.family != "batch_norm" or feeding is None or "bias" not in feeding.slots:
        return False
    held = {role: norm.values(role).astype("float64") for role in norm.slots}
    scale = held.get("gamma", 1.0) / np.sqrt(held["variance"] + norm.layer.epsilon)
    _scale_output(plan, feeding, np.asarray(scale))
    plan.skipped.add((id(feeding), "leaves"))
    bias = plan.get(feeding.slots["bias"])
    if bias is None:
        return False
    shift = held.get("beta", 0.0) - held["mean"] * scale
    plan.put(feeding.slots["bias"], (bias + shift.reshape(bias.shape)).astype(bias.dtype))
    plan.moved.append(f"{side.name(norm)}: multiplied into {feeding.name}")
    return True


def list_weights(rows: Sequence[PairRow]) -> Iterator[str]:
    """Yield the names of the parameters and buffers that have a place in the twin."""
    for row in rows:
        for weight in row.weights:
            yield from weight.torch
