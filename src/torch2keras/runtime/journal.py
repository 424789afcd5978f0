"""A mode that keeps what a module writes to, so that it can be put back after a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._C import DisableTorchFunction
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from torch2keras.runtime.mapped_memory import release_pages

LARGE = 2**20
"""Bytes from which on a tensor is not copied where that can be helped."""


def memory_key(tensor: torch.Tensor) -> int:
    """The identity of the memory that `tensor` is a view of."""
    # data_ptr is 0 for every empty tensor
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001


class Journal(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps a copy of every tensor from outside that is about to be written to.

    `undo` puts the values back. A storage counts as from outside unless an operator under this mode
    has allocated it.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._allocated: set[int] = set()
        self._backups: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        with DisableTorchFunction():
            return self._call(func, args, kwargs or {})

    def _call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(
            func, torch._ops.HigherOrderOperator
        ):  # torch.cond, while_loop, scan: what they run comes here
            with self:
                return _run_control_flow(func, args, kwargs)
        schema = func._schema
        if schema.is_mutable:
            for index, argument in enumerate(schema.arguments):
                if argument.alias_info is not None and argument.alias_info.is_write:
                    written = args[index] if index < len(args) else kwargs.get(argument.name)
                    for leaf in tree_leaves(written):
                        if isinstance(leaf, torch.Tensor):
                            self._keep(leaf)
        given = {memory_key(leaf) for leaf in tree_leaves((args, kwargs)) if has_storage(leaf)}
        result = func(*args, **kwargs)
        self._allocated |= {
            memory_key(leaf) for leaf in tree_leaves(result) if has_storage(leaf)
        } - given
        release_pages(given)
        return result

    def _keep(self, tensor: torch.Tensor) -> None:
        if not has_storage(tensor):
            return
        key = memory_key(tensor)
        if key not in self._allocated and key not in self._backups:
            whole = whole_storage(tensor)
            self._backups[key] = (whole, whole.clone())

    def undo(self) -> None:
        """Write the kept values back into the tensors from outside.

        Call it when the mode is no longer active.
        """
        with torch.no_grad():
            for whole, kept in self._backups.values():
                whole.copy_(kept)
        self._backups.clear()


@contextmanager
def put_back(journal: Journal) -> Iterator[None]:
    """Write back at the end what was written under the journal."""
    try:
        yield
    finally:
        journal.undo()


def borrow(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy of a tensor for a run under a journal; of a large one the memory itself.

    What operators write to that, the journal puts back.
    """
    alone = tensor.detach()
    return alone if alone.nbytes >= LARGE else alone.clone()


def _run_control_flow(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the kernel of a higher-order operator does.

    Those of cond and scan refuse to run under a mode.
    """
    if func is torch.ops.higher_order.cond:
        predicate, yes, no, operands = args
        return (yes if predicate else no)(*operands)
    if func is torch.ops.higher_order.scan:
        function, carried, sequences, others, *_ = args
        made: list[list[Any]] = []
        for entries in zip(*sequences, strict=True):
            results = list(function(*carried, *entries, *others))
            carried, made = results[: len(carried)], [*made, results[len(carried) :]]
        return (*carried, *(torch.stack(parts) for parts in zip(*made, strict=True)))
    return func.py_kernels[torch._C.DispatchKey.CompositeExplicitAutograd](*args, **kwargs)


def has_storage(leaf: object) -> bool:
    """Return whether a leaf is a tensor with memory of its own kind."""
    return isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided


def whole_storage(tensor: torch.Tensor) -> torch.Tensor:
    """All of the memory that `tensor` is a view of, as one dimension of its type."""
    storage = tensor.untyped_storage()
    count = storage.nbytes() // tensor.element_size()
    return torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(storage, 0, (count,), (1,))
