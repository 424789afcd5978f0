"""What a write to a view does to the tensor that is viewed.

Views that only rename or regroup (permute, reshape) are inverted exactly; views of a part (slice,
select, diagonal, split) become a scatter of the part into the whole.
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
from torch2keras.fx_passes.fake_values import Emitter, same_size, same_sizes, size_as_number
from torch2keras.fx_passes.source_lines import origin_rows
from torch2keras.op_facts import OpKind, kind_of

aten = torch.ops.aten


# Ops that return a list of parts -> position of `dim` (None: a dimension that the name says), and
# whether a part has lost that dimension.
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

    `value` and `whole` are the fake values of the view and of what it views, as they were exported;
    for ops that return a list, `parts` are its elements and `index` is the one that is viewed.
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


def write_through_view(
    graph: fx.Graph, mode: FakeTensorMode, view: View, whole: fx.Node, part: fx.Node
) -> fx.Node:
    """Append the value of `whole` after its view has become `part`.

    Raises UnsupportedOpError where the view has no inverse (expand, unfold, as_strided, a view in
    another dtype), and for a part of a split along a dynamic dimension.
    """
    if _is_same_memory(view.value, view.whole):
        return part
    emit = Emitter(graph, mode, view.origin)
    new_whole = None
    if view.value.dtype == view.whole.dtype:
        new_whole = _invert_view(emit, view, whole, part)
    if new_whole is None:
        raise UnsupportedOpError(
            f"a write through {view.target} cannot be made functional",
            [
                *origin_rows(view.origin),
                ("next", "write to the tensor itself, or to a slice, or make a new value"),
            ],
        )
    return new_whole


def is_permutation(view: View) -> bool:
    """Whether a view has the elements of the whole, with the dimensions in another order."""
    kind = kind_of(view.target)
    return kind is OpKind.PERMUTES or (kind is OpKind.ADJOINS and not view.value.is_complex())


def invert_permutation(view: View, rank: int) -> list[int]:
    """The order of dims that undoes a permuting view.

    It is found by running the view on a tensor whose sizes tell its dims apart.
    """
    probe = torch.empty(tuple(range(2, rank + 2)), device="meta")
    order = [size - 2 for size in view.target(probe, *view.args[1:], **view.kwargs).shape]
    return [order.index(dim) for dim in range(rank)]


def _invert_view(emit: Emitter, view: View, whole: fx.Node, part: fx.Node) -> fx.Node | None:
    """Append `whole` with `part` in the place of the view; None for a view without inverse."""
    if is_permutation(view):
        order = invert_permutation(view, view.whole.ndim)
        return emit(aten.permute.default, part, order)
    # A stretched view that sees an element several times has no inverse.
    regroups = kind_of(view.target) in (OpKind.REGROUPS, OpKind.STRETCHES)
    if regroups and same_size(view.value.numel(), view.whole.numel()):
        return emit(aten.reshape.default, part, _emit_shape(emit, whole))
    if view.target is aten.slice.Tensor:
        dim, start = view.argument(1, "dim", 0), view.argument(2, "start", None)
        end, step = view.argument(3, "end", None), view.argument(4, "step", 1)
        return emit(aten.slice_scatter.default, whole, part, dim, start, end, step)
    if view.target is aten.narrow.default:
        dim, start, length = view.args[1:4]
        end = _emit_sum(emit, start, length)
        if isinstance(start, int) and start < 0 and end == 0:
            end = None  # a negative start and the end of the dimension
        return emit(aten.slice_scatter.default, whole, part, dim, start, end)
    if view.target is aten.select.int:
        return emit(aten.select_scatter.default, whole, part, *view.args[1:3])
    if view.target is aten.diagonal.default:
        offset = view.argument(1, "offset", 0)
        first, second = view.argument(2, "dim1", 0), view.argument(3, "dim2", 1)
        return emit(aten.diagonal_scatter.default, whole, part, offset, first, second)
    if view.target in SPLITS:
        return _scatter_part_of_list(emit, view, whole, part)
    return None


def _scatter_part_of_list(emit: Emitter, view: View, whole: fx.Node, part: fx.Node) -> fx.Node:
    """Append `whole` with `part` in the place of one element of a split.

    Raises UnsupportedOpError where the place of the element depends on a symbolic size.
    """
    position, loses_dim = SPLITS[view.target]
    dim = view.argument(position, "dim", 0)
    if loses_dim:
        return emit(aten.select_scatter.default, whole, part, dim, view.index)
    sizes = [size_as_number(piece.shape[dim]) for piece in view.parts[: view.index + 1]]
    if None in sizes:
        raise UnsupportedOpError(
            f"a write to a part of {view.target} along a dynamic dimension cannot be made "
            "functional",
            [
                *origin_rows(view.origin),
                ("next", "make this dimension static, or write to a slice"),
            ],
        )
    start, end = list(accumulate(sizes, initial=0))[-2:]
    return emit(aten.slice_scatter.default, whole, part, dim, start, end)


def _emit_sum(emit: Emitter, first: Any, second: Any) -> Any:
    """The sum of two sizes: a number, or a node where one of them is symbolic."""
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    return emit(operator.add, first, second)


def _emit_shape(emit: Emitter, whole: fx.Node) -> list[Any]:
    """The shape of `whole` as arguments of a reshape.

    These are numbers, and -1 for one symbolic size or a node for each of several. Beside a size of
    0, PyTorch cannot tell what -1 stands for.
    """
    sizes: list[Any] = list(map(size_as_number, whole.meta["val"].shape))
    if sizes.count(None) == 1 and 0 not in sizes:
        sizes[sizes.index(None)] = -1
    for dim, size in enumerate(sizes):
        if size is None:
            sizes[dim] = emit(aten.sym_size.int, whole, dim)
    return sizes


def _is_same_memory(first: torch.Tensor, second: torch.Tensor) -> bool:
    return (
        first.dtype == second.dtype
        and same_sizes(first.shape, second.shape)
        and same_sizes(first.stride(), second.stride())
        and same_size(first.storage_offset(), second.storage_offset())
    )
