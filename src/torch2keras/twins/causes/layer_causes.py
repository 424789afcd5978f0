"""What two layers with equal weights and equal inputs have differently."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch2keras.twins.assignments import NEUTRAL
from torch2keras.twins.atoms import NORMS, RECURRENT
from torch2keras.twins.causes.cause import Cause, CauseKind
from torch2keras.twins.causes.functions import identify_function
from torch2keras.twins.causes.pads import as_list, find_pads, say_pads, say_short
from torch2keras.twins.matching import AtomPair
from torch2keras.twins.module_side import ModuleSide
from torch2keras.twins.steps import LayerGraph
from torch2keras.twins.walk import CONVOLUTIONS

RESET_AFTER = (
    "reset_after=False: PyTorch applies the reset gate behind the product, with a bias of its own; "
    "use reset_after=True"
)

BACKWARD = ":backward"
"""How the part of Bidirectional is called at which its result is compared."""

EPSILON_RTOL = 1e-5
"""From which share on two epsilons are others; one that is kept in float32 is not."""


def explain_layer(
    side: ModuleSide, twin: LayerGraph, pair: AtomPair, sizes: Sequence[int], error: float
) -> Iterator[Cause]:
    """Yield why a layer makes other values of equal inputs.

    `sizes` are those of its input without zeros around it, between the batch and the channels.
    """
    name = side.name(pair.ours).removesuffix(BACKWARD)
    other = pair.twin.name.removesuffix(BACKWARD)

    def make(kind: CauseKind, text: str) -> Cause:
        return Cause(kind, name, other, text, error)

    found = False
    for cause in find_missing(side, pair):
        found = True
        yield cause
    if pair.twin.family in CONVOLUTIONS and pair.ours.signature[1] and pair.twin.part == "":
        for kind, text in _convolution_causes(side.graph, twin, pair, sizes):
            found = True
            yield make(kind, text)
    for kind, text in _recurrent_causes(pair):
        found = True
        yield make(kind, text)
    for kind, text in _norm_causes(pair):
        found = True
        yield make(kind, text)
    if not found:
        for kind, text in _other_settings(pair):
            found = True
            yield make(kind, text)
    if not found:
        text = f"{pair.twin.kind} computes other values from the same input"
        yield make(CauseKind.UNKNOWN, text)


def find_missing(side: ModuleSide, pair: AtomPair) -> Iterator[Cause]:
    """Yield the weights of the module's layer that the twin's does not have, and that do much."""
    for role, variable in pair.ours.slots.items():
        neutral = NEUTRAL.get(role)
        does_nothing = neutral is not None and bool((pair.ours.values(role) == neutral).all())
        if pair.twin_role(role) is None and not does_nothing:
            kind = CauseKind.BIAS if role == "bias" else CauseKind.WEIGHT
            text = f"it has no {role}, and the module has one of shape {tuple(variable.shape)}"
            yield Cause(kind, side.name(pair.ours), pair.twin.name, text)


def static_causes(side: ModuleSide, pair: AtomPair) -> Iterator[Cause]:
    """Yield what two layers have differently that no value, or hardly any, shows."""
    name = side.name(pair.ours)
    if pair.twin.family == "batch_norm":
        ours, theirs = pair.ours.layer.momentum, pair.twin.layer.momentum
        if not math.isclose(ours, theirs, rel_tol=1e-6):
            text = (
                f"momentum={theirs:g} where the module's is {1 - ours:.4g} in PyTorch's sense, "
                f"which is {ours:.4g} in Keras's: statistics move at another rate in training"
            )
            yield Cause(CauseKind.MOMENTUM, name, pair.twin.name, text)
    for kind, text in _norm_causes(pair):
        if kind is CauseKind.EPSILON:
            yield Cause(kind, name, pair.twin.name, text)
    ours, theirs = (
        getattr(atom.step.operation, "dropout", None) for atom in (pair.ours, pair.twin)
    )
    is_first = pair.twin.part in ("", "query", "forward")
    if isinstance(ours, float) and isinstance(theirs, float) and is_first and ours != theirs:
        text = f"dropout={theirs:g} where the module's is {ours:g}"
        yield Cause(CauseKind.DROPOUT, name, pair.twin.step.name, text)


def _convolution_causes(
    ours: LayerGraph, twin: LayerGraph, pair: AtomPair, sizes: Sequence[int]
) -> Iterator[tuple[CauseKind, str]]:
    """Yield the settings of a convolution that are others."""
    mine, theirs = pair.ours.layer, pair.twin.layer
    for attribute, kind in (("strides", CauseKind.STRIDES), ("dilation_rate", CauseKind.DILATION)):
        one, two = (as_list(getattr(layer, attribute)) for layer in (mine, theirs))
        if one != two:
            text = f"{attribute}={say_short(two)} where the module's are {say_short(one)}"
            yield kind, text
    pads = find_pads(ours, pair.ours, sizes)
    other_pads = find_pads(twin, pair.twin, sizes)
    if pads == other_pads:
        return
    said = f"the module pads {say_pads(pads)}, the twin {say_pads(other_pads)}"
    if theirs.padding == "causal":
        mending = 'use padding="same", or ZeroPadding and padding="valid"'
        yield CauseKind.CAUSAL_PADDING, f'padding="causal": {said}; {mending}'
    elif theirs.padding == "same":
        stride = say_short(as_list(theirs.strides))
        mending = f'put ZeroPadding of {say_pads(pads)} in front, and use padding="valid"'
        yield CauseKind.PADDING, f'padding="same" at stride {stride}: {said}; {mending}'
    else:
        yield CauseKind.PADDING, f'padding="{theirs.padding}": {said}'


def _recurrent_causes(pair: AtomPair) -> Iterator[tuple[CauseKind, str]]:
    """Yield the settings of a recurrent layer that are others."""
    kind = pair.twin.kind
    mine, theirs = pair.ours.layer, pair.twin.layer
    if kind not in RECURRENT or type(mine).__name__ != kind:
        return
    if hasattr(theirs, "recurrent_activation"):
        one, two = (identify_function(x.recurrent_activation) for x in (mine, theirs))
        if not one.is_near(two):
            yield (
                CauseKind.RECURRENT_ACTIVATION,
                f"recurrent_activation is {two}, PyTorch's gates have {one}",
            )
    one, two = (identify_function(layer.activation) for layer in (mine, theirs))
    if not one.is_near(two):
        yield CauseKind.ACTIVATION, f"activation is {two}, the module has {one}"
    if getattr(theirs, "reset_after", None) is False and getattr(mine, "reset_after", None):
        yield CauseKind.RESET_AFTER, RESET_AFTER
    if mine.go_backwards != theirs.go_backwards:
        yield CauseKind.SETTING, f"go_backwards={theirs.go_backwards}"


def _norm_causes(pair: AtomPair) -> Iterator[tuple[CauseKind, str]]:
    """Yield the settings of a normalisation that are others."""
    mine, theirs = pair.ours.layer, pair.twin.layer
    kind = type(theirs).__name__
    if kind != "BatchNormalization" and kind not in NORMS:
        return
    one, two = (getattr(layer, "epsilon", None) for layer in (mine, theirs))
    if one is not None and two is not None and not math.isclose(one, two, rel_tol=EPSILON_RTOL):
        yield CauseKind.EPSILON, f"epsilon={two:g} where the module's is {one:g}"
    if getattr(mine, "groups", None) != getattr(theirs, "groups", None):
        yield CauseKind.SETTING, f"groups={getattr(theirs, 'groups', None)}"


SETTINGS = ("num_heads", "key_dim", "output_padding", "equation")
"""The attributes of other layers that may be others."""


def _other_settings(pair: AtomPair) -> Iterator[tuple[CauseKind, str]]:
    mine, theirs = pair.ours.step.operation, pair.twin.step.operation
    if type(mine) is not type(theirs):
        return
    for name in (*SETTINGS, "padding", "strides"):
        one, two = getattr(mine, name, None), getattr(theirs, name, None)
        if one != two:
            yield CauseKind.SETTING, f"{name}={two} where the module's is {one}"
