"""The capture of a module: its ExportedProgram, and the graph of it without in-place ops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram

from torch2keras.capture.attempts import Attempt, Way, export_once, plan_attempts
from torch2keras.capture.captured import Captured
from torch2keras.capture.example_inputs import Example, ExampleCall, bind_example
from torch2keras.capture.failures import (
    capture_failure,
    check_no_python_numbers,
    first_line,
    has_python_numbers,
)
from torch2keras.capture.module_checks import (
    check_inputs,
    check_module,
    check_not_packed,
    note_odd_weights,
    note_train_mode,
)
from torch2keras.capture.sizes.dynamic_batch import (
    default_examples,
    examples_on_request,
    explain_misfit,
    note_fixed_batch,
)
from torch2keras.capture.sizes.dynamic_shapes import key_by_parameter
from torch2keras.capture.sizes.padded_lengths import note_padded_lengths
from torch2keras.capture.tracing import FROZEN, Traced, restore_module_stacks
from torch2keras.capture.training.custom_functions import FunctionTable
from torch2keras.capture.training.training_survey import list_training_notes, survey_training
from torch2keras.capture.value_checks import find_known_values, note_known_values
from torch2keras.custom_ops.leaf_modules import check_leaves
from torch2keras.custom_ops.packing_exchange import watch_packing
from torch2keras.custom_ops.whole_modules import keep_modules_whole
from torch2keras.fx_passes.drop_copies import drop_copies
from torch2keras.fx_passes.fix_modes import fix_modes
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
    """Export a module in eval mode on example inputs; module and inputs come back as they were.

    Without `dynamic_shapes`, dim 0 of every tensor is dynamic where torch.export can prove it, all
    else static; all is static where `fixed_because` gives a reason for it. With `trace`, what is
    exported is the operations that the module runs on the example, whatever decides about them.
    Raises InputError for modules, inputs or shapes that cannot be used, CaptureError where
    torch.export cannot take the module, UnsupportedOpError for parameters and buffers that forward
    changes.
    """
    load_exporter()
    check_module(module)
    check_leaves(module)
    call = bind_example(module, args, kwargs or {})
    check_not_packed(call.bound)
    leaves = call.leaves()
    check_inputs([(name, leaf) for name, leaf in leaves if isinstance(leaf, torch.Tensor)])
    notes = (*note_train_mode(module), *note_odd_weights(module), *_note_constants(leaves))
    training = survey_training(call)
    functions = training.functions
    with isolate_module(module), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        with watch_packing() as packings:
            if trace:
                captured = _trace(call, functions)
            else:
                captured = _export(call, dynamic_shapes, fixed_because, functions)
        if any(packing.pads_to_longest for packing in packings):
            notes = (*notes, *note_padded_lengths(call))
    check_no_python_numbers(captured.graph_module)
    training_notes = list_training_notes(training, captured.graph_module.graph)
    return replace(
        captured,
        graph_module=fix_modes(captured.graph_module, training.fixed),
        notes=(*notes, *captured.notes, *training_notes),
        training=training,
        traced=trace,
    )


def _export(
    call: ExampleCall, dynamic_shapes: Any, fixed_because: str, functions: FunctionTable
) -> Captured:
    """Return what the first attempt gives that succeeds.

    An attempt that leaves Python numbers in the graph is taken only where none with known values
    succeeds.
    """
    examples, notes = _choose_examples(call, dynamic_shapes, fixed_because)
    reasons: defaultdict[Way, str] = defaultdict(lambda: fixed_because)
    first_error: Exception | None = None
    with_numbers: Captured | None = None
    for attempt in plan_attempts(examples, lambda: find_known_values(call)):
        if with_numbers is not None and attempt.known is None:
            continue
        try:
            program = export_once(call.module, attempt, functions)
        except Exception as error:  # noqa: BLE001 - whatever is raised, another attempt may succeed
            if first_error is None:
                call.run()  # an error of the module itself comes first
                first_error = error
            reasons[attempt.way] = reasons[attempt.way] or first_line(error)
            continue
        if attempt.example.doubled and (misfit := explain_misfit(call, program, attempt.example)):
            reasons[attempt.way] = misfit
            continue
        reason = reasons[attempt.way]
        if dynamic_shapes is None:
            notes_on_batch = note_fixed_batch(program, reason)
        else:
            notes_on_batch = [*notes, *_note_static_dims(reason)]
        captured = _make_functional(program, attempt, notes_on_batch)
        if attempt.known is not None or not has_python_numbers(captured.graph_module):
            return captured
        with_numbers = captured
    if with_numbers is not None:
        return with_numbers
    assert first_error is not None, "the last example is the caller's, which fits unless it raises"
    raise capture_failure(call.module, call.leaves(), first_error) from first_error


def _choose_examples(
    call: ExampleCall, dynamic_shapes: Any, fixed_because: str
) -> tuple[Sequence[Example], list[str]]:
    """Return the examples to try, the most dynamic first, and notes on dims that stay static."""
    if dynamic_shapes is not None:
        return examples_on_request(call, key_by_parameter(dynamic_shapes, call))
    if fixed_because:
        return [call.example], []
    return default_examples(call), []


def _make_functional(program: ExportedProgram, attempt: Attempt, notes: Sequence[str]) -> Captured:
    """Return the exported program with its functional graph, and all notes on the two."""
    inputs = program.graph_signature.input_specs
    functional, written = functionalize(inline(program.graph_module), inputs)
    all_notes = (
        *notes,
        *note_known_values(attempt.known or ()),
        *_note_writes_without_grad(program.graph_module),
        *written,
    )
    return Captured(program, drop_copies(functional, inputs), attempt.strict, all_notes)


def _trace(call: ExampleCall, functions: FunctionTable) -> Captured:
    """Return the operations that the module runs on the example, exported."""
    call.run()  # an error of the module itself comes first
    try:
        with silence_output(), keep_modules_whole(call.module), functions.write_as_operations():
            args, kwargs = call.example.copy_arguments()
            traced = Traced(call.module, args, kwargs)
        attempt = Attempt(call.example)
        program = export_once(traced, attempt, functions)
    except Exception as error:
        raise capture_failure(call.module, call.leaves(), error) from error
    restore_module_stacks(program)
    return _make_functional(program, attempt, (FROZEN,))


def _note_constants(leaves: list[tuple[str, Any]]) -> list[str]:
    notes = []
    for name, leaf in leaves:
        if not isinstance(leaf, torch.Tensor):
            notes.append(f"Input {name}={leaf!r} is a constant of the converted model.")
    return notes


def _note_static_dims(reason: str) -> list[str]:
    if not reason:
        return []
    return [f"Not every dim that dynamic_shapes names could be made dynamic: {reason}"]


def _note_writes_without_grad(graph_module: fx.GraphModule) -> list[str]:
    written = len(writes_without_grad(graph_module))
    if not written:
        return []
    ops = f"{written} in-place op{'s' if written > 1 else ''}"
    theirs, ours = "PyTorch's gradient passes by", "that of the converted model goes through"
    return [f"{ops} under torch.no_grad(): {theirs}, {ours}."]
