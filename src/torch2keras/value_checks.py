"""A way round `bool(tensor)`, which torch.export refuses: checks of values that do nothing but raise are left out.

That an `if` is such a check is seen by running the module once more with the other answer: it raises before it calls
anything else. A few functions of PyTorch branch inside by values; they are said by functions that do not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from types import FrameType
from typing import Any, Self

import torch
from torch._C import TensorBase
from torch.nn.modules import transformer
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from torch2keras.errors import InputError

MOST = 16
"""Answers that are turned, each in a run of its own."""


def cov(x: torch.Tensor, *, correction: Any = 1, fweights: Any = None, aweights: Any = None) -> torch.Tensor:
    """`torch.cov`, whose divisor is not below zero (aten/src/ATen/native/Correlation.cpp)."""
    x = x.reshape(1, -1) if x.ndim < 2 else x
    given = [w for w in (fweights, aweights) if w is not None]
    weight = given[0] if len(given) == 1 else fweights * aweights if given else None
    total = torch.tensor(x.shape[1]) if weight is None else weight.sum()
    weighted = x if weight is None else x * weight
    less = correction * (weight * aweights).sum() / total if aweights is not None and correction else correction
    x = x - (weighted.sum(1) / total).unsqueeze(1)
    weighted = x if weight is None else x * weight
    result: torch.Tensor = (x @ weighted.mT / (total - less).clamp(min=0)).squeeze()
    return result


def corrcoef(x: torch.Tensor) -> torch.Tensor:
    """`torch.corrcoef`."""
    c = cov(x)
    if c.ndim == 0:
        return c / c
    deviation = c.diag().sqrt()
    return (c / deviation.unsqueeze(1) / deviation).clip(-1, 1)


def narrow(x: torch.Tensor, dim: int, start: Any, length: Any) -> torch.Tensor:
    """`torch.narrow` from a computed position."""
    if not isinstance(start, torch.Tensor):
        return torch.ops.aten.narrow.default(x, dim, start, length)  # type: ignore[no-any-return]
    start = torch.where(start < 0, start + x.shape[dim], start)
    return x.index_select(dim, start + torch.arange(length))


RESTATED: Mapping[Callable[..., Any], Callable[..., torch.Tensor]] = {
    torch.cov: cov,
    torch.Tensor.cov: cov,
    torch.corrcoef: corrcoef,
    torch.Tensor.corrcoef: corrcoef,
    torch.narrow: narrow,
    torch.Tensor.narrow: narrow,
}


DETECT = "_detect_is_causal_mask"
"""By which `nn.TransformerEncoder` and `nn.TransformerDecoder` compare a mask with a causal one, for the sake of speed
alone (torch/nn/modules/transformer.py): any mask may be taken as it is."""


class Restated(TorchFunctionMode):
    """Calls the functions of `RESTATED`, compares no masks, and notes whether there was one or the other."""

    found = False

    def __enter__(self) -> Self:
        self._detect = getattr(transformer, DETECT)
        setattr(transformer, DETECT, self._is_causal)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        setattr(transformer, DETECT, self._detect)

    def _is_causal(self, mask: Any, is_causal: Any, *_: Any) -> bool:
        self.found |= is_causal is None and mask is not None
        return is_causal is True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        own = RESTATED.get(func)
        if own is None or any(isinstance(a, torch.Tensor) and a.is_complex() for a in args):
            return func(*args, **(kwargs or {}))
        self.found = True
        return own(*args, **(kwargs or {}))


class Turned(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lets nothing run any more once it is `over`, but what writes numbers into a message."""

    over = went_on = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.over and not _printing(sys._getframe()):  # noqa: SLF001 - walking the stack from here
            self.went_on = True
            raise RuntimeError("it goes on")
        return func(*args, **(kwargs or {}))


def _printing(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != torch._tensor_str.__file__:  # noqa: SLF001 - its place alone
        frame = frame.f_back
    return frame is not None


@contextmanager
def asking(answer: Callable[[torch.Tensor], bool]) -> Iterator[None]:
    """Let `bool(tensor)` be what a function answers. PyTorch's functions don't show it to a mode around them."""
    torch.Tensor.__bool__ = answer  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        del torch.Tensor.__bool__


def _true(x: torch.Tensor) -> bool:
    with torch._C.DisableTorchFunction():  # which would ask once more
        return TensorBase.__bool__(x)


def answers(run: Callable[[], Any]) -> list[bool] | None:
    """What each `bool(tensor)` of a run answers, where all of them are checks; None where this way leads nowhere."""
    found: list[bool] = []

    def answer(x: torch.Tensor) -> bool:
        found.append(_true(x))
        return found[-1]

    with Restated() as mode, asking(answer):
        run()
    if not (found or mode.found) or len(found) > MOST:
        return None
    return found if all(_is_check(run, number) for number in range(len(found))) else None


def _is_check(run: Callable[[], Any], number: int) -> bool:
    """Whether a run raises as soon as this answer is the other one."""
    mode, asked = Turned(), count()  # type: ignore[no-untyped-call]

    def answer(x: torch.Tensor) -> bool:
        turn = not mode.over and next(asked) == number
        own = _true(x)
        mode.over |= turn
        return own != turn

    try:
        with Restated(), mode, asking(answer):
            run()
    except InputError:
        return mode.over and not mode.went_on
    return False


@contextmanager
def answered(known: Sequence[bool] | None) -> Iterator[None]:
    """Let a module that is exported go the way of a run, if any. Raises RuntimeError where it asks for less."""
    if known is None:
        yield
        return
    left = list(known)

    def answer(x: torch.Tensor) -> bool:
        return left.pop(0) if left else _true(x)

    with Restated(), asking(answer):
        yield
    if left:
        raise RuntimeError("the exported module asks for fewer values than the module itself")


def note(known: Sequence[bool]) -> list[str]:
    """A sentence for the report on the checks that are left out."""
    if not known:
        return []
    checks = f"{len(known)} checks" if len(known) > 1 else "A check"
    return [
        f"{checks} of values, for which the module itself raises an error, left out: the model gives numbers there."
    ]
