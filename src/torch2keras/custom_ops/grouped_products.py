"""The products of grouped rows, each group with a matrix of its own, as blocks of equal size.

A mixture of experts sorts its rows by expert. How many rows an expert has depends on values, so
`torch._grouped_mm` has no form in ops of known shapes, and none in float32 under torch.export.
During capture it is made of ATen ops: with G groups of S rows in all, blocks of S / G + 1 rows are
2 G at most, each of one group (the blocks of MegaBlocks, https://arxiv.org/abs/2211.15841, of as
many rows as make their number known). It multiplies twice as many rows as PyTorch, and 4 G more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torch2keras.custom_ops.attribute_exchange import exchange_attribute

pytorch_grouped_mm = torch._grouped_mm  # noqa: SLF001 - the public F.grouped_mm calls it


FALLBACK = "grouped_mm_fallback"
"""What transformers calls in its place, under torch.export."""

EXPERTS = "transformers.integrations.moe"
"""The module by which transformers chooses how experts run."""

IN_PLACE_OF: Mapping[str | None, str] = {"eager": "grouped_mm"}
"""How experts run during capture, by the name of how they do outside of it."""


@dataclass(frozen=True)
class Blocks:
    """Where the rows of each group stand among blocks of equal size."""

    rows: Tensor
    """The row that stands at each place (blocks, size); of another group where a block has less."""
    groups: Tensor
    """The group of each block (blocks)."""
    places: Tensor
    """The place of each row (S), counted through all blocks."""


def split_into_blocks(offsets: Tensor, row_count: Any) -> Blocks:
    """Return the blocks of the groups that end at these offsets (G), in `row_count` rows.

    Rows behind the last offset belong to the last group.
    """
    count = offsets.shape[0]
    # One more than needed: torch.export flattens wrongly where the example's size is 1.
    size = (row_count + count - 1) // count + 1
    ends = offsets.to(torch.int64)
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    blocks = (ends - starts + (size - 1)) // size
    last_blocks = blocks.cumsum(0)
    first_blocks = last_blocks - blocks

    block = torch.arange(2 * count)
    groups = _count_passed(block, last_blocks)
    first_rows = starts[groups] + (block - first_blocks[groups]) * size
    rows = first_rows.unsqueeze(1) + torch.arange(size)

    row = torch.arange(row_count)
    own = _count_passed(row, ends)
    places = first_blocks[own] * size + (row - starts[own])
    return Blocks(rows.clamp(max=row_count - 1), groups, places)


def _count_passed(places: Tensor, ends: Tensor) -> Tensor:
    """Return for each place how many ends are passed, the last one left out."""
    passed = places.unsqueeze(1) >= ends[:-1]
    return passed.sum(1)


def multiply_blocks(x: Tensor, matrices: Tensor, blocks: Blocks) -> Tensor:
    """Return the rows (S, N) of x (S, K), each times its group's of the matrices (G, K, N)."""
    products = torch.bmm(x[blocks.rows], matrices[blocks.groups])
    return products.flatten(0, 1)[blocks.places]


def multiply_groups(x: Tensor, matrices: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Return what `torch._grouped_mm` gives, group by group; in float64 too, which that has not.

    Rows behind the last offset, which PyTorch leaves as the memory has them, are zeros.
    """
    offsets = find_offsets(x, matrices, *args, **kwargs)
    if offsets is None:
        return pytorch_grouped_mm(x, matrices, *args, **kwargs)
    ends = offsets.tolist()
    products = [
        x[start:end] @ matrix
        for start, end, matrix in zip([0, *ends[:-1]], ends, matrices, strict=True)
    ]
    rest = x.new_zeros(x.shape[0] - ends[-1], matrices.shape[2])
    return torch.cat([*products, rest])


class BlockProducts:
    """What takes the place of PyTorch's function; products of the same groups share blocks.

    PyTorch's compiler, where a capture is the first to import it, keeps what stands in that place
    by its name: once out of use, this is PyTorch's function.
    """

    def __init__(self) -> None:
        """Begin with no groups known."""
        self.__name__ = pytorch_grouped_mm.__name__
        self.in_use = True
        self._latest: tuple[Tensor, Blocks] | None = None

    def __call__(self, x: Tensor, matrices: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the products of groups of rows by blocks, all others as PyTorch does."""
        offsets = find_offsets(x, matrices, *args, **kwargs)
        if offsets is None or not self.in_use:
            return pytorch_grouped_mm(x, matrices, *args, **kwargs)
        if self._latest is None or self._latest[0] is not offsets:
            self._latest = offsets, split_into_blocks(offsets, x.shape[0])
        return multiply_blocks(x, matrices, self._latest[1])


class OpStandIn:
    """A function in the place of an operator, which answers all else: PyTorch lists operators."""

    def __init__(self, function: Callable[..., Tensor], operator: Any) -> None:
        """Take what is called, and what is asked for all else."""
        self._function, self._operator = function, operator

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return what the function gives."""
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Return what the operator has by this name."""
        return getattr(self._operator, name)


def find_offsets(
    x: Tensor, matrices: Tensor, offs: Tensor | None = None, *args: Any, **kwargs: Any
) -> Tensor | None:
    """Return the offsets where these arguments are rows and a matrix for each group, else None."""
    is_plain = not any(option is not None for option in (*args, *kwargs.values()))
    return offs if is_plain and x.dim() == 2 and matrices.dim() == 3 else None


def _group_experts(get_interface: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `get_interface` of transformers that gives grouped products for loops over experts.

    Such a loop visits the experts that values choose; its sums are the same.
    """

    def get_grouped(self: Any, implementation: str | None, default: Any) -> Any:
        return get_interface(self, IN_PLACE_OF.get(implementation, implementation), default)

    return get_grouped


@contextmanager
def make_blocks_of_groups() -> Iterator[None]:
    """Let PyTorch's grouped products, and experts of transformers, be made of ATen ops, within."""
    products = BlockProducts()
    with ExitStack() as stack:
        stack.enter_context(exchange_attribute(torch, "_grouped_mm", products))
        if hasattr(torch.ops.transformers, FALLBACK):
            owner = torch.ops.transformers
            stand_in = OpStandIn(products, getattr(owner, FALLBACK))
            stack.enter_context(exchange_attribute(owner, FALLBACK, stand_in))
        interface = getattr(sys.modules.get(EXPERTS), "ExpertsInterface", None)
        if interface is not None:
            get_grouped = _group_experts(interface.get_interface)
            stack.enter_context(exchange_attribute(interface, "get_interface", get_grouped))
        try:
            yield
        finally:
            products.in_use = False
