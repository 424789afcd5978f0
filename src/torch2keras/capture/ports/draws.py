"""What forward draws at random: recorded in a run, and given to another one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from torch2keras.capture.ports.module_ports import Tensors
from torch2keras.capture.ports.random_formulas import FORMULAS, Distribution, Sizes
from torch2keras.fx_passes.source_lines import is_users_file

_CHECKS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


@dataclass(frozen=True, eq=False)
class Drawn:
    """Numbers that one operation has drawn."""

    op: str
    source: str
    """The line of the user's, as "net.py:41"."""
    distribution: Distribution
    values: Tensor


@dataclass(frozen=True, eq=False)
class DrawPort:
    """Random numbers of one operation, as an input."""

    name: str
    drawn: Drawn
    """What it drew for the example."""


class _Draws(TorchFunctionMode):
    """Computes random operations by their formulas."""

    def __init__(self) -> None:
        super().__init__()
        self.op = ""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        # A function in Python of the same name, as torch.nn.init has, is made of the operation.
        formula = None if isinstance(func, FunctionType) else FORMULAS.get(name)
        if formula is None or _is_complex(args, kwargs):
            return func(*args, **(kwargs or {}))
        self.op = name
        with _use_generator((kwargs or {}).get("generator")):
            result = formula(self.draw, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {})) if result is None else result

    def draw(self, distribution: Distribution, sizes: Sizes, dtype: torch.dtype, /) -> Tensor:
        """Return the numbers of the next draw."""
        raise NotImplementedError


class RecordDraws(_Draws):
    """Draws from PyTorch's generator, and keeps what was drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Drawn] = []

    def draw(self, distribution: Distribution, sizes: Sizes, dtype: torch.dtype, /) -> Tensor:
        """Return new numbers."""
        values = distribution.draw(sizes, dtype)
        self.found.append(Drawn(self.op, _find_user_line(), distribution, values.clone()))
        return values


class FeedDraws(_Draws):
    """Gives numbers one after the other."""

    def __init__(self, given: Sequence[Tensor]) -> None:
        super().__init__()
        self.left = list(given)

    def draw(self, _: Distribution, sizes: Sizes, __: torch.dtype, /) -> Tensor:
        """Return the next numbers. Raises RuntimeError where their sizes are others than asked."""
        if not self.left:
            raise RuntimeError("forward draws random numbers more often than on the example")
        values = self.left.pop(0)
        # Also tells torch.export that dynamic sizes are equal.
        if len(sizes) != values.ndim or any(map(_differ, sizes, values.shape)):
            raise RuntimeError("forward draws random numbers of other sizes than on the example")
        return values.clone()


@contextmanager
def _use_generator(generator: torch.Generator | None) -> Iterator[None]:
    """Let PyTorch's own generator go on within as another one would, and that one afterwards."""
    if generator is None:
        yield
        return
    own = torch.get_rng_state()
    torch.set_rng_state(generator.get_state())
    try:
        yield
        generator.set_state(torch.get_rng_state())
    finally:
        torch.set_rng_state(own)


def _differ(one: Any, other: Any) -> bool:
    return bool(one != other)


def _is_complex(args: Any, kwargs: Any) -> bool:
    dtype = (kwargs or {}).get("dtype")
    if dtype is None and args and isinstance(args[0], Tensor):
        dtype = args[0].dtype
    return isinstance(dtype, torch.dtype) and dtype.is_complex


def _find_user_line() -> str:
    """Return the innermost line that is neither PyTorch's nor ours."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - walking the stack from here
    while frame is not None:
        file = frame.f_code.co_filename
        if is_users_file(file):
            return f"{Path(file).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


@contextmanager
def record_draws() -> Iterator[list[Drawn]]:
    """Keep what is drawn within."""
    with _open_functional(), RecordDraws() as mode:
        yield mode.found


@contextmanager
def feed_draws(draws: Sequence[DrawPort], given: Tensors) -> Iterator[None]:
    """Let what is drawn within be the given numbers, all of them, in turn.

    Raises RuntimeError where more or fewer are drawn.
    """
    if not draws:
        yield
        return
    with _open_functional(), FeedDraws([given[port.name] for port in draws]) as mode:
        yield
    if mode.left:
        raise RuntimeError("forward draws random numbers less often than on the example")


@contextmanager
def _open_functional() -> Iterator[None]:
    """Let a mode see the operations within a function of `torch.nn.functional`, not the whole."""
    functional = vars(torch.nn.functional)
    with patch.dict(functional, dict.fromkeys(_CHECKS, lambda *_: False)):
        yield
