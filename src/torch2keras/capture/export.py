"""The capture of a module: its ExportedProgram, and the graph of it without in-place ops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import fx, nn

from torch2keras.capture.attempts import Attempt, Exported, Way, export_once, plan_attempts
from torch2keras.capture.captured import Captured, output_values
from torch2keras.capture.example_inputs import Example, ExampleCall, bind_example
from torch2keras.capture.failures import (
    ForeignObjectError,
    capture_failure,
    check_no_python_numbers,
    first_line,
    has_python_numbers,
    refuse_object,
)
from torch2keras.capture.module_checks import (
    check_inputs,
    check_module,
    check_not_packed,
    check_outputs,
    note_odd_weights,
    note_train_mode,
)
from torch2keras.capture.settled_parameters import find_settled_parameters
from torch2keras.capture.sizes.asked_dims import AskedDim, list_asked_dims
from torch2keras.capture.sizes.dynamic_batch import (
    default_examples,
    examples_on_request,
    explain_misfit,
)
from torch2keras.capture.sizes.keyed_shapes import key_by_parameter
from torch2keras.capture.sizes.lost_dims import (
    find_lost_dims,
    fix_dims,
    is_lost_in_python,
    match_limits,
    note_lost_dims,
    require_fixable,
)
from torch2keras.capture.sizes.padded_lengths import note_padded_lengths
from torch2keras.capture.sizes.size_conditions import list_size_conditions
from torch2keras.capture.sizes.size_limits import find_size_limits
from torch2keras.capture.tracing import FROZEN, Traced, restore_module_stacks
from torch2keras.capture.training.custom_functions import FunctionTable
from torch2keras.capture.training.mode_alignment import align_modes
from torch2keras.capture.training.told_rates import place_told_rates
from torch2keras.capture.training.train_flags import find_batch_norms
from torch2keras.capture.training.training_ops import insert_training_ops
from torch2keras.capture.training.training_survey import (
    TrainingFacts,
    list_lost,
    list_training_notes,
    survey_training,
)
from torch2keras.capture.value_checks import find_known_values, note_known_values
from torch2keras.capture.warm_up import warm_up
from torch2keras.custom_ops.leaf_modules import check_leaves
from torch2keras.custom_ops.packing_exchange import watch_packing
from torch2keras.custom_ops.whole_modules import keep_modules_whole
from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.drop_copies import drop_copies
from torch2keras.fx_passes.fix_modes import fix_modes
from torch2keras.fx_passes.fold_numbers import fold_numbers
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
    check_outputs(output_values(captured.graph_module))
    with isolate_module(module), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        captured, unread = _follow_training(call, captured, training)
    training_notes = list_training_notes(training, captured.graph_module.graph, unread)
    return replace(
        captured,
        graph_module=fix_modes(captured.graph_module, training.fixed),
        notes=(*notes, *captured.notes, *training_notes),
        training=training,
        traced=trace,
    )


def _follow_training(
    call: ExampleCall, captured: Captured, training: TrainingFacts
) -> tuple[Captured, Collection[str] | None]:
    """Put into the graph what acts in training alone, where stock Keras has a layer for it.

    Returned with it are the paths of the modules of which that could not be read; None where the
    module was not exported in train mode.
    """
    lost = list_lost(training, captured.graph_module.graph)
    if not lost or captured.attempt is None:
        return captured, None
    told = place_told_rates(captured.graph_module.graph, training.rates) if training.rates else None
    if told is not None:
        graph_module = insert_training_ops(captured.graph_module, told)
        return replace(captured, graph_module=graph_module), ()
    in_eval = training.fixed.union(find_batch_norms(call.module))
    attempt = replace(captured.attempt, in_eval=in_eval)
    try:
        exported = export_once(call.module, attempt, training.functions)
        in_train = _make_functional(call, exported).graph_module
    except Exception:  # noqa: BLE001 - a stranger's module may raise anything; it is noted then
        return captured, None
    found = align_modes(captured.graph_module.graph, in_train.graph)
    graph_module = insert_training_ops(captured.graph_module, found)
    return replace(captured, graph_module=graph_module), found.unread_paths


def _export(
    call: ExampleCall, dynamic_shapes: Any, fixed_because: str, functions: FunctionTable
) -> Captured:
    """Return what the first attempt gives that succeeds.

    An attempt that leaves Python numbers in the graph is taken only where none with known values,
    or with a module that ran before, succeeds.
    """
    examples, asked = _choose_examples(call, dynamic_shapes, fixed_because)
    reasons: defaultdict[Way, str] = defaultdict(lambda: fixed_because)
    first_error: Exception | None = None
    with_numbers: Captured | None = None
    warming = replace(call, example=examples[0])
    attempts = plan_attempts(examples, partial(warm_up, warming), partial(find_known_values, call))
    for attempt in attempts:
        if with_numbers is not None and attempt.strict:
            continue
        try:
            exported = export_once(call.module, attempt, functions)
        except ForeignObjectError as error:
            raise refuse_object(error) from error
        except Exception as error:  # noqa: BLE001 - whatever is raised, another attempt may succeed
            if first_error is None:
                with isolate_module(call.module):  # which is not warm by it
                    call.run()  # an error of the module itself comes first
                first_error = error
            reasons[attempt.way] = reasons[attempt.way] or first_line(error)
            continue
        if misfit := explain_misfit(call, exported.program, attempt.example):
            reasons[attempt.way] = misfit
            continue
        captured = _keep_sizes(call, functions, exported, asked, reasons[attempt.way])
        if attempt.known is not None or not has_python_numbers(captured.graph_module):
            return captured
        with_numbers = captured
    if with_numbers is not None:
        return with_numbers
    assert first_error is not None, "the last example is the caller's, which fits unless it raises"
    raise capture_failure(call.module, call.leaves(), first_error) from first_error


def _choose_examples(
    call: ExampleCall, dynamic_shapes: Any, fixed_because: str
) -> tuple[Sequence[Example], Sequence[AskedDim]]:
    """Return the examples to try, the most dynamic first, and the dims that are to be dynamic."""
    if dynamic_shapes is not None:
        examples = examples_on_request(call, key_by_parameter(dynamic_shapes, call))
    else:
        examples = default_examples(call)
    asked = list_asked_dims(examples[0].shapes, call)
    return ([call.example] if fixed_because else examples), asked


def _keep_sizes(
    call: ExampleCall,
    functions: FunctionTable,
    exported: Exported,
    asked: Sequence[AskedDim],
    reason: str,
) -> Captured:
    """Return what was exported, with as many sizes dynamic as can be, and no more than that.

    Where forward makes Python numbers of sizes, Dynamo keeps them. Where it branches on a size that
    is dynamic, and the other branch gives something else, the size is fixed. Raises InputError
    where such a size was asked for by name.
    """
    lost = find_lost_dims(asked, exported)
    if not exported.attempt.strict and is_lost_in_python(lost, exported):
        exported = _export_by_dynamo(call, functions, exported, asked)
    captured = _make_functional(call, exported)
    limits = find_size_limits(call, exported, captured, asked)
    limited = match_limits(asked, exported, tuple(limits.found.values()))
    if limited:
        require_fixable(limited)
        example = fix_dims(call, exported.attempt.example, limited)
        exported = export_once(call.module, replace(exported.attempt, example=example), functions)
        captured = _make_functional(call, exported)
    lost_notes = note_lost_dims(asked, exported, reason, limited)
    return replace(
        captured,
        notes=(*lost_notes, *limits.list_notes(), *captured.notes),
        size_conditions=list_size_conditions(exported, limits),
    )


def _export_by_dynamo(
    call: ExampleCall, functions: FunctionTable, exported: Exported, asked: Sequence[AskedDim]
) -> Exported:
    """Return what the strict way gives, if it succeeds and keeps more sizes; else what there is."""
    try:
        other = export_once(call.module, replace(exported.attempt, strict=True), functions)
    except Exception:  # noqa: BLE001 - whatever is raised, there is an export
        return exported
    if explain_misfit(call, other.program, other.attempt.example):
        return exported
    keeps_more = len(find_lost_dims(asked, other)) < len(find_lost_dims(asked, exported))
    return other if keeps_more else exported


def _make_functional(call: ExampleCall, exported: Exported) -> Captured:
    """Return the exported program with its functional graph, and the notes on the two."""
    program, attempt = exported.program, exported.attempt
    inputs = program.graph_signature.input_specs
    inlined = inline(program.graph_module)
    try:
        functional, written = functionalize(inlined, inputs)
    except UnsupportedOpError:
        settled = find_settled_parameters(call)
        if not settled:
            raise
        functional, written = functionalize(inlined, inputs, settled)
    folded = fold_numbers(functional, program)
    notes = (
        *note_known_values(attempt.known or (), folded),
        *_note_writes_without_grad(program.graph_module),
        *written,
    )
    graph_module = drop_copies(functional, inputs)
    return Captured(program, graph_module, attempt.strict, notes, attempt=attempt)


def _trace(call: ExampleCall, functions: FunctionTable) -> Captured:
    """Return the operations that the module runs on the example, exported."""
    call.run()  # an error of the module itself comes first
    try:
        with silence_output(), keep_modules_whole(call.module), functions.write_as_operations():
            args, kwargs = call.example.copy_arguments()
            traced = Traced(call.module, args, kwargs)
        exported = export_once(traced, Attempt(call.example), functions)
    except Exception as error:
        raise capture_failure(call.module, call.leaves(), error) from error
    restore_module_stacks(exported.program)
    captured = _make_functional(call, exported)
    return replace(captured, notes=(FROZEN, *captured.notes), attempt=None)


def _note_constants(leaves: list[tuple[str, Any]]) -> list[str]:
    notes = []
    for name, leaf in leaves:
        if not isinstance(leaf, torch.Tensor):
            notes.append(f"Input {name}={leaf!r} is a constant of the converted model.")
    return notes


def _note_writes_without_grad(graph_module: fx.GraphModule) -> list[str]:
    written = len(writes_without_grad(graph_module))
    if not written:
        return []
    ops = f"{written} in-place op{'s' if written > 1 else ''}"
    theirs, ours = "PyTorch's gradient passes by", "that of the converted model goes through"
    return [f"{ops} under torch.no_grad(): {theirs}, {ours}."]
