"""`tensor.data` in forward, which torch.export does not see, as operations that it does see.

Reading it is `detach`, and writing it a write in place, which leaves autograd out as `.data` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch._guards import detect_fake_mode
from torch.overrides import TorchFunctionMode

from torch2keras.capture.failures import FrozenValueError

READ = torch.Tensor.data.__get__  # type: ignore[attr-defined]
WRITE = torch.Tensor.data.__set__  # type: ignore[attr-defined]


class DataAccess(TorchFunctionMode):
    """Lets the tensors of an export be read and written through `data`, within.

    Raises FrozenValueError where that gives a tensor another shape or type.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if func == READ and _is_traced(args[0]):
            return args[0].detach()
        if func == WRITE and _is_traced(args[0]):
            if not _is_alike(*args):
                message = "tensor.data becomes memory of another shape or type"
                raise FrozenValueError(message)
            with torch.no_grad():
                args[0].detach().copy_(args[1])
            return None
        return func(*args, **(kwargs or {}))


def _is_traced(tensor: Any) -> bool:
    """Return whether a tensor is one without data, of an export."""
    return detect_fake_mode((tensor,)) is not None and torch.compiler.is_exporting()


def _is_alike(target: torch.Tensor, value: Any) -> bool:
    """Return whether the values of one tensor fit into the memory of another."""
    if not isinstance(value, torch.Tensor):
        return False
    return (target.shape, target.dtype) == (value.shape, value.dtype)
