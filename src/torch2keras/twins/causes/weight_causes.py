"""What the twin's own weights hold differently, where most of them are the module's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch

from torch2keras.runtime.arrays import to_numpy
from torch2keras.twins.assignments import NEUTRAL, Plan
from torch2keras.twins.atoms import RECURRENT
from torch2keras.twins.causes.cause import Cause, CauseKind
from torch2keras.twins.matching import AtomPair, Match
from torch2keras.twins.sides import Sides
from torch2keras.twins.walk import MeetingPoint, Where, find_rows

RTOL = 1e-3
"""What counts as the same weight: a copy that went through float16 is one."""

GATES = {"LSTM": ("i", "f", "c", "o"), "GRU": ("z", "r", "h"), "SimpleRNN": ("h",)}
"""The gates of Keras's layers, in their order."""

IS_TRANSFERRED = 0.5
"""The share of kernels from which on a twin's weights count as transferred."""


@dataclass(frozen=True)
class OwnWeights:
    """How many of the twin's own weights are the module's."""

    equal: int
    compared: int
    causes: tuple[Cause, ...] = ()

    def __str__(self) -> str:
        return f"{self.equal} of {self.compared} of its own weights are the module's"


def check_own_weights(sides: Sides, match: Match, plan: Plan) -> OwnWeights:
    """Compare the weights that the twin has with those that it should have.

    Causes are looked for only where most kernels are the module's: else nothing was transferred.
    """
    equal, different, kernels = 0, [], []
    for pair in match.pairs:
        for role, variable in pair.twin.slots.items():
            wanted = plan.get(variable)
            if wanted is None:
                continue
            is_equal = is_close(to_numpy(variable.value), wanted)
            if role in ("kernel", "recurrent_kernel", "embeddings"):
                kernels.append(is_equal)
            if is_equal:
                equal += 1
            else:
                different.append((pair, role))
    causes: tuple[Cause, ...] = ()
    if kernels and sum(kernels) >= IS_TRANSFERRED * len(kernels):
        causes = _explain_weights(sides, plan, different)
    return OwnWeights(equal, equal + len(different), causes)


def _explain_weights(
    sides: Sides, plan: Plan, different: Sequence[tuple[AtomPair, str]]
) -> tuple[Cause, ...]:
    """Return why weights are others; what several of one layer have in common is said once."""
    found: dict[tuple[int, CauseKind, str], list[str]] = {}
    pairs: dict[int, AtomPair] = {}
    for pair, role in different:
        kind, text = _explain_weight(sides, plan, pair, role)
        pairs[id(pair)] = pair
        found.setdefault((id(pair), kind, text), []).append(role)
    causes = []
    for (number, kind, text), roles in found.items():
        pair = pairs[number]
        name = sides.module.name(pair.ours)
        causes.append(Cause(kind, name, pair.twin.name, f"{', '.join(roles)}: {text}"))
    return tuple(causes)


def is_close(own: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether two weights are the same but for rounding."""
    if own.shape != wanted.shape:
        return False
    largest = float(np.max(np.abs(wanted), initial=0.0))
    return bool(np.max(np.abs(own - wanted), initial=0.0) <= RTOL * largest)


def _explain_weight(sides: Sides, plan: Plan, pair: AtomPair, role: str) -> tuple[CauseKind, str]:
    """Return what became of a weight that is not the module's."""
    variable = pair.twin.slots[role]
    own = to_numpy(variable.value)
    wanted = plan.get(variable)
    if wanted is None:
        return CauseKind.WEIGHT, "no value of the module is known"
    for explained in (
        _explain_gates(pair, own, wanted),
        _explain_rows(sides, pair, role, own, wanted),
        _explain_bias(sides, pair, role, own),
        _explain_moves(own, wanted),
    ):
        if explained is not None:
            return explained
    if role in NEUTRAL and bool((own == NEUTRAL[role]).all()):
        return CauseKind.WEIGHT, f"still all {NEUTRAL[role]:g}: it was not transferred"
    return CauseKind.WEIGHT, "other values than the module's"


def _explain_gates(
    pair: AtomPair, own: np.ndarray, wanted: np.ndarray
) -> tuple[CauseKind, str] | None:
    kind = pair.twin.kind
    if kind not in RECURRENT:
        return None
    gates = GATES[kind]
    parts = np.split(wanted, len(gates), axis=-1)
    for order in permutations(range(len(parts))):
        if is_close(own, np.concatenate([parts[number] for number in order], axis=-1)):
            held = ", ".join(gates[number] for number in order)
            text = f"gates stand in the order {held}; Keras's {kind} has {', '.join(gates)}"
            return CauseKind.GATE_ORDER, text
    return None


def _explain_rows(
    sides: Sides, pair: AtomPair, role: str, own: np.ndarray, wanted: np.ndarray
) -> tuple[CauseKind, str] | None:
    ours, theirs = pair.ours.enters, pair.twin.enters
    if role != "kernel" or ours is None or theirs is None:
        return None
    checkpoint = MeetingPoint(ours, theirs, Where.ENTERS, pair)
    for rows in find_rows((sides.module.graph, sides.twin), checkpoint, any_order=True):
        flat = wanted.reshape(rows.size, -1)
        for moved in (flat[rows], flat[np.argsort(rows)]):
            if is_close(own.reshape(flat.shape), moved):
                text = (
                    "its rows are in PyTorch's order, channels first, and Keras's Flatten gives "
                    "channels last: permute the rows, or put Permute in front of Flatten"
                )
                return CauseKind.FLATTEN_ORDER, text
    return None


def _explain_bias(
    sides: Sides, pair: AtomPair, role: str, own: np.ndarray
) -> tuple[CauseKind, str] | None:
    """Tell one of PyTorch's two biases of a recurrent layer from their sum."""
    sources = sides.module.sources(pair.ours, role)
    if role != "bias" or len(sources) < 2:
        return None
    state = sides.converted.conversion.captured.program.state_dict
    for name in sources:
        if name in state and is_close(own.reshape(-1), _flat(state[name])):
            return (
                CauseKind.BIAS,
                f"it is {name} alone; Keras's is the sum of {' and '.join(sources)}",
            )
    return None


def _flat(tensor: torch.Tensor) -> np.ndarray:
    return to_numpy(tensor).reshape(-1)


def _explain_moves(own: np.ndarray, wanted: np.ndarray) -> tuple[CauseKind, str] | None:
    """Tell a weight whose dimensions are exchanged or run backwards."""
    for order in _orders(own.ndim):
        if wanted.transpose(order).shape == own.shape and is_close(own, wanted.transpose(order)):
            return CauseKind.WEIGHT, f"it is transposed: {order} of what it should be"
    spatial = tuple(range(max(own.ndim - 2, 0)))
    if spatial and is_close(own, np.flip(wanted, spatial)):
        return CauseKind.WEIGHT, "it runs backwards"
    return None


def _orders(rank: int) -> Iterator[Sequence[int]]:
    orders = permutations(range(rank))
    next(orders)
    yield from orders
