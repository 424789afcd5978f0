"""The attempts to export a module, as data: which example, which way, which known values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.export import ExportedProgram

from torch2keras.capture.data_access import DataAccess
from torch2keras.capture.example_inputs import Example
from torch2keras.capture.failures import check_constants
from torch2keras.capture.sizes.size_uses import SizeUses, record_size_uses
from torch2keras.capture.training.custom_functions import FunctionTable
from torch2keras.capture.training.train_flags import set_train_flags
from torch2keras.capture.value_checks import replay_values
from torch2keras.capture.value_reads import Reading
from torch2keras.custom_ops.whole_modules import keep_modules_whole
from torch2keras.runtime.isolation import isolate_module, silence_output

Way = tuple[bool, bool, bool]
"""Whether an attempt is strict, whether values are known, and whether it is warm."""


@dataclass(frozen=True)
class Attempt:
    """One call of torch.export.

    Not `strict`, forward is run on fake tensors; strict, dynamo reads its bytecode, which takes
    some modules more. `known` are the values that forward reads of its tensors, where they are
    answered from a run on the example. `warm`, the module has run before, so that it holds what it
    makes once. `in_eval` are the paths of the modules in eval mode while the rest trains; without
    it, all are.
    """

    example: Example
    strict: bool = False
    known: Sequence[Reading] | None = None
    warm: bool = False
    in_eval: Collection[str] | None = None

    @property
    def way(self) -> Way:
        """What it has in common with the attempts on other examples."""
        return self.strict, self.known is not None, self.warm


@dataclass(frozen=True)
class Exported:
    """A program, the attempt that gave it, and what was made of dynamic sizes on the way."""

    program: ExportedProgram
    attempt: Attempt
    uses: SizeUses


def plan_attempts(
    examples: Sequence[Example],
    warm_up: Callable[[], bool],
    find_known: Callable[[], Sequence[Reading] | None],
) -> Iterator[Attempt]:
    """Yield attempts on all examples: not strict, then strict, then with known values.

    `warm_up` and `find_known` run the module, and are called only where the attempts before have
    failed. `warm_up` tells whether the module has changed by it; then it is warm from the second
    attempt on, the first example included. `find_known` returns None where the values must not be
    taken for known.
    """
    first, *others = examples
    yield Attempt(first)
    is_warm = warm_up()
    if is_warm:
        yield Attempt(first, warm=True)
    for example in others:
        yield Attempt(example, warm=is_warm)
    for example in examples:
        yield Attempt(example, strict=True, warm=is_warm)
    known = find_known()
    if known is not None:
        for example in examples:
            yield Attempt(example, known=known, warm=is_warm)


def export_once(module: nn.Module, attempt: Attempt, functions: FunctionTable) -> Exported:
    """Return the exported module, its custom functions as operations.

    Where forward asks whether a size is a number, the answer is free, as `size_uses` says, unless
    the export fails so. Raises whatever torch.export and forward raise.
    """
    uses = SizeUses()
    try:
        program = _run_export(module, attempt, functions, uses, free=True)
    except Exception:
        if not uses.has_free_answers:
            raise
        uses = SizeUses()
        program = _run_export(module, attempt, functions, uses, free=False)
    check_constants(program)
    return Exported(program, attempt, uses)


def _run_export(
    module: nn.Module, attempt: Attempt, functions: FunctionTable, uses: SizeUses, *, free: bool
) -> ExportedProgram:
    args, kwargs = attempt.example.copy_arguments()
    with (
        isolate_module(module),  # what forward keeps of its fake tensors is of no use to others
        silence_output(),
        keep_modules_whole(module),
        replay_values(attempt.known),
        functions.write_as_operations(),
        record_size_uses(module, uses, free=free),
        DataAccess(),
    ):
        if attempt.in_eval is not None:
            set_train_flags(module, attempt.in_eval)
        return torch.export.export(
            module, args, kwargs, dynamic_shapes=attempt.example.shapes, strict=attempt.strict
        )
