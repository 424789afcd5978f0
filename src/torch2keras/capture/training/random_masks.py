"""Random tensors of an exported graph, read as distributions: masks and normal noise.

A mask is made by one random op and ops on each of its numbers alone, as in

    torch.rand(n, 1, 1) < 0.8        (0.8 + torch.rand(n, 1, 1)).floor()
    x.new_empty(n, 1, 1).bernoulli_(0.8) / 0.8

It is read by running these ops on every number that the random op may give: one of two, or a fine
grid of those between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from torch2keras.fx_passes.fake_values import same_size, same_sizes, size_as_number
from torch2keras.op_facts import OpKind, kind_of

aten = torch.ops.aten

GRID = 2**20
"""Into how many parts the numbers between 0 and 1 are cut; a share is known to one of them."""

TWO_VALUES = frozenset({aten.bernoulli.p, aten.bernoulli.default})
UNIFORM = frozenset({aten.rand.default, aten.rand_like.default})
NORMAL = frozenset({aten.randn.default, aten.randn_like.default})

NUMBERS_ALONE = frozenset(
    {
        *(aten.add.Tensor, aten.add.Scalar, aten.sub.Tensor, aten.sub.Scalar),
        *(aten.rsub.Scalar, aten.mul.Tensor, aten.mul.Scalar, aten.div.Tensor, aten.div.Scalar),
        *(aten.neg.default, aten.floor.default, aten.ceil.default, aten.round.default),
        *(aten.lt.Scalar, aten.le.Scalar, aten.gt.Scalar, aten.ge.Scalar),
        *(aten.logical_not.default, aten.bitwise_not.default),
        *(aten.eq.Scalar, aten.ne.Scalar),
    }
)
"""Ops on each number of one tensor by itself."""

DEVIATIONS = (-2.25, -0.5, 0.0, 1.0, 1.75)
"""Where normal noise is looked at: what is linear there is taken for linear."""

CONSTANT = (OpKind.ZEROS, OpKind.FILLS)


@dataclass(frozen=True)
class RandomTensor:
    """A random tensor: the values that its numbers have, and how probable each of them is."""

    values: torch.Tensor
    shares: torch.Tensor
    shape: tuple[Any, ...]
    """Its shape before it is broadcast: each index has a draw of its own."""
    is_normal: bool
    nodes: frozenset[fx.Node]
    """The nodes that make it."""

    def read_mask(self) -> tuple[float, float] | None:
        """Return the share of numbers that are not zero and their value.

        None where there is another than one, or all are alike.
        """
        kept = self.values != 0
        share = float(self.shares[kept].sum())
        if self.is_normal or not 0 < share < 1:
            return None
        found = self.values[kept]
        value = float(found[0])
        if not torch.allclose(found, found[0]):
            return None
        return share, value

    def read_deviation(self) -> float | None:
        """Return the standard deviation of normal noise of mean 0; None for any other."""
        if not self.is_normal:
            return None
        deviation = self.values[DEVIATIONS.index(1.0)]
        if not torch.allclose(self.values, deviation * torch.tensor(DEVIATIONS).double()):
            return None
        return abs(float(deviation))

    def find_dims(self, shape: Sequence[Any]) -> tuple[int, ...] | None:
        """Return the dims of a tensor of this shape along which the draws are not shared.

        None where the random tensor has not its sizes there.
        """
        missing = len(shape) - len(self.shape)
        if missing < 0:
            return None
        dims = []
        for dim, size in enumerate(self.shape):
            if size_as_number(size) == 1:
                continue
            if not same_size(size, shape[dim + missing]):
                return None
            dims.append(dim + missing)
        return tuple(dims)


Step = Callable[[torch.Tensor], torch.Tensor]


def read_random(node: fx.Node) -> RandomTensor | None:
    """Return what a node draws; None where it is not random alone."""
    steps: list[Step] = []
    shape = _shape_of(node)
    is_regrouped = False
    here = node
    chain = [node]
    while not _is_draw(here):
        operands = [arg for arg in here.args if isinstance(arg, fx.Node)]
        kind = kind_of(here.target)
        if kind is OpKind.CASTS or here.target in NUMBERS_ALONE:
            if kind is not OpKind.CASTS and (len(operands) != 1 or _has_nodes(here.kwargs)):
                return None
            steps.append(_as_step(here))
        elif kind is OpKind.STRETCHES and not is_regrouped:
            shape = _shape_of(operands[0])
        elif kind is OpKind.REGROUPS:
            is_regrouped = True
            if not same_sizes(_large_sizes(here), _large_sizes(operands[0])):
                return None
        elif kind is not OpKind.COPIES and not _is_whole_slice(here):
            return None
        if not operands:
            return None
        here = operands[0]
        chain.append(here)
    chain += _list_makers(here)
    drawn = _list_draws(here)
    if shape is None or drawn is None:
        return None
    values, shares = drawn
    for step in reversed(steps):
        values = step(values)
    return RandomTensor(values.double(), shares, shape, here.target in NORMAL, frozenset(chain))


def _shape_of(node: fx.Node) -> tuple[Any, ...] | None:
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


def _large_sizes(node: fx.Node) -> list[Any]:
    return [size for size in _shape_of(node) or () if size_as_number(size) != 1]


def _is_whole_slice(node: fx.Node) -> bool:
    """Return whether a node is `x[:]`, as it comes with `x[:, None]`."""
    if node.target is not aten.slice.Tensor or len(node.all_input_nodes) != 1:
        return False
    (operand,) = node.all_input_nodes
    return same_sizes(_shape_of(node) or (), _shape_of(operand) or ())


def _has_nodes(kwargs: Mapping[str, Any]) -> bool:
    return any(isinstance(arg, fx.Node) for arg in kwargs.values())


def _is_draw(node: fx.Node) -> bool:
    return node.target in TWO_VALUES or node.target in UNIFORM or node.target in NORMAL


def _as_step(node: fx.Node) -> Step:
    """Return what an op on single numbers does, as a function of its tensor."""
    dtype = node.meta["val"].dtype

    def run(values: torch.Tensor) -> torch.Tensor:
        if kind_of(node.target) is OpKind.CASTS:
            return values.to(dtype)
        args = [values if isinstance(arg, fx.Node) else arg for arg in node.args]
        result: torch.Tensor = node.target(*args, **node.kwargs)  # type: ignore[operator]
        return result

    return run


def _list_draws(node: fx.Node) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return what a random op may give, and how probable it is.

    Of a normal distribution, the values at some deviations.
    """
    if node.target in NORMAL:
        return torch.tensor(DEVIATIONS), torch.ones(len(DEVIATIONS))
    if node.target in UNIFORM:
        return (torch.arange(GRID) + 0.5) / GRID, torch.full((GRID,), 1 / GRID).double()
    kept = node.args[1] if node.target is aten.bernoulli.p else _read_fill(node.args[0])
    if not isinstance(kept, int | float):
        return None
    return torch.tensor([0.0, 1.0]), torch.tensor([1 - kept, kept]).double()


def _read_fill(node: Any) -> Any:
    """Return the number that fills a tensor; None where there is none."""
    if kind_of(node.target) is not OpKind.FILLS:
        return None
    names = [argument.name for argument in node.target._schema.arguments]
    place = names.index("fill_value")
    return node.args[place] if place < len(node.args) else node.kwargs.get("fill_value")


def _list_makers(draw: fx.Node) -> list[fx.Node]:
    """Return what is made for a draw alone: sizes, and memory without content."""
    found: list[fx.Node] = []
    pending = [draw]
    while pending:
        for operand in pending.pop().all_input_nodes:
            if kind_of(operand.target) in CONSTANT or _shape_of(operand) is None:
                found.append(operand)
                pending.append(operand)
    return found
