"""What stands differently between two layers of the module and of the twin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import permutations
from typing import Any

import numpy as np

from torch2keras.twins.causes.cause import Cause, CauseKind
from torch2keras.twins.causes.functions import GELU, LEAKY, TANH_GELU, NamedFunction
from torch2keras.twins.causes.glue import Fact, Glue, say_fact
from torch2keras.twins.causes.pads import say_pads
from torch2keras.twins.walk import RTOL, Divergence, measure_error

TELLING = ("function", "pool", "softmax")
"""The kinds of steps that cannot be written as others: one more or less is a difference."""


def explain_glue(
    ours: Glue, theirs: Glue, names: tuple[str, str], divergence: Divergence
) -> Iterator[Cause]:
    """Yield why the value before a layer is another though the layers before that agree.

    `names` are those of the two layers that read the value, or of the outputs.
    """
    found: dict[bool, list[Cause]] = {True: [], False: []}
    matcher = SequenceMatcher(
        None, [f.kind for f in ours.facts], [f.kind for f in theirs.facts], autojunk=False
    )
    for tag, start, end, left, right in matcher.get_opcodes():
        mine, others = ours.facts[start:end], theirs.facts[left:right]
        if tag == "equal":
            for one, other in zip(mine, others, strict=True):
                for kind, text in _compare(one, other, divergence):
                    found[True].append(Cause(kind, one.name, other.name, text, divergence.error))
            continue
        behind = _name_before(theirs, left) or names[1]
        for fact in mine:
            text = _say_missing(fact)
            found[fact.kind in TELLING].append(
                Cause(_kind_of(fact), fact.name, behind, text, divergence.error)
            )
        behind = _name_before(ours, start) or names[0]
        for fact in others:
            text = f"{say_fact(fact)} is in the twin alone"
            found[fact.kind in TELLING].append(
                Cause(_kind_of(fact), behind, fact.name, text, divergence.error)
            )
    if found[True]:
        yield from found[True]
        return
    kind, text = _explain_values(divergence)
    if kind is not CauseKind.UNKNOWN or not found[False]:
        yield Cause(kind, *names, text, divergence.error)
    else:
        yield from found[False]


def explain_dropouts(
    ours: Sequence[Fact], theirs: Sequence[Fact], names: tuple[str, str]
) -> Iterator[Cause]:
    """Yield the dropouts before a layer that are others: they show in training alone."""
    one = [fact.settings["rate"] for fact in ours]
    two = [fact.settings["rate"] for fact in theirs]
    if one == two:
        return
    if len(one) == len(two):
        for mine, other in zip(ours, theirs, strict=True):
            if mine.settings != other.settings:
                text = f"rate {other.settings['rate']:g}, the module's is {mine.settings['rate']:g}"
                yield Cause(CauseKind.DROPOUT, mine.name, other.name, f"dropout of {text}")
        return
    places = [names[0], names[1]]
    for side, dropouts in enumerate((ours, theirs)):
        if dropouts:
            places[side] = dropouts[0].name
    text = f"dropouts of rates {two} where the module has {one}"
    yield Cause(CauseKind.DROPOUT, places[0], places[1], text)


def _name_before(glue: Glue, place: int) -> str:
    """Return the name of the step before a place, or of the layer that all of them follow."""
    if place:
        return glue.facts[place - 1].name
    return glue.start


def _kind_of(fact: Fact) -> CauseKind:
    """Return what it is called when a step is missing or too many."""
    if fact.kind in ("function", "softmax"):
        return CauseKind.ACTIVATION
    if fact.kind == "pool":
        return CauseKind.POOLING
    return CauseKind.STEP


def _say_missing(fact: Fact) -> str:
    if fact.kind == "function":
        return f"the activation {say_fact(fact)} is missing in the twin"
    return f"{say_fact(fact)} is missing in the twin"


def _compare(one: Fact, two: Fact, divergence: Divergence) -> Iterator[tuple[CauseKind, str]]:
    """Yield what two steps of one kind have differently."""
    if one.kind == "function":
        yield from _compare_functions(one.settings["function"], two.settings["function"])
    elif one.kind == "pool":
        yield from _compare_pools(one.settings, two.settings, divergence)
    elif one.kind == "softmax" and one.settings != two.settings:
        axes = (
            f"softmax over axis {two.settings['axis']}, the module's is over {one.settings['axis']}"
        )
        yield CauseKind.AXIS, axes


def _compare_functions(one: NamedFunction, two: NamedFunction) -> Iterator[tuple[CauseKind, str]]:
    if one.is_near(two):
        return
    if one.name == two.name == LEAKY:
        text = f"negative slope {two.parameter or 0:.4g}, the module's is {one.parameter or 0:.4g}"
        yield CauseKind.SLOPE, text
    elif {one.name, two.name} == {GELU, TANH_GELU}:
        said = {GELU: "the exact one", TANH_GELU: "its approximation by tanh"}
        yield CauseKind.TANH_GELU, f"gelu is {said[two.name]}, the module's is {said[one.name]}"
    else:
        yield CauseKind.ACTIVATION, f"{two} where the module has {one}"


def _compare_pools(
    one: Mapping[str, Any], two: Mapping[str, Any], divergence: Divergence
) -> Iterator[tuple[CauseKind, str]]:
    if one["mode"] != two["mode"]:
        yield CauseKind.POOLING, f"{two['mode']} pooling where the module has {one['mode']} pooling"
        return
    for name in ("size", "strides"):
        mine, other = one.get(name), two.get(name)
        if mine is not None and other is not None and mine != other:
            yield CauseKind.POOLING, f"{name} {other} of the pooling, the module's {mine}"
            return
    is_longer = divergence.ours.size > divergence.theirs.size
    torch_pads = any(one.get("torch_padding") or ())
    fronts = _front(one), _front(two)
    if one.get("ceil_mode") and is_longer:
        text = "the last, incomplete window is left out: the module's pooling has ceil_mode=True"
        yield CauseKind.CEIL_MODE, f"{text}; pad at the end"
    elif one.get("count_include_pad") and torch_pads and not two["padded"]:
        text = "zeros around are left out of the average: the module has count_include_pad=True"
        yield CauseKind.COUNT_INCLUDE_PAD, f'{text}; use ZeroPadding and padding="valid"'
    elif one["mode"] == "average" and torch_pads and two["padded"] and not one["count_include_pad"]:
        text = "zeros around count in the average: the module has count_include_pad=False"
        yield CauseKind.COUNT_INCLUDE_PAD, f'{text}; use padding="same"'
    elif fronts[0] != fronts[1]:
        said = f"the module pads {say_pads(one['pads'])}, the twin {say_pads(two['pads'])}"
        yield CauseKind.PADDING, f'padding="{two["padding"]}" of the pooling: {said}'


def _front(settings: Mapping[str, Any]) -> list[int]:
    """Return what a pooling has in front; [] where its sizes are not known."""
    return [front for front, _ in settings["pads"] or ()]


def _explain_values(divergence: Divergence) -> tuple[CauseKind, str]:
    """Return why two values differ between which the same steps stand."""
    ours, theirs = divergence.ours, divergence.theirs
    if ours.ndim <= 5 and ours.size == theirs.size:
        for order in permutations(range(ours.ndim)):
            turned = ours.transpose(order)
            if turned.shape == theirs.shape and measure_error(turned, theirs) <= RTOL:
                text = f"dimensions stand in another order: the module's {order}; use Permute"
                return CauseKind.DIMENSION_ORDER, text
        is_same = np.allclose(np.sort(ours, axis=None), np.sort(theirs, axis=None), 1e-6, 1e-9)
        if is_same:
            text = "the values are the module's in another order: a Flatten, Reshape or Permute"
            return CauseKind.FLATTEN_ORDER, text
    return CauseKind.UNKNOWN, "other values come in, from the same values before"
