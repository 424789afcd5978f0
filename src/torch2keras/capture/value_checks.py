"""A way round `bool(tensor)`, `int(tensor)` and the like, of which torch.export knows no values.

What does not hang on the inputs is known from a run. Checks of values that do nothing but raise are left out. That an
`if` is such a check is seen by running the module once more with the other answer: it raises before it calls anything
else. A few functions of PyTorch branch inside by values; they are said by functions that do not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import count
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from torch2keras.capture.branch_free import Restated
from torch2keras.capture.value_reads import Reading, asking, hangs_on_sizes, readings, true_value
from torch2keras.errors import InputError

MOST = 16
"""Answers that are turned, each in a run of its own."""


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
        notes.append(
            f"{many} fixed that forward reads of its parameters, its buffers or tensors that it makes."
        )
    return notes
