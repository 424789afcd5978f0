"""A way round `bool(tensor)`, `int(tensor)` and the like, of which torch.export knows no values.

What does not hang on the inputs is known from a run. Checks of values that do nothing but raise are
left out: that an `if` is such a check is seen by running the module once more with the other
answer, whereupon it raises before it calls anything else. A few functions of PyTorch branch inside
by values; `branch_free` says them by functions that do not.
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

from torch2keras.capture.branch_free import BranchFree
from torch2keras.capture.example_inputs import ExampleCall
from torch2keras.capture.value_reads import (
    Reading,
    answer_reads,
    may_hang_on_sizes,
    read_value,
    record_readings,
)
from torch2keras.errors import InputError

MOST_CHECKS = 16
"""How many answers are turned, each in a run of its own."""


def find_known_values(call: ExampleCall) -> list[Reading] | None:
    """Return what a run reads, where all of it is a check or hangs on no input; else None.

    None too where nothing is read and nothing had to be said free of branches, so that knowing it
    is of no use.
    """
    try:
        with BranchFree() as mode:
            found = record_readings(call.run, call.example.tensors())
    except InputError:  # what runs cannot always be followed
        return None
    by_input = [number for number, reading in enumerate(found) if reading.by_input]
    if not (found or mode.found) or len(by_input) > MOST_CHECKS:
        return None
    for number in by_input:
        if found[number].method != "__bool__" or not _is_check(call.run, number):
            return None
    return found


def _is_check(run: Callable[[], Any], number: int) -> bool:
    """Whether a run raises as soon as the answer of this number is the other one."""
    mode, numbers = _StopsWhenOver(), count()  # type: ignore[no-untyped-call]

    def answer(method: str, tensor: torch.Tensor) -> Any:
        value = read_value(method, tensor)
        if mode.over or next(numbers) != number:
            return value
        mode.over = True
        return not value

    try:
        with BranchFree(), mode, answer_reads(answer):
            run()
    except InputError:
        return mode.over and not mode.went_on
    return False


class _StopsWhenOver(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lets nothing run any more once it is `over`, but what writes numbers into a message."""

    over = went_on = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        here = sys._getframe()  # noqa: SLF001 - walking the stack from here
        if self.over and not _prints_tensor(here):
            self.went_on = True
            raise RuntimeError("it goes on")
        return func(*args, **(kwargs or {}))


def _prints_tensor(frame: FrameType | None) -> bool:
    """Whether the code in which a tensor becomes text is on the stack."""
    printer = torch._tensor_str.__file__  # noqa: SLF001 - its place alone
    while frame is not None:
        if frame.f_code.co_filename == printer:
            return True
        frame = frame.f_back
    return False


@contextmanager
def replay_values(known: Sequence[Reading] | None) -> Iterator[None]:
    """Let a module that is exported read these values in turn; with None, what it reads itself.

    Raises RuntimeError where it reads other values than the run they come from, or one that may
    hang on a size.
    """
    if known is None:
        yield
        return
    left = list(known)

    def answer(method: str, tensor: torch.Tensor) -> Any:
        if not left:
            return read_value(method, tensor)
        reading = left.pop(0)
        if reading.method != method:
            raise RuntimeError("the exported module asks for other values than the module itself")
        if not reading.by_input and may_hang_on_sizes(tensor):
            raise RuntimeError("forward reads a number that hangs on it")
        return deepcopy(reading.value)

    with BranchFree(), answer_reads(answer):
        yield
    if left:
        raise RuntimeError("the exported module asks for fewer values than the module itself")


def note_known_values(known: Sequence[Reading], folded: int = 0) -> list[str]:
    """Return sentences for the report on checks that are left out and numbers that are fixed.

    `folded` counts those numbers of which the module itself reads nothing.
    """
    checks = sum(reading.by_input for reading in known)
    numbers = len(known) - checks + folded
    notes = []
    if checks:
        subject = "A check" if checks == 1 else f"{checks} checks"
        notes.append(
            f"{subject} of values, for which the module itself raises an error, left out: "
            "the model gives numbers there."
        )
    if numbers:
        subject = "A number is" if numbers == 1 else f"{numbers} numbers are"
        notes.append(
            f"{subject} fixed that forward reads of its parameters, its buffers "
            "or tensors that it makes."
        )
    return notes
