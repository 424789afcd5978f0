"""The attempts to export a module, as data: which example, which way, which known values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.export import ExportedProgram

from torch2keras.capture.example_inputs import Example
from torch2keras.capture.failures import check_constants
from torch2keras.capture.sizes.size_uses import SizeUses, record_size_uses
from torch2keras.capture.training.custom_functions import FunctionTable
from torch2keras.capture.value_checks import replay_values
from torch2keras.capture.value_reads import Reading
from torch2keras.custom_ops.whole_modules import keep_modules_whole
from torch2keras.runtime.isolation import silence_output

Way = tuple[bool, bool]
"""Whether an attempt is strict, and whether values are known."""


@dataclass(frozen=True)
class Attempt:
    """One call of torch.export.

    Not `strict`, forward is run on fake tensors; strict, dynamo reads its bytecode, which takes
    some modules more. `known` are the values that forward reads of its tensors, where they are
    answered from a run on the example.
    """

    example: Example
    strict: bool = False
    known: Sequence[Reading] | None = None

    @property
    def way(self) -> Way:
        """What it has in common with the attempts on other examples."""
        return self.strict, self.known is not None


@dataclass(frozen=True)
class Exported:
    """A program, the attempt that gave it, and what was made of dynamic sizes on the way."""

    program: ExportedProgram
    attempt: Attempt
    uses: SizeUses


def plan_attempts(
    examples: Sequence[Example], find_known: Callable[[], Sequence[Reading] | None]
) -> Iterator[Attempt]:
    """Yield attempts on all examples: first not strict, then strict, then with known values.

    `find_known` runs the module, and is called only where the attempts before have failed. It
    returns None where the values must not be taken for known.
    """
    for strict in (False, True):
        for example in examples:
            yield Attempt(example, strict)
    known = find_known()
    if known is not None:
        for example in examples:
            yield Attempt(example, known=known)


def export_once(module: nn.Module, attempt: Attempt, functions: FunctionTable) -> Exported:
    """Return the exported module, its custom functions as operations.

    Raises whatever torch.export and forward raise.
    """
    args, kwargs = attempt.example.copy_arguments()
    with (
        silence_output(),
        keep_modules_whole(module),
        replay_values(attempt.known),
        functions.write_as_operations(),
        record_size_uses(module) as uses,
    ):
        program = torch.export.export(
            module, args, kwargs, dynamic_shapes=attempt.example.shapes, strict=attempt.strict
        )
    check_constants(program)
    return Exported(program, attempt, uses)
