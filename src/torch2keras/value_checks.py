"""A way round `bool(tensor)`, `int(tensor)` and the like, of which torch.export knows no values.

What does not hang on the inputs is known from a run. Checks of values that do nothing but raise are left out. That an
`if` is such a check is seen by running the module once more with the other answer: it raises before it calls anything
else. A few functions of PyTorch branch inside by values; they are said by functions that do not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import count
from types import FrameType
from typing import Any, Self

import torch
from torch.nn.modules import transformer
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from torch2keras.errors import InputError
from torch2keras.readings import Reading, asking, hangs_on_sizes, readings, true_value

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

    def _is_causal(self, mask: Any, is_causal: Any = None, *_: Any) -> bool:
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


def answers(run: Callable[[], Any], inputs: Sequence[torch.Tensor]) -> list[Reading] | None:
    """What a run reads that is a check, or does not hang on the inputs; None where it reads something else."""
    try:
        with Restated() as mode:
            found = readings(run, inputs)
    except InputError:  # what runs cannot always be followed
        return None
    asked = [number for number, reading in enumerate(found) if reading.by_input]
    if not (found or mode.found) or len(asked) > MOST:
        return None
    return found if all(found[n].way == "__bool__" and _is_check(run, n) for n in asked) else None


def _is_check(run: Callable[[], Any], number: int) -> bool:
    """Whether a run raises as soon as this answer is the other one."""
    mode, asked = Turned(), count()  # type: ignore[no-untyped-call]

    def answer(way: str, x: torch.Tensor) -> Any:
        turn = not mode.over and next(asked) == number
        own = true_value(way, x)
        mode.over |= turn
        return not own if turn else own

    try:
        with Restated(), mode, asking(answer):
            run()
    except InputError:
        return mode.over and not mode.went_on
    return False


@contextmanager
def answered(known: Sequence[Reading] | None) -> Iterator[None]:
    """Let a module that is exported go the way of a run, if any. Raises RuntimeError where it asks for other values."""
    if known is None:
        yield
        return
    left = list(known)

    def answer(way: str, x: torch.Tensor) -> Any:
        if not left:
            return true_value(way, x)
        reading = left.pop(0)
        if reading.way != way:
            raise RuntimeError("the exported module asks for other values than the module itself")
        if not reading.by_input and hangs_on_sizes(x):
            raise RuntimeError("forward reads a number that hangs on it")
        return deepcopy(reading.value)

    with Restated(), asking(answer):
        yield
    if left:
        raise RuntimeError("the exported module asks for fewer values than the module itself")


def note(known: Sequence[Reading]) -> list[str]:
    """Sentences for the report: checks that are left out, and values that are those of the conversion."""
    checks = sum(reading.by_input for reading in known)
    own = len(known) - checks
    notes = []
    if checks:
        many = f"{checks} checks" if checks > 1 else "A check"
        notes.append(
            f"{many} of values, for which the module itself raises an error, left out: the model gives numbers there."
        )
    if own:
        many = f"{own} numbers are" if own > 1 else "A number is"
        notes.append(f"{many} fixed that forward reads of its parameters, its buffers or tensors that it makes.")
    return notes
