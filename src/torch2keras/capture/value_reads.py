"""What a module reads of its tensors as Python values, and what these values hang on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import fx
from torch._C import DisableTorchFunction, TensorBase
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx.experimental.proxy_tensor import _ProxyTensor, get_proxy_mode, get_proxy_slot
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from torch2keras.op_facts import draws_random_numbers
from torch2keras.runtime.run_alone import patch_here

METHODS = ("__bool__", "__int__", "__float__", "__index__", "item", "tolist")
"""Methods of a tensor that give Python values."""

Answer = Callable[[str, torch.Tensor], Any]
"""What a read gives, by the name of its method and the tensor that is read."""


@dataclass(frozen=True)
class Reading:
    """One value that was read, by which method.

    `by_input` tells whether it hangs on the numbers of an input, or on chance.
    """

    method: str
    value: Any
    by_input: bool


class Origins(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which storages hold what hangs on the numbers of the inputs, or on chance."""

    def __init__(self, inputs: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.known: dict[int, torch.UntypedStorage] = {}
        """By address; they are kept, so that no other one takes their place."""
        for tensor in inputs:
            self._add(tensor)

    def _add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        self.known[storage._cdata] = storage  # noqa: SLF001 - its address

    def is_by_input(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor's numbers hang on those of the inputs, or on chance."""
        return tensor.untyped_storage()._cdata in self.known  # noqa: SLF001 - its address

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        by_input = draws_random_numbers(func) or any(
            map(self.is_by_input, _find_tensors((args, kwargs)))
        )
        result = func(*args, **(kwargs or {}))
        if by_input:
            for tensor in _find_tensors(result):
                self._add(tensor)
        return result


def _find_tensors(values: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))


@contextmanager
def answer_reads(answer: Answer) -> Iterator[None]:
    """Let each read of a tensor give what a function answers: PyTorch shows reads to no mode."""
    with ExitStack() as stack:
        for method in METHODS:
            read = _make_method(answer, method)
            stack.enter_context(patch_here(torch.Tensor, method, read))
            if method in vars(FakeTensor):  # it has some of its own
                stack.enter_context(patch_here(FakeTensor, method, read))
        yield


def _make_method(answer: Answer, method: str) -> Callable[[torch.Tensor], Any]:
    return lambda tensor: answer(method, tensor)


def read_value(method: str, tensor: torch.Tensor) -> Any:
    """Return what the tensor itself answers."""
    with DisableTorchFunction():  # which would ask once more
        return getattr(TensorBase, method)(tensor)


def record_readings(run: Callable[[], Any], inputs: Sequence[torch.Tensor]) -> list[Reading]:
    """Return what a run on these inputs reads. Raises what the run raises."""
    found: list[Reading] = []

    def answer(origins: Origins, method: str, tensor: torch.Tensor) -> Any:
        value = read_value(method, tensor)
        found.append(Reading(method, value, origins.is_by_input(tensor)))
        return value

    with Origins(inputs) as origins, answer_reads(partial(answer, origins)):
        run()
    return found


def may_hang_on_sizes(tensor: torch.Tensor) -> bool:
    """Whether a value that is being exported may hang on a dynamic size.

    It may where the graph so far does not say what it comes from.
    """
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
        values = tree_leaves(node.meta.get("val"))
        if not all(isinstance(value, torch.Tensor) for value in values):
            return True
        behind += [*node.all_input_nodes, *filter(_may_write, node.users)]
    return False


def _may_write(node: fx.Node) -> bool:
    """Whether a call writes to what it reads, or gives a view, through which others may."""
    if not isinstance(node.target, OpOverload):
        return True
    schema = node.target._schema
    return schema.is_mutable or any(returned.alias_info for returned in schema.returns)
