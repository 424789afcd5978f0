"""Find parameters that give a trained weight which PyTorch computes from them.

Such a weight is computed once, when the module is converted (folded), and is one weight in Keras:
the sum of a recurrent layer's two biases, a normalized kernel. Proposals for its parameters are
tried, and one is taken only where PyTorch computes the trained weight from it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from torch2keras.conversion.state_names import State
from torch2keras.graph.element_moves import element_numbers, view_elements
from torch2keras.graph.interpreter import find_sources, recompute_source
from torch2keras.graph.ir import Constant, Node

aten = torch.ops.aten

Parts = Sequence[tuple[Constant, torch.Tensor]]
"""Parameters, which may be rearranged, with the values proposed for them."""


@dataclass(frozen=True)
class Inverse:
    """How the result of an op gives its operands again."""

    arguments: Mapping[str, Any]
    """What the op's other arguments must be."""
    split: Callable[[torch.Tensor], Sequence[torch.Tensor]]

    def fits(self, node: Node) -> bool:
        """Return whether this node has the arguments that `split` is the inverse of."""
        return all(node.args[name] == value for name, value in self.arguments.items())


def split_sum(total: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two terms of a sum: the first has all of it, as their shares cannot be told."""
    return total, torch.zeros_like(total)


def split_stack(stacked: torch.Tensor) -> Sequence[torch.Tensor]:
    """Return the tensors that were stacked in dimension 0."""
    return stacked.unbind(0)


INVERSES: Mapping[Any, Inverse] = {
    aten.add.Tensor: Inverse({"alpha": 1}, split_sum),
    aten.stack.default: Inverse({"dim": 0}, split_stack),
}


def split_folded(
    constant: Constant, target: torch.Tensor, state: State, free: set[str]
) -> dict[str, torch.Tensor] | None:
    """Return new values of the parameters behind a folded constant, which then is `target`.

    `target` is in the place of `constant.tensor`. Only the paths `free` may get other values than
    `state` has. The answer is None where no proposal gives `target`, to two units in the last
    place.
    """
    sources = [source for source in find_sources(constant) if source.paths]
    trained = [s for s in sources if s.trainable and free.issuperset(s.paths)]
    for parts in _propose(constant, trained, target, state):
        proposed = write_parts(parts, state)
        if proposed is None:
            continue
        result = recompute_source(constant, {**state, **proposed}, {})
        if is_near(result, target, constant):
            return proposed
    return None


def is_near(result: torch.Tensor, target: torch.Tensor, constant: Constant) -> bool:
    """Return whether two values of a folded constant are equal but for rounding.

    It is measured in the coarsest of the dtypes of `target` and the constant's sources.
    """
    eps = 0.0
    for tensor in (target, *(source.tensor for source in find_sources(constant))):
        if tensor.is_floating_point():
            eps = max(eps, torch.finfo(tensor.dtype).eps)
    wide = target.to(torch.float64)
    return torch.allclose(result.to(torch.float64), wide, rtol=2 * eps, atol=0, equal_nan=True)


def _propose(
    constant: Constant, trained: Sequence[Constant], target: torch.Tensor, state: State
) -> Iterator[Parts]:
    """Yield values that the trained parameters may have."""
    yield from _propose_operands(constant, trained, target)
    shape = target.shape
    alike: dict[tuple[str, ...], Constant] = {}
    others: dict[tuple[str, ...], Constant] = {}
    for source in trained:
        fitting = alike if source.type.shape == shape else others
        fitting.setdefault(source.paths, source)
    if len(alike) != 1:
        return
    (direction,) = alike.values()
    # A projection, such as clamp or a limit on norms, leaves what is within its range.
    yield [(direction, target)]
    others.pop(direction.paths, None)  # itself, rearranged
    if len(others) == 1:
        (length,) = others.values()
        parts = _propose_norm(direction, length, target, state)
        if parts is not None:
            yield parts


def _propose_operands(
    constant: Constant, trained: Sequence[Constant], target: torch.Tensor
) -> Iterator[Parts]:
    """Yield the operands of the last op, where it has an inverse."""
    assert constant.recipe is not None
    node, _ = constant.recipe
    inverse = INVERSES.get(node.op)
    operands = [value for value in node.operands if isinstance(value, Constant)]
    if inverse is None or not inverse.fits(node) or not set(operands) <= set(trained):
        return
    if any(operand.type.shape != operands[0].type.shape for operand in operands):
        return
    parts = inverse.split(target)
    if len(parts) == len(operands):  # otherwise a number was added, which is no parameter
        yield list(zip(operands, parts, strict=True))


def _propose_norm(
    direction: Constant, length: Constant, target: torch.Tensor, state: State
) -> Parts | None:
    """Return weight_norm's factors: the weight itself, and its length in each of its slices.

    The answer is None where the shape of `length` is not that of norms.
    https://arxiv.org/abs/1602.07868, equation 2: w = g v / |v|.
    """
    shape = tuple(length.tensor.shape) if not length.moves else ()
    padded = (1,) * (target.ndim - len(shape)) + shape
    if length.moves or len(padded) != target.ndim:
        return None
    dims: list[int] = []
    for dim, (size, full) in enumerate(zip(padded, target.shape, strict=True)):
        if size not in (1, full):
            return None
        if size != full:
            dims.append(dim)
    wide = target.to(torch.float64)
    norms = torch.linalg.vector_norm(wide, dim=dims, keepdim=True) if dims else wide.abs()
    # A slice of zeros has no direction: its old one stays, at length zero.
    old = torch.zeros_like(wide)
    held = next((path for path in direction.paths if path in state), None)
    if held is not None and not direction.moves:
        old = view_elements(state[held]).to(torch.float64)
    return [(direction, torch.where(norms == 0, old, wide)), (length, norms.reshape(shape))]


def write_parts(parts: Parts, state: State) -> dict[str, torch.Tensor] | None:
    """Return the tensors of a state with parts written into them, rounded to their dtype.

    The answer is None where an element would get two values.
    """
    written: dict[str, torch.Tensor] = {}
    for source, part in parts:
        for path in source.paths:
            tensor = written.setdefault(path, state[path].clone())
            _write(tensor, source, part)
    for source, part in parts:
        for path in source.paths:
            again = written[path].clone()
            _write(again, source, part)
            if not torch.equal(again, written[path]):
                return None
    return written


def _write(tensor: torch.Tensor, source: Constant, part: torch.Tensor) -> None:
    """Write a part over the elements of a named tensor that a source has."""
    numbers = element_numbers(tuple(source.tensor.shape), source.moves).reshape(-1)
    flat = view_elements(tensor).view(-1)
    flat[numbers] = part.reshape(-1).to(flat)
