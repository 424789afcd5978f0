"""nn.Module -> ExportedProgram, and its graph without modes, in-place ops and copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import fx, nn
from torch.export import ExportedProgram

from torch2keras.capture.captured import Captured
from torch2keras.capture.dynamic_batch import (
    asked_attempts,
    batch_notes,
    default_attempts,
    reason_not_dynamic,
    run_on_example,
)
from torch2keras.capture.example_inputs import (
    Example,
    bound_arguments,
    by_parameter,
    cloned,
    named_leaves,
)
from torch2keras.capture.failures import (
    capture_failure,
    check_constants,
    check_no_python_numbers,
    first_line,
    has_python_numbers,
)
from torch2keras.capture.module_checks import (
    check_inputs,
    check_module,
    train_mode_notes,
    weight_notes,
)
from torch2keras.capture.tracing import FROZEN, Traced, with_module_stacks
from torch2keras.capture.value_checks import answered, answers, note
from torch2keras.capture.value_reads import Reading
from torch2keras.custom_ops.leaf_modules import check_leaves
from torch2keras.custom_ops.whole_modules import whole_modules
from torch2keras.fx_passes.drop_copies import drop_copies
from torch2keras.fx_passes.functionalize import functionalize
from torch2keras.fx_passes.inline import inline, writes_without_grad
from torch2keras.runtime.isolation import isolate_module, silence_output
from torch2keras.workarounds.triton_import import load_exporter


def capture(
    module: nn.Module,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    fixed_because: str = "",
    trace: bool = False,
) -> Captured:
    """Export an eval view of a module on example inputs; the module and the inputs come back as they were.

    Without `dynamic_shapes`, dim 0 of every tensor is dynamic where torch.export can prove it, all else static; all is
    static where `fixed_because` gives a reason for it. With `trace`, what is exported is the operations that the module
    runs on the example, whatever decides about them.
    Raises InputError for modules, inputs or shapes that cannot be used, CaptureError where torch.export cannot take
    the module, UnsupportedOpError for parameters and buffers that forward changes.
    """
    load_exporter()
    check_module(module)
    check_leaves(module)
    kwargs = kwargs or {}
    bound = bound_arguments(module, args, kwargs)
    leaves = named_leaves(bound)
    check_inputs([(name, leaf) for name, leaf in leaves if isinstance(leaf, torch.Tensor)])
    notes = [*train_mode_notes(module), *weight_notes(module), *_constant_notes(leaves)]
    with isolate_module(module), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        if trace:
            captured = _captured(_export_traced(module, Example(args, kwargs, None), bound), notes)
        else:
            export = partial(_export, module, args, kwargs, dynamic_shapes, bound, fixed_because)
            captured = _captured(cast("_Exported", export()), notes)
            if has_python_numbers(captured.graph_module) and (exported := export(by_values=True)):
                captured = _captured(exported, notes)
    check_no_python_numbers(captured.graph_module)
    return captured


def _captured(exported: _Exported, notes: Sequence[str]) -> Captured:
    """The exported program with its functional graph."""
    program = exported.program
    inputs = program.graph_signature.input_specs
    functional, written = functionalize(inline(program.graph_module), inputs)
    all_notes = (*notes, *exported.notes, *_no_grad_notes(program.graph_module), *written)
    return Captured(program, drop_copies(functional, inputs), exported.strict, all_notes)


@dataclass(frozen=True)
class _Exported:
    program: ExportedProgram
    strict: bool
    notes: tuple[str, ...] = ()


def _export(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    dynamic_shapes: Any,
    bound: dict[str, Any],
    refusal: str,
    *,
    by_values: bool = False,
) -> _Exported | None:
    """The first attempt that succeeds: without dynamo, with it, by values; the most dynamic example first.

    `by_values` tries nothing but the last, and gives None where it fails.
    """
    given = Example(args, kwargs, None)
    if dynamic_shapes is None:
        attempts, notes = [given] if refusal else list(default_attempts(given, bound)), list[str]()
    else:
        attempts, notes = asked_attempts(
            given, by_parameter(dynamic_shapes, module, given, bound), bound
        )
    first: Exception | None = None
    known: list[Reading] | None = None
    for strict, with_known in (
        ((False, True),) if by_values else ((False, False), (True, False), (False, True))
    ):
        if (
            with_known
            and (known := answers(lambda: run_on_example(module, given, bound), given.tensors()))
            is None
        ):
            break
        why = refusal
        for example in attempts:
            try:
                program = _export_once(module, example, strict=strict, known=known)
            except Exception as error:  # noqa: BLE001 - whatever is raised beside the error tree is what is looked for
                if first is None:
                    run_on_example(module, given, bound)
                    first = error
                why = why or first_line(error)
                continue
            if example.doubled and (
                problem := reason_not_dynamic(module, program, example, given, bound)
            ):
                why = problem
                continue
            if dynamic_shapes is None:
                notes += batch_notes(program, why)
            elif why:
                notes.append(
                    f"Not every dim that dynamic_shapes names could be made dynamic: {why}"
                )
            notes += note(known or ())
            return _Exported(program, strict, tuple(notes))
    if by_values:
        return None
    raise capture_failure(module, named_leaves(bound), cast("Exception", first)) from first


def _export_traced(module: nn.Module, example: Example, bound: dict[str, Any]) -> _Exported:
    run_on_example(module, example, bound)
    try:
        with silence_output(), whole_modules(module):
            traced = Traced(module, *cloned(example.args, example.kwargs))
        program = _export_once(traced, example, strict=False)
    except Exception as error:
        raise capture_failure(module, named_leaves(bound), error) from error
    return _Exported(with_module_stacks(program), strict=False, notes=(FROZEN,))


def _export_once(
    module: nn.Module, example: Example, *, strict: bool, known: list[Reading] | None = None
) -> ExportedProgram:
    args, kwargs = cloned(example.args, example.kwargs)
    with silence_output(), whole_modules(module), answered(known):
        program = torch.export.export(
            module, args, kwargs, dynamic_shapes=example.shapes, strict=strict
        )
    check_constants(program)
    return program


def _constant_notes(leaves: list[tuple[str, Any]]) -> list[str]:
    return [
        f"Input {name}={leaf!r} is a constant of the converted model."
        for name, leaf in leaves
        if not isinstance(leaf, torch.Tensor)
    ]


def _no_grad_notes(graph_module: fx.GraphModule) -> list[str]:
    written = len(writes_without_grad(graph_module))
    if not written:
        return []
    ops = f"{written} in-place op{'s' if written > 1 else ''}"
    return [
        f"{ops} under torch.no_grad(): PyTorch's gradient passes by, that of the converted model goes through."
    ]
