"""The likely causes of what a walk has found, in the order of computation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch2keras.runtime.arrays import to_numpy
from torch2keras.twins.atoms import Atom
from torch2keras.twins.causes.cause import Cause, CauseKind, drop_repeated
from torch2keras.twins.causes.glue import Glue, read_dropouts, read_glue
from torch2keras.twins.causes.glue_causes import explain_dropouts, explain_glue
from torch2keras.twins.causes.layer_causes import (
    RESET_AFTER,
    explain_layer,
    find_missing,
    static_causes,
)
from torch2keras.twins.matching import AtomPair, Match
from torch2keras.twins.probing import Probed
from torch2keras.twins.sides import Sides
from torch2keras.twins.walk import (
    CONVOLUTIONS,
    Divergence,
    MeetingPoint,
    Where,
    channel_axes,
    list_checkpoints,
    skip_padding,
)


def diagnose(sides: Sides, probed: Probed) -> tuple[Cause, ...]:
    """Return why the twin differs from the module, each cause once.

    First what differs in value, then what has no counterpart, then what shows in training alone.
    """
    causes: list[Cause] = []
    for divergence in probed.walk.divergences:
        causes += _explain_divergence(sides, probed, divergence)
    causes += _explain_left(sides, probed)
    for pair in probed.match.pairs:
        causes += static_causes(sides.module, pair)
    causes += _explain_training(sides, probed.match)
    if probed.walk.stopped:
        text = f"the twin cannot be run further with the module's values: {probed.walk.stopped}"
        causes.append(Cause(CauseKind.SIZE, "", probed.walk.stopped.partition(":")[0], text))
    return drop_repeated(causes)


def _explain_divergence(sides: Sides, probed: Probed, divergence: Divergence) -> Iterator[Cause]:
    checkpoint = divergence.checkpoint
    pair = checkpoint.pair
    if checkpoint.where is not Where.LEAVES or pair is None:
        ours = read_glue(sides.module.graph, checkpoint.ours, sides.module)
        theirs = read_glue(sides.twin, checkpoint.twin)
        names = _names(sides, checkpoint)
        is_left = _follows_left(sides, probed.match, ours, theirs)
        for cause in explain_glue(ours, theirs, names, divergence):
            if cause.kind is CauseKind.DIMENSION_ORDER and pair is not None:
                yield _explain_order(cause, pair, divergence)
            elif cause.kind is not CauseKind.UNKNOWN or not is_left:
                yield cause
        return
    sizes: tuple[int, ...] = ()
    if pair.ours.enters is not None and pair.twin.family in CONVOLUTIONS:
        entered = skip_padding(sides.module.graph.made, pair.ours.enters)
        sizes = to_numpy(probed.walk.values[entered]).shape[1:-1]
    yield from explain_layer(sides.module, sides.twin, pair, sizes, divergence.error)


def _explain_order(cause: Cause, pair: AtomPair, divergence: Divergence) -> Cause:
    """Return why a value comes in another order: of a norm it may be the axis that is another."""
    one, two = channel_axes(pair, divergence.ours.ndim)
    if pair.twin.family not in ("batch_norm", "norm") or one == two:
        return cause
    text = f"it normalises axis {two}, the module axis {one}"
    return replace(cause, kind=CauseKind.AXIS, text=text)


def _follows_left(sides: Sides, match: Match, ours: Glue, theirs: Glue) -> bool:
    """Whether a value comes from a layer without a counterpart, which is named anyway."""
    left = {atom.step.name for atom in match.twin_left}
    mine = {sides.module.name(atom) for atom in match.ours_left}
    return theirs.start in left or ours.start in mine


def _names(sides: Sides, checkpoint: MeetingPoint) -> tuple[str, str]:
    """Return how both sides call what reads the value of a checkpoint."""
    if checkpoint.pair is not None:
        return sides.module.name(checkpoint.pair.ours), checkpoint.pair.twin.name
    port = sides.converted.outputs[checkpoint.output]
    return f"output {port.name}", f"output {checkpoint.output}"


def _explain_training(sides: Sides, match: Match) -> Iterator[Cause]:
    """Yield the dropouts that are others."""
    for checkpoint in list_checkpoints(sides.module, sides.twin, match.pairs):
        if checkpoint.where is Where.LEAVES:
            continue
        ours = read_dropouts(sides.module.graph, checkpoint.ours, sides.module)
        theirs = read_dropouts(sides.twin, checkpoint.twin)
        yield from explain_dropouts(ours, theirs, _names(sides, checkpoint))


def _explain_left(sides: Sides, probed: Probed) -> Iterator[Cause]:
    """Yield what has no counterpart: layers of other sizes at the same place, and weights."""
    suspects = {id(pair.ours): pair.twin for pair in probed.suspects}
    for atom in probed.match.ours_left:
        other = suspects.get(id(atom))
        name = sides.module.name(atom)
        if other is None:
            yield Cause(CauseKind.SIZE, name, "", f"no layer of the twin is {_say(atom)}")
        elif atom.family in ("batch_norm", "norm"):
            text = (
                f"it normalises another axis: {other.kind} of {other.signature[1]} "
                f"weights, the module's has {atom.signature[1]}"
            )
            yield Cause(CauseKind.AXIS, name, other.name, text)
        else:
            yield Cause(CauseKind.SIZE, name, other.name, f"{_say(other)} in place of {_say(atom)}")
    used = {id(pair.twin) for pair in probed.suspects}
    for atom in probed.match.twin_left:
        if id(atom) not in used:
            yield Cause(CauseKind.SIZE, "", atom.name, f"no layer of the module is {_say(atom)}")
    for pair in probed.match.pairs:
        if id(pair.twin) in probed.plan.incomplete:
            yield from find_missing(sides.module, pair)
        yield from _other_sizes(sides, probed, pair)


def _other_sizes(sides: Sides, probed: Probed, pair: AtomPair) -> Iterator[Cause]:
    """Yield the weights of a pair that have other sizes."""
    name = sides.module.name(pair.ours)
    for role in pair.ours.slots:
        mine, theirs = pair.ours.slots[role], pair.twin.slots.get(pair.twin_role(role) or "")
        if theirs is None or probed.plan.get(theirs) is not None:
            continue
        if getattr(pair.twin.layer, "reset_after", None) is False:
            yield Cause(CauseKind.RESET_AFTER, name, pair.twin.name, RESET_AFTER)
        else:
            text = f"{role} of shape {tuple(theirs.shape)}, the module's {tuple(mine.shape)}"
            yield Cause(CauseKind.SIZE, name, pair.twin.name, text)


def _say(atom: Atom) -> str:
    """Return what an atom is, and its sizes."""
    sizes = []
    for role, variable in atom.slots.items():
        sizes.append(f"{role} {'x'.join(map(str, variable.shape))}")
    return f"a {atom.kind} ({', '.join(sizes)})"
