"""What the backward of a custom `torch.autograd.Function` is, measured on random cotangents.

All is computed in float64. A backward is the derivative of its forward where autograd, going
through the operations of forward, gives the same; it has slopes where each number of the gradient
is multiplied by one of its own, whatever the gradient is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any

import torch
from torch.autograd import Function
from torch.utils import _pytree as pytree

from torch2keras.runtime.run_alone import patch_here

RELATIVE = 1e-9
"""How far two gradients in float64 may differ, as a share of the larger, and count as equal."""

SCALES = (1.0, 100.0)
"""Deviations of the random cotangents and of the random inputs: a clamp shows at one of them."""

Slope = float | None
"""The factor of a gradient on its way through; None where it is another one at each number."""


class Backward(Enum):
    """What the backward of a custom function is."""

    DERIVATIVE = auto()
    """The derivative of its forward."""
    SLOPE = auto()
    """A product of each number of the gradient with a slope of its own."""
    OTHER = auto()
    """Neither of these, or it could not be measured."""


@dataclass(frozen=True)
class Measured:
    """What was measured of one call; `slopes` by the place of an argument, where these are all."""

    backward: Backward
    slopes: Mapping[int, Slope]


OWN_FORWARD = "torch2keras_own_forward"
"""The attribute by which a function that stands for forward has forward itself."""


class StandInContext:
    """Stands for `ctx`: what forward leaves for backward, without what autograd makes of it."""

    def __init__(self, needs_input_grad: Sequence[bool]) -> None:
        self.needs_input_grad = tuple(needs_input_grad)
        self.saved_tensors: tuple[Any, ...] = ()
        self.is_in_place = False

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = tensors

    save_for_forward = save_for_backward

    def mark_dirty(self, *_: Any) -> None:
        self.is_in_place = True

    def mark_non_differentiable(self, *_: Any) -> None:
        """Tell autograd nothing."""

    set_materialize_grads = mark_shared_storage = mark_non_differentiable


def own_forward(cls: type[Function]) -> Callable[..., Any]:
    """Return the forward of a class, whatever it was replaced by."""
    found: Callable[..., Any] = cls.forward
    return getattr(found, OWN_FORWARD, found)


def takes_context(cls: type[Function]) -> bool:
    """Return whether forward takes the context; in the newer form `setup_context` does."""
    return cls.setup_context is Function.setup_context


def run_forward(cls: type[Function], args: Sequence[Any]) -> tuple[Any, StandInContext]:
    """Return what forward gives, as operations that can be differentiated, and its context.

    A `torch.no_grad` in forward is without effect: there, it is idle under autograd too.
    """
    ctx = StandInContext(list(map(is_float, args)))
    forward = own_forward(cls)
    with (
        patch_here(torch.no_grad, "__enter__", lambda _: None),
        patch_here(torch.no_grad, "__exit__", lambda *_: None),
    ):
        if takes_context(cls):
            return forward(ctx, *args), ctx
        output = forward(*args)
        cls.setup_context(ctx, tuple(args), output)
    return output, ctx


def measure(cls: type[Function], args: Sequence[Any]) -> Measured:
    """Return what the backward of one call is, at its inputs and at random ones.

    Random state is left as it was. What raises cannot be measured.
    """
    before = torch.get_rng_state()
    try:
        with torch.enable_grad():
            return _measure(cls, args)
    except Exception:  # noqa: BLE001 - a stranger's function may raise anything
        return Measured(Backward.OTHER, {})
    finally:
        torch.set_rng_state(before)


Slopes = dict[int, torch.Tensor]
"""By the place of an argument: the gradient of ones."""


def _measure(cls: type[Function], args: Sequence[Any]) -> Measured:
    generator = torch.Generator().manual_seed(0)
    inputs = [_map_floats(lambda x: x.detach().double(), args)]
    inputs += [
        _map_floats(partial(_draw, scale=scale, generator=generator), args) for scale in SCALES
    ]
    if all(_is_derivative(cls, given, generator) for given in inputs):
        return Measured(Backward.DERIVATIVE, {})
    found: list[Slopes] = []
    for given in inputs:
        slopes = _measure_slopes(cls, given, generator)
        if slopes is None:
            return Measured(Backward.OTHER, {})
        found.append(slopes)
    common: dict[int, Slope] = {}
    for place in sorted(set().union(*found)):
        slope = _find_common_number(place, found)
        if slope != 0:
            common[place] = slope
    return Measured(Backward.SLOPE, common)


def _is_derivative(cls: type[Function], args: Sequence[Any], generator: torch.Generator) -> bool:
    """Return whether the gradients are those of forward's own operations."""
    leaves = _as_leaves(args)
    theirs = _find_floats(cls.apply(*_copy_tensors(leaves)))
    ours = _find_floats(run_forward(cls, _copy_tensors(leaves))[0])
    cotangents = [_draw(output, 1.0, generator) for output in theirs]
    pairs = zip(
        _compute_gradients(theirs, leaves, cotangents),
        _compute_gradients(ours, leaves, cotangents),
        strict=True,
    )
    return all(_are_equal(*pair) for pair in pairs)


def _measure_slopes(
    cls: type[Function], args: Sequence[Any], generator: torch.Generator
) -> Slopes | None:
    """Return the gradients of ones; None where another gradient is no product with them."""
    leaves = _as_leaves(args)
    output = cls.apply(*_copy_tensors(leaves))
    if run_forward(cls, _copy_tensors(leaves))[1].is_in_place or not is_float(output):
        return None
    slopes: Slopes = {}
    for place, slope in _gradients_by_place(output, leaves, torch.ones_like(output)):
        if slope is not None:
            slopes[place] = slope
            if slope.shape != output.shape and slope.any():
                return None
    for scale in SCALES:
        cotangent = _draw(output, scale, generator)
        for place, found in _gradients_by_place(output, leaves, cotangent):
            if place in slopes and not _are_equal(found, slopes[place] * cotangent):
                return None
    return slopes


def _gradients_by_place(
    output: torch.Tensor, leaves: Sequence[Any], cotangent: torch.Tensor
) -> list[tuple[int, torch.Tensor | None]]:
    """Return (place, gradient) of each argument that is a float."""
    places = [place for place, leaf in enumerate(leaves) if is_float(leaf)]
    return list(zip(places, _compute_gradients([output], leaves, [cotangent]), strict=True))


def _compute_gradients(
    outputs: Sequence[torch.Tensor], leaves: Sequence[Any], cotangents: Sequence[torch.Tensor]
) -> list[torch.Tensor | None]:
    """Return the gradient for each leaf that is a float; None where it has none."""
    wanted = list(filter(is_float, leaves))
    live = [pair for pair in zip(outputs, cotangents, strict=True) if pair[0].requires_grad]
    if not live or not wanted:
        return [None] * len(wanted)
    heads, weights = zip(*live, strict=True)
    return list(torch.autograd.grad(heads, wanted, weights, allow_unused=True, retain_graph=True))


def _find_common_number(place: int, found: Sequence[Slopes]) -> Slope:
    """Return the number that all slopes at one place are; None where there are several."""
    if any(place not in slopes for slopes in found):
        return None
    numbers = torch.cat([slopes[place].flatten() for slopes in found])
    if not numbers.numel() or not _are_equal(numbers, numbers[0].expand_as(numbers)):
        return None
    return float(numbers[0])


def _are_equal(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    """Return whether two gradients are equal; none is one of zeros."""
    if one is None or other is None:
        given = one if other is None else other
        return given is None or not given.any()
    if one.shape != other.shape or not one.numel():
        return one.shape == other.shape
    size = torch.maximum(one.abs().max(), other.abs().max())
    return bool(((one - other).abs() <= RELATIVE * size).all())


def is_float(value: Any) -> bool:
    """Return whether a value is a tensor of floats."""
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _find_floats(outputs: Any) -> list[torch.Tensor]:
    return list(filter(is_float, pytree.tree_leaves(outputs)))


def _map_floats(function: Callable[..., torch.Tensor], args: Sequence[Any]) -> list[Any]:
    return [function(arg) if is_float(arg) else arg for arg in args]


def _draw(like: torch.Tensor, scale: float, generator: torch.Generator) -> torch.Tensor:
    """Return normal numbers of this deviation, in the shape of a tensor."""
    return scale * torch.randn(like.shape, generator=generator, dtype=torch.float64)


def _as_leaves(args: Sequence[Any]) -> list[Any]:
    """Return the arguments with floats of which autograd gives the gradients."""
    return _map_floats(lambda x: x.clone().requires_grad_(), args)


def _copy_tensors(args: Sequence[Any]) -> list[Any]:
    """Return copies of the tensors, which may be written to."""
    return [arg.clone() if isinstance(arg, torch.Tensor) else arg for arg in args]
