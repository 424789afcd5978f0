"""Custom `torch.autograd.Function`s: what their backward does is written as arithmetic.

torch.export sees only what their forward computes, and Keras would differentiate that. So the
backward of each call is measured once (`function_backward`). Where it is the derivative of forward,
forward is exported as it is. Where it is slope * g for each number by itself, as in gradient
reversal and straight-through estimators, `y = f(x)` is exported as

    y = stop_gradient(f(x)) + stop_gradient(slope) * (x - stop_gradient(x))

whose value is f(x) exactly and whose gradient is slope * g exactly; the slope is a number where it
is the same everywhere, else what backward computes of ones. Any other backward has no such form.
"""

from __future__ import annotations

import inspect
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch._C import DisableTorchFunction
from torch.autograd import Function
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import CheckpointFunction

from torch2keras.capture.training.function_backward import (
    OWN_FORWARD,
    Backward,
    Measured,
    Slope,
    measure,
    own_forward,
    run_forward,
    takes_context,
)

Key = tuple[type[Function], int]
"""A class of functions, and which of its calls in the order of a run."""


Run = Callable[[type[Function], tuple[Any, ...]], Any]
"""What runs in place of the forward of a function on these arguments, without their context."""


class FunctionTable:
    """The custom functions that one run of a module calls, measured."""

    def __init__(self) -> None:
        self.measured: dict[Key, Measured] = {}

    @contextmanager
    def measure_calls(self, notice: Callable[[type[Function], Measured], None]) -> Iterator[None]:
        """Measure within each call of a custom function, and tell it."""
        counts: Counter[type[Function]] = Counter()

        def note_call(cls: type[Function], args: tuple[Any, ...]) -> None:
            measured = self.measured[cls, counts[cls]] = measure(cls, args)
            counts[cls] += 1
            notice(cls, measured)

        with _watch_calls(note_call):
            yield

    @contextmanager
    def write_as_operations(self) -> Iterator[None]:
        """Let calls be operations, whose derivative is what was measured of their backward.

        Within is one run of the module.
        """
        counts: Counter[type[Function]] = Counter()

        def run(cls: type[Function], args: tuple[Any, ...]) -> Any:
            if issubclass(cls, CheckpointFunction):
                function, _, *inputs = args
                return function(*inputs)
            measured = self.measured.get((cls, counts[cls]))
            counts[cls] += 1
            if measured is None or measured.backward is not Backward.SLOPE:
                return run_forward(cls, args)[0]
            return _apply_slopes(cls, args, measured.slopes)

        with _replace_forwards(run):
            yield


@contextmanager
def _watch_calls(notice: Callable[[type[Function], tuple[Any, ...]], None]) -> Iterator[None]:
    """Tell each call of a custom function, but for checkpoints and calls from what is told."""
    is_busy = False

    def run(cls: type[Function], args: tuple[Any, ...]) -> None:
        nonlocal is_busy
        if is_busy or issubclass(cls, CheckpointFunction):
            return
        is_busy = True
        try:
            notice(cls, args)
        finally:
            is_busy = False

    with _replace_forwards(run, also_own=True):
        yield


@contextmanager
def _replace_forwards(run: Run, *, also_own: bool = False) -> Iterator[None]:
    """Let `run` be the forward of all custom functions, or run before it, with `also_own`.

    `apply` cannot be replaced: it is kept under other names (`swish = Swish.apply`). It asks the
    class for `forward`, and runs it without gradients.
    """
    with ExitStack() as stack:
        for cls in set(_find_functions(Function)):
            forward = _wrap_forward(cls, run, also_own=also_own)
            stack.enter_context(patch.object(cls, "forward", staticmethod(forward)))
        yield


@contextmanager
def _enable_gradients() -> Iterator[None]:
    """Enable gradients as no trace sees it, which would show their end too, and leave them off."""
    before = torch.is_grad_enabled()
    try:
        with DisableTorchFunction():
            torch._C._set_grad_enabled(True)  # noqa: FBT003, SLF001 - the call that a trace sees
        yield
    finally:
        with DisableTorchFunction():
            torch._C._set_grad_enabled(before)  # noqa: SLF001 - as above


def _find_functions(base: type[Function]) -> Iterator[type[Function]]:
    """Yield the classes derived from one that are not PyTorch's own, but for its checkpoint."""
    for cls in base.__subclasses__():
        if cls is CheckpointFunction or not cls.__module__.startswith("torch."):
            yield cls
        yield from _find_functions(cls)


def _wrap_forward(cls: type[Function], run: Run, *, also_own: bool) -> Callable[..., Any]:
    own = own_forward(cls)
    context = int(takes_context(cls))
    here = threading.get_ident()

    def forward(*args: Any) -> Any:
        if torch.compiler.is_dynamo_compiling():  # which follows autograd by itself
            return own(*args)
        if threading.get_ident() != here:
            return own(*args)
        with _enable_gradients():
            result = run(cls, args[context:])
        return own(*args) if also_own else result

    vars(forward)[OWN_FORWARD] = own
    return forward


def _apply_slopes(
    cls: type[Function], args: Sequence[Any], slopes: Mapping[int, Slope]
) -> torch.Tensor:
    """Return forward's value with a gradient of slope * g, as the head of this file has it."""
    detached = pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, list(args))
    output, ctx = run_forward(cls, detached)
    result: torch.Tensor = output.detach()
    computed: Sequence[Any] = ()
    if None in slopes.values():
        found = inspect.unwrap(cls.backward)(ctx, torch.ones_like(result))
        computed = found if isinstance(found, tuple) else (found,)
    for place, number in slopes.items():
        zero = args[place] - args[place].detach()
        if number is None:
            zero = zero * computed[place].detach()
        elif number != 1.0:
            zero = zero * number
        result = result + zero
    return result
