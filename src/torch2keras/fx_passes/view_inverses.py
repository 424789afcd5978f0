"""What a write to a view does to the tensor that is viewed.

Views that only rename or regroup (permute, reshape) are inverted exactly; views of a part (slice, select, diagonal,
split) become a scatter of the part into the whole.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.fake_values import emit, same_size, same_sizes, static_size
from torch2keras.fx_passes.source_lines import origin_rows
from torch2keras.op_facts import OpKind, kind_of

aten = torch.ops.aten


# Ops that return a list of parts -> position of `dim` (None: a dimension that the name says), and whether a part
# has lost that dimension.
SPLITS: dict[OpOverload, tuple[int, bool]] = {
    aten.split.Tensor: (2, False),
    aten.split.sizes: (2, False),
    aten.split_with_sizes.default: (2, False),
    aten.chunk.default: (2, False),
    aten.tensor_split.sections: (2, False),
    aten.tensor_split.indices: (2, False),
    aten.unbind.int: (1, True),
}


@dataclass(frozen=True)
class View:
    """One view: the op with its arguments, as nodes of the new graph.

    `value` and `whole` are the fake values of the view and of what it views, as they were exported; for ops that
    return a list, `parts` are its elements and `index` is the one that is viewed.
    """

    origin: fx.Node
    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    value: torch.Tensor
    whole: torch.Tensor
    parts: Sequence[torch.Tensor] = ()
    index: int = 0

    def argument(self, position: int, name: str, default: Any) -> Any:
        """One argument of the op, by its place in the schema or by its name."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)


def written_through(
    graph: fx.Graph, mode: FakeTensorMode, view: View, whole: fx.Node, part: fx.Node
) -> fx.Node:
    """Append the value of `whole` after its view has become `part`.

    Raises UnsupportedOpError where the view has no inverse (expand, unfold, as_strided, a view in another dtype).
    """
    wanted = view.whole
    if _same_memory(view.value, wanted):
        return part
    if view.value.dtype == wanted.dtype:
        if permutes(view):
            order = inverse_permutation(view, wanted.ndim)
            return emit(graph, mode, view.origin, aten.permute.default, (part, order))
        kind = kind_of(view.target)
        if kind in (OpKind.REGROUPS, OpKind.STRETCHES) and _same_elements(view.value, wanted):
            shape = _shape(graph, mode, view.origin, whole)
            return emit(graph, mode, view.origin, aten.reshape.default, (part, shape))
        if (scattered := _scattered(graph, mode, view, whole, part)) is not None:
            return scattered
    raise UnsupportedOpError(
        f"a write through {view.target} cannot be made functional",
        [
            *origin_rows(view.origin),
            ("next", "write to the tensor itself, or to a slice, or make a new value"),
        ],
    )


def permutes(view: View) -> bool:
    """Return whether a view has the elements of the whole, with the dimensions in another order."""
    kind = kind_of(view.target)
    return kind is OpKind.PERMUTES or (kind is OpKind.ADJOINS and not view.value.is_complex())


def inverse_permutation(view: View, rank: int) -> list[int]:
    """The order of dims that undoes a permuting view, found by running it on a tensor whose sizes are its dims."""
    probe = torch.empty(tuple(range(2, rank + 2)), device="meta")
    order = [size - 2 for size in view.target(probe, *view.args[1:], **view.kwargs).shape]
    return [order.index(dim) for dim in range(rank)]


def _scattered(
    graph: fx.Graph, mode: FakeTensorMode, view: View, whole: fx.Node, part: fx.Node
) -> fx.Node | None:
    if view.target is aten.slice.Tensor:
        dim, start, end, step = (view.argument(1, "dim", 0), view.argument(2, "start", None),
                                 view.argument(3, "end", None), view.argument(4, "step", 1))  # fmt: skip
        return emit(
            graph,
            mode,
            view.origin,
            aten.slice_scatter.default,
            (whole, part, dim, start, end, step),
        )
    if view.target is aten.narrow.default:
        dim, start, length = view.args[1:4]
        end = _sum(graph, mode, view.origin, [start, length])
        if isinstance(start, int) and start < 0 and end == 0:
            end = None
        return emit(
            graph, mode, view.origin, aten.slice_scatter.default, (whole, part, dim, start, end)
        )
    if view.target is aten.select.int:
        return emit(
            graph, mode, view.origin, aten.select_scatter.default, (whole, part, *view.args[1:3])
        )
    if view.target is aten.diagonal.default:
        given = (
            view.argument(1, "offset", 0),
            view.argument(2, "dim1", 0),
            view.argument(3, "dim2", 1),
        )
        return emit(graph, mode, view.origin, aten.diagonal_scatter.default, (whole, part, *given))
    if view.target in SPLITS:
        return _scattered_part(graph, mode, view, whole, part)
    return None


def _scattered_part(
    graph: fx.Graph, mode: FakeTensorMode, view: View, whole: fx.Node, part: fx.Node
) -> fx.Node:
    position, gone = SPLITS[view.target]
    dim = view.argument(position, "dim", 0)
    if gone:
        return emit(
            graph, mode, view.origin, aten.select_scatter.default, (whole, part, dim, view.index)
        )
    sizes = [static_size(piece.shape[dim]) for piece in view.parts[: view.index + 1]]
    if None in sizes:
        raise UnsupportedOpError(
            f"a write to a part of {view.target} along a dynamic dimension cannot be made functional",
            [
                *origin_rows(view.origin),
                ("next", "make this dimension static, or write to a slice"),
            ],
        )
    ends = list(accumulate(sizes, initial=0))
    return emit(
        graph, mode, view.origin, aten.slice_scatter.default, (whole, part, dim, *ends[-2:])
    )


def _sum(graph: fx.Graph, mode: FakeTensorMode, origin: fx.Node, terms: list[Any]) -> Any:
    if all(isinstance(term, int) for term in terms):
        return sum(terms)
    return emit(graph, mode, origin, operator.add, tuple(terms))


def _shape(graph: fx.Graph, mode: FakeTensorMode, origin: fx.Node, whole: fx.Node) -> list[Any]:
    """The shape of `whole` as arguments: numbers, -1 for one symbolic size, nodes for more than one."""
    sizes: list[Any] = [static_size(size) for size in whole.meta["val"].shape]
    symbolic = [dim for dim, size in enumerate(sizes) if size is None]
    for dim in symbolic:
        alone = len(symbolic) == 1 and 0 not in sizes
        sizes[dim] = -1 if alone else emit(graph, mode, origin, aten.sym_size.int, (whole, dim))
    return sizes


def _same_memory(first: torch.Tensor, second: torch.Tensor) -> bool:
    return (
        first.dtype == second.dtype
        and same_sizes(first.shape, second.shape)
        and same_sizes(first.stride(), second.stride())
        and same_sizes([first.storage_offset()], [second.storage_offset()])
    )


def _same_elements(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether no element is seen twice: a regrouping keeps their number, an expand does not."""
    return same_size(first.numel(), second.numel())
