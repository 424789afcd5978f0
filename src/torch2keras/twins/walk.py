"""Both sides step by step, with equal weights and equal inputs, up to where they part.

The module's side is run first. Then the twin's steps are run in turn, and what enters and leaves a
matched layer is compared. Where it differs, the twin goes on with the module's value, so that each
difference is found where it arises, and none hides another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import permutations
from typing import Any

import numpy as np

from torch2keras.conversion.ports import Port
from torch2keras.runtime.arrays import to_numpy
from torch2keras.twins.assignments import Plan
from torch2keras.twins.float64_steps import Float64Steps, widen
from torch2keras.twins.matching import AtomPair
from torch2keras.twins.module_side import ModuleSide
from torch2keras.twins.steps import LayerGraph, LayerStep, Shape
from torch2keras.twins.twin_ports import order_output
from torch2keras.verification.metric import meaning

RTOL = 1e-7
"""What counts as equal in float64, relative to the largest value.

Keras itself keeps some constants in float32, which is worth 6e-9 (workarounds/float64_formulas.py).
"""

CONVOLUTIONS = ("kernel", "depthwise", "grouped")

MOST_FLATTENED = 5
"""The largest number of dimensions whose orders are tried behind a Flatten."""


class Where(StrEnum):
    """What of a layer is compared."""

    ENTERS = "enters"
    LEAVES = "leaves"
    OUTPUT = "output"


@dataclass(frozen=True, eq=False)
class MeetingPoint:
    """A value of the module's side and the twin's that is to be the same."""

    ours: int
    twin: int
    where: Where
    pair: AtomPair | None = None
    output: int = -1
    """The number of the model's output."""
    port: Port | None = None
    """That of the output in the converted module."""


@dataclass(frozen=True, eq=False)
class Divergence:
    """A checkpoint at which the two differ, though all before it is equal."""

    checkpoint: MeetingPoint
    error: float
    """Relative to the largest value; infinite where the shapes differ."""
    ours: np.ndarray
    theirs: np.ndarray
    """As the twin has it."""


@dataclass
class Walk:
    """What a walk has found."""

    divergences: list[Divergence] = field(default_factory=list)
    rows: dict[int, np.ndarray] = field(default_factory=dict)
    """For the `id` of an atom of the twin behind a Flatten which rows of our kernel its own are."""
    stopped: str = ""
    """Why the twin could not be run to its end; empty where it was."""
    values: dict[int, Any] = field(default_factory=dict)
    """The module's side, by number."""


def list_checkpoints(
    side: ModuleSide, twin: LayerGraph, pairs: Sequence[AtomPair], plan: Plan | None = None
) -> list[MeetingPoint]:
    """Return what can be compared, in the order of the twin's steps."""
    made = side.graph.made, twin.made
    skipped = plan.skipped if plan is not None else set()
    found = []
    for pair in pairs:
        if pair.ours.enters is not None and pair.twin.enters is not None:
            ours, theirs = pair.ours.enters, pair.twin.enters
            if pair.twin.family in CONVOLUTIONS:
                ours, theirs = skip_padding(made[0], ours), skip_padding(made[1], theirs)
            if (id(pair.twin), Where.ENTERS) not in skipped:
                found.append(MeetingPoint(ours, theirs, Where.ENTERS, pair))
        ends = _comparable_results(pair)
        if ends is not None and (id(pair.twin), Where.LEAVES) not in skipped:
            found.append(MeetingPoint(*ends, Where.LEAVES, pair))
    ports = side.conversion.outputs
    outputs = zip(side.graph.outputs, twin.outputs, ports, strict=True)
    for number, (ours, theirs, port) in enumerate(outputs):
        found.append(MeetingPoint(ours, theirs, Where.OUTPUT, output=number, port=port))
    return found


def _comparable_results(pair: AtomPair) -> tuple[int, int] | None:
    """Return what leaves both, if it is to be the same; both directions of one layer make one."""
    ours, theirs = pair.ours.leaves, pair.twin.leaves
    if ours is None or theirs is None:
        return None
    one, two = pair.ours.layer, pair.twin.layer
    if getattr(two, "return_sequences", False) and not getattr(one, "return_sequences", True):
        return None
    directions = {"forward", "backward"}
    if pair.ours.part != pair.twin.part and directions & {pair.ours.part, pair.twin.part}:
        return None
    return ours, theirs


def skip_padding(made: Mapping[int, LayerStep], value: int) -> int:
    """Return the value that is padded with zeros, or the value itself."""
    step = made.get(value)
    while step is not None and is_zero_padding(step):
        value = step.inputs[0]
        step = made.get(value)
    return value


def is_zero_padding(step: LayerStep) -> bool:
    """Whether a step pads with zeros and does nothing else."""
    if step.kind.startswith("ZeroPadding"):
        return True
    if step.kind != "Pad" or getattr(step.operation, "mode", "") != "constant":
        return False
    value = step.kwargs.get("constant_values")
    return value is None or value == 0


def walk(
    side: ModuleSide,
    twin: LayerGraph,
    pairs: tuple[Sequence[AtomPair], Sequence[AtomPair]],
    plan: Plan,
    inputs: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
    values: dict[int, Any] | None = None,
) -> Walk:
    """Run both sides in float64 on inputs (ours, the twin's), and compare at each checkpoint.

    `pairs` are those that match, and those that have other sizes at the same place: the twin goes
    on with our values behind them.

    `values` are those of the module's side, where they are known from another walk.
    """
    found = Walk()
    found.values = values or Float64Steps().run_all(side.graph, inputs[0])
    checkpoints: dict[int, list[MeetingPoint]] = {}
    matched, suspects = pairs
    for checkpoint in list_checkpoints(side, twin, [*matched, *suspects], plan):
        if checkpoint.pair not in suspects or checkpoint.where is Where.ENTERS:
            checkpoints.setdefault(checkpoint.twin, []).append(checkpoint)
    replaced = {}
    for pair in suspects:
        if pair.ours.leaves is not None and pair.twin.leaves is not None:
            replaced[pair.twin.leaves] = found.values[pair.ours.leaves]
    runner = Float64Steps(plan.arrays())
    theirs: dict[int, Any] = {}
    for number, array in zip(twin.inputs, inputs[1], strict=True):
        theirs[number] = widen(array)
        _check(found, theirs, number, checkpoints, runner, (side.graph, twin))
    for step in twin.steps:
        try:
            if step.outputs[0] in replaced:
                results = [replaced[step.outputs[0]]]
            else:
                results = runner.run(step, theirs)
        except Exception as error:  # noqa: BLE001 - Keras refuses what does not fit in many ways
            found.stopped = f"{step.name}: {str(error).partition(chr(10))[0]}"
            break
        theirs.update(zip(step.outputs, results, strict=True))
        for number in step.outputs:
            _check(found, theirs, number, checkpoints, runner, (side.graph, twin))
    return found


def _check(
    found: Walk,
    theirs: dict[int, Any],
    number: int,
    checkpoints: Mapping[int, Sequence[MeetingPoint]],
    runner: Float64Steps,
    graphs: tuple[LayerGraph, LayerGraph],
) -> None:
    """Compare a value of the twin where it has a checkpoint, and go on with the module's."""
    for checkpoint in checkpoints.get(number, ()):
        ours = to_numpy(found.values[checkpoint.ours])
        other = to_numpy(theirs[number])
        arranged = _arrange(found, checkpoint, ours, other, runner, graphs)
        error = measure_error(arranged, other)
        if error > RTOL:
            found.divergences.append(Divergence(checkpoint, error, arranged, other))
            theirs[number] = widen(arranged)


def _arrange(
    found: Walk,
    checkpoint: MeetingPoint,
    ours: np.ndarray,
    other: np.ndarray,
    runner: Float64Steps,
    graphs: tuple[LayerGraph, LayerGraph],
) -> np.ndarray:
    """Return our value in the twin's order of dimensions."""
    if checkpoint.port is not None:
        orders = [_drop_ones(ours, other), *order_output(checkpoint.port.to_torch(ours))]
        return min(orders, key=lambda x: measure_error(x, other))
    if checkpoint.pair is None:
        return ours
    twin = checkpoint.pair.twin
    if checkpoint.where is Where.LEAVES and (ours.ndim, other.ndim) == (3, 2):
        return _last_step(checkpoint.pair, ours)
    axes = channel_axes(checkpoint.pair, ours.ndim)
    if axes[0] != axes[1] and checkpoint.pair.ours.signature == twin.signature:
        return np.moveaxis(ours, *axes)
    if twin.family != "kernel" or "Conv" in twin.step.kind:
        return ours if ours.shape == other.shape else _drop_ones(ours, other)
    if checkpoint.where is Where.ENTERS:
        candidates = list(find_rows(graphs, checkpoint))
        if not all(map(_is_in_order, candidates)):
            return _choose_rows(found, checkpoint, candidates, ours, other, runner)
    leading = range(ours.ndim - 1)
    return min(_orders(ours, other, leading), key=lambda x: measure_error(x, other))


def channel_axes(pair: AtomPair, rank: int) -> tuple[int, int]:
    """Return which axis a layer takes for the channels, on our side and on the twin's."""
    found = []
    for atom in (pair.ours, pair.twin):
        axis = getattr(atom.layer, "axis", -1)
        if getattr(atom.layer, "data_format", "") == "channels_first":
            axis = 1
        if isinstance(axis, list | tuple):
            axis = axis[-1]
        found.append(axis % max(rank, 1))
    return found[0], found[1]


def _last_step(pair: AtomPair, ours: np.ndarray) -> np.ndarray:
    """Return what a recurrent layer gives at last, of what it gives at each step."""
    if pair.ours.part != "backward":
        return ours[:, -1]
    half = ours.shape[-1] // 2
    return np.concatenate([ours[:, -1, :half], ours[:, 0, half:]], axis=-1)


def _drop_ones(ours: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return our value in the twin's shape, where only sizes of one tell them apart."""
    is_same = [s for s in ours.shape if s != 1] == [s for s in other.shape if s != 1]
    return ours.reshape(other.shape) if is_same else ours


def _orders(ours: np.ndarray, other: np.ndarray, dims: range) -> Iterator[np.ndarray]:
    """Yield our value with some dimensions in each order that gives the twin's shape."""
    rest = tuple(range(len(dims), ours.ndim))
    yield _drop_ones(ours, other)
    if len(dims) > MOST_FLATTENED:
        return
    for order in permutations(dims):
        turned = ours.transpose((*order, *rest))
        if turned.shape == other.shape:
            yield turned


def _is_in_order(rows: np.ndarray) -> bool:
    return bool((rows == np.arange(rows.size)).all())


def _choose_rows(
    found: Walk,
    checkpoint: MeetingPoint,
    candidates: Sequence[np.ndarray],
    ours: np.ndarray,
    other: np.ndarray,
    runner: Float64Steps,
) -> np.ndarray:
    """Return our features in the order of the twin's Flatten, and let its kernel be in it too."""
    rows = min(candidates, key=lambda order: measure_error(ours[..., order], other))
    pair = checkpoint.pair
    if pair is None or _is_in_order(rows):
        return ours
    variable = pair.twin.slots["kernel"]
    kernel = runner.arrays[id(variable)]
    runner.arrays[id(variable)] = kernel.reshape(rows.size, -1)[rows].reshape(kernel.shape)
    found.rows[id(pair.twin)] = rows
    return ours[..., rows]


def find_rows(
    graphs: tuple[LayerGraph, LayerGraph], checkpoint: MeetingPoint, *, any_order: bool = False
) -> Iterator[np.ndarray]:
    """Yield the orders of features that a Flatten on both sides may have, ours first.

    Each says for a feature of the twin which one of ours it is. With `any_order` those come too in
    which the sizes do not stand as the twin has them.
    """
    ours = _find_flattened(graphs[0], checkpoint.ours)
    theirs = _find_flattened(graphs[1], checkpoint.twin)
    if ours is None or theirs is None or len(ours) > MOST_FLATTENED:
        return
    numbers = np.arange(int(np.prod(ours))).reshape(ours)
    for order in permutations(range(len(ours))):
        turned = numbers.transpose(order)
        if any_order or turned.shape == theirs:
            yield turned.reshape(-1)


def _find_flattened(graph: LayerGraph, value: int) -> tuple[int, ...] | None:
    """Return the sizes without ones and the batch that were flattened into a value, or None."""
    made = graph.made
    while value in made:
        step = made[value]
        if len(step.inputs) != 1:
            return None
        before, after = graph.shapes[step.inputs[0]], graph.shapes[value]
        if len(before) > len(after):
            sizes = _wide_sizes(before[1:])
            is_whole = sizes is not None and math.prod(sizes) == after[-1]
            return sizes if is_whole else None  # a mean over some dimensions is none
        if before != after:
            return None
        value = step.inputs[0]
    return None


def _wide_sizes(shape: Shape) -> tuple[int, ...] | None:
    sizes = []
    for size in shape:
        if size is None:
            return None
        if size != 1:
            sizes.append(size)
    return tuple(sizes)


def measure_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return how far the twin's value is from ours, relative to the largest; inf by shape."""
    if ours.shape != theirs.shape:
        return float("inf")
    difference = meaning(theirs, ours, RTOL)
    if difference.ok:
        return 0.0
    if difference.largest == 0.0:
        return difference.max_abs or float("inf")
    return difference.max_abs / difference.largest
