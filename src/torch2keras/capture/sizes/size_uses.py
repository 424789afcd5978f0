"""What forward makes of dynamic sizes while it is exported: branches on them, and numbers.

torch.export answers `if x.shape[0] > 8` and `int(x.shape[0])` by the example's size, and says
nowhere in which line. PyTorch has no hook for either, so that the functions through which all of it
goes are wrapped for the time of an export.

Where forward asks whether a size is a certain number (`if self.shape != x.shape`, as caches do), or
looks it up (`self.tables[x.shape[1]]`), torch.export would fix it. It is answered by the example
without that: whether the answer matters is tried afterwards (`size_limits`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from types import FrameType
from typing import Any

import sympy
import torch
from torch import nn
from torch._guards import TracingContext
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils._sympy.functions import Mod, PythonMod

from torch2keras.fx_passes.source_lines import SourceLine, is_users_file, read_line
from torch2keras.runtime.native_attributes import submodules
from torch2keras.runtime.run_alone import only_here, patch_here

_TO_NUMBER = (torch.SymInt.__index__.__code__, torch.SymInt.__int__.__code__)
"""What Python calls where a number must stand: `int(n)`, `range(n)`, `len(x)`."""


@dataclass(frozen=True)
class LinePlace:
    """A module, as "encoder (Encoder)", and a line of somebody's file; "" and None if unknown."""

    module: str
    line: SourceLine | None

    def __str__(self) -> str:
        known = [part for part in (self.module, str(self.line or "")) if part]
        return ", ".join(known) or "an unknown line"


class BranchKind(Enum):
    """How forward asks for a size."""

    COMPARES = auto()
    EQUALS_NUMBER = auto()
    """By the number that it is in the example; torch.export knows nothing of it."""
    LOOKS_UP = auto()
    """As a key, or a part of one; torch.export knows nothing of it."""
    ASSUMED = auto()
    """By an op of PyTorch, not by forward: the shapes that torch.export has of what follows hold
    for this answer alone."""


@dataclass(frozen=True)
class Branch:
    """A condition on sizes, a sympy expression, that forward has asked for, and its answer."""

    condition: Any
    answer: bool
    place: LinePlace
    kind: BranchKind = BranchKind.COMPARES

    @property
    def held(self) -> Any:
        """What held in the example: the condition, or its opposite."""
        return self.condition if self.answer else sympy.Not(self.condition)


@dataclass(frozen=True)
class FixedSize:
    """What a size was found to be, a number or another size, and where.

    `is_number_in_python` tells whether forward itself makes a Python number of it.
    """

    target: Any
    place: LinePlace
    is_number_in_python: bool


@dataclass
class SizeUses:
    """What one export makes of sizes: branches in their order, and what fixed each symbol."""

    branches: dict[tuple[str, BranchKind, LinePlace], Branch] = field(default_factory=dict)
    fixed: dict[Any, FixedSize] = field(default_factory=dict)

    @property
    def has_free_answers(self) -> bool:
        """Whether a branch was answered without torch.export's knowing of it."""
        return any(branch.kind is not BranchKind.COMPARES for branch in self.branches.values())

    def add(self, branch: Branch) -> None:
        """Add a branch, unless it is known."""
        key = (str(branch.condition), branch.kind, branch.place)
        self.branches.setdefault(key, branch)

    def find_cause(self, symbol: Any) -> FixedSize | None:
        """Return what made a symbol a number, be it by way of other symbols; None if unknown."""
        cause = self.fixed.get(symbol)
        while cause is not None and cause.target in self.fixed:
            cause = self.fixed[cause.target]
        return cause


@contextmanager
def record_size_uses(module: nn.Module, uses: SizeUses, *, free: bool = True) -> Iterator[None]:
    """Record what is made of sizes while a module is exported, within.

    Where not `free`, torch.export knows of each answer.
    """
    paths = {id(part): path for path, part in submodules(module).items()}
    decide, replace = torch.SymBool.__bool__, ShapeEnv._set_replacement  # noqa: SLF001 - see above
    find_hash = torch.SymInt.__hash__

    def decide_and_record(condition: torch.SymBool) -> bool:
        expression = condition.node.expr
        asked_by = _find_asking_frame()
        if not _is_users(asked_by) or not expression.free_symbols:
            return decide(condition)
        place = _locate(asked_by, paths)
        if free and _is_by_number(condition):
            answer = bool(condition.node.hint)
            uses.add(Branch(expression, answer, place, BranchKind.EQUALS_NUMBER))
        else:
            answer = decide(condition)
            uses.add(Branch(expression, answer, place))
        return answer

    def hash_and_record(size: torch.SymInt) -> int:
        asked_by = _find_asking_frame()
        if not free or not _is_users(asked_by) or not size.node.has_hint():
            return find_hash(size)
        number: Any = size.node.hint
        if size.node.expr.free_symbols:
            condition = sympy.Eq(size.node.expr, number)
            place = _locate(asked_by, paths)
            uses.add(Branch(condition, answer=True, place=place, kind=BranchKind.LOOKS_UP))
        return hash(number)

    def replace_and_record(env: ShapeEnv, symbol: Any, target: Any, message: str) -> None:
        before = env.replacements.get(symbol)
        replace(env, symbol, target, message)
        now = env.replacements.get(symbol)
        if now is not None and now is not before:
            uses.fixed[symbol] = _describe_fixed_size(now, sys._getframe(1), paths)  # noqa: SLF001

    with (
        patch_here(torch.SymBool, "__bool__", decide_and_record),
        patch_here(torch.SymInt, "__hash__", hash_and_record),
        patch_here(ShapeEnv, "_set_replacement", replace_and_record),
    ):
        yield


def _is_by_number(condition: torch.SymBool) -> bool:
    """Whether a condition asks if a size is the number that it is in the example."""
    expression, node = condition.node.expr, condition.node
    if len(expression.free_symbols) != 1 or expression.has(Mod, PythonMod) or not node.has_hint():
        return False
    wanted = {sympy.Eq: True, sympy.Ne: False}.get(type(expression))
    return wanted is not None and bool(node.hint) is wanted


def _find_asking_frame() -> FrameType:
    """Return the frame that asks for what a wrapped function answers.

    Between them are `patch_here`'s, and that of `SymInt.__bool__` where it asks `if size:`.
    """
    frame = sys._getframe(2)  # noqa: SLF001 - the caller's frame
    while frame.f_back is not None and _passes_on(frame):
        frame = frame.f_back
    return frame


def _passes_on(frame: FrameType) -> bool:
    code = frame.f_code
    return (
        code is torch.SymInt.__bool__.__code__ or code.co_filename == only_here.__code__.co_filename
    )


def _describe_fixed_size(target: Any, frame: FrameType, paths: dict[int, str]) -> FixedSize:
    below, at = frame, frame.f_back
    while at is not None and not _is_users(at):
        below, at = at, at.f_back
        if below.f_code is torch.export.export.__code__:
            at = None  # nothing of the user's is on the stack but who asked for the export
    if at is None:
        return FixedSize(target, _locate_traced_line(), is_number_in_python=False)
    return FixedSize(target, _locate(at, paths), below.f_code in _TO_NUMBER)


def _is_users(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return is_users_file(file)


def _locate(frame: FrameType, paths: dict[int, str]) -> LinePlace:
    """Return the place of a frame: its line, and the module that runs it or called it."""
    line = read_line(frame.f_code.co_filename, frame.f_lineno)
    at: FrameType | None = frame
    while at is not None:
        owner = at.f_locals.get("self")
        if id(owner) in paths:
            where = paths[id(owner)] or "the module itself"
            return LinePlace(f"{where} ({type(owner).__name__})", line)
        at = at.f_back
    return LinePlace("", line)


def _locate_traced_line() -> LinePlace:
    """Return the place that Dynamo reads just now; no frame of it is on the stack."""
    line = None
    for step in TracingContext.extract_stack():
        if is_users_file(step.filename):
            line = SourceLine(step.filename, step.lineno or 0, (step.line or "").strip())
    return LinePlace("", line)
