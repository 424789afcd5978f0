"""What a module reads of its tensors as Python values, and what these values hang on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import fx
from torch._C import DisableTorchFunction, TensorBase
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx.experimental.proxy_tensor import _ProxyTensor, get_proxy_mode, get_proxy_slot
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from torch2keras.op_facts import draws_random_numbers

WAYS = ("__bool__", "__int__", "__float__", "__index__", "item", "tolist")
"""Methods of a tensor that give Python values."""


@dataclass(frozen=True)
class Reading:
    """One value that was read: by which method, and whether it hangs on the numbers of the inputs, or on chance."""

    way: str
    value: Any
    by_input: bool


class Origins(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which storages hold what hangs on the numbers of the inputs, or on chance."""

    def __init__(self, inputs: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        storages = [tensor.untyped_storage() for tensor in inputs]
        self.known = {storage._cdata: storage for storage in storages}  # noqa: SLF001 - its address
        """By address; they are kept, so that no other one takes their place."""

    def by_input(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor's numbers do."""
        return tensor.untyped_storage()._cdata in self.known  # noqa: SLF001 - its address

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        by_input = any(map(self.by_input, _tensors((args, kwargs)))) or draws_random_numbers(func)
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result) if by_input else ():
            storage = tensor.untyped_storage()
            self.known[storage._cdata] = storage  # noqa: SLF001 - its address
        return result


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))


@contextmanager
def asking(answer: Callable[[str, torch.Tensor], Any]) -> Iterator[None]:
    """Let what is read of a tensor be what a function answers. PyTorch doesn't show it to a mode around it."""
    owners = [
        (owner, way) for way in WAYS for owner in (torch.Tensor, FakeTensor) if _reads(owner, way)
    ]
    with ExitStack() as stack:
        for owner, way in owners:
            stack.enter_context(patch.object(owner, way, _asked(answer, way)))
        yield


def _reads(owner: type, way: str) -> bool:
    """Whether this is where a method is looked up: of fake tensors, some are their own."""
    return owner is torch.Tensor or way in vars(owner)


def _asked(answer: Callable[[str, torch.Tensor], Any], way: str) -> Callable[[torch.Tensor], Any]:
    return lambda tensor: answer(way, tensor)


def true_value(way: str, tensor: torch.Tensor) -> Any:
    """What the tensor itself answers."""
    with DisableTorchFunction():  # which would ask once more
        return getattr(TensorBase, way)(tensor)


def readings(run: Callable[[], Any], inputs: Sequence[torch.Tensor]) -> list[Reading]:
    """What a run on these inputs reads."""
    found: list[Reading] = []

    def answer(origins: Origins, way: str, tensor: torch.Tensor) -> Any:
        found.append(Reading(way, true_value(way, tensor), origins.by_input(tensor)))
        return found[-1].value

    with Origins(inputs) as origins, asking(partial(answer, origins)):
        run()
    return found


def hangs_on_sizes(tensor: torch.Tensor) -> bool:
    """Whether a value that is being exported may hang on a dynamic size; where the graph so far doesn't say, it may."""
    mode = get_proxy_mode()
    slot = get_proxy_slot(tensor, mode.tracer, None) if mode else None
    if not isinstance(slot, _ProxyTensor):
        return True
    seen: set[fx.Node] = set()
    behind = [slot.proxy.node]
    while behind:
        node = behind.pop()
        if node in seen:
            continue
        seen.add(node)
        if not all(isinstance(leaf, torch.Tensor) for leaf in tree_leaves(node.meta.get("val"))):
            return True
        behind += [*node.all_input_nodes, *filter(_may_write, node.users)]
    return False


def _may_write(node: fx.Node) -> bool:
    """Whether a call writes to what it reads, or gives a view, through which others may."""
    if not isinstance(node.target, OpOverload):
        return True
    schema = node.target._schema
    return schema.is_mutable or any(returned.alias_info for returned in schema.returns)
