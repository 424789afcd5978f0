"""nn.Module -> ExportedProgram, and its graph without modes, in-place ops and copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from torch2keras.capture_failure import (
    capture_failure,
    check_constants,
    check_no_python_numbers,
    eager_failure,
    first_line,
    has_python_numbers,
)
from torch2keras.errors import InputError
from torch2keras.example_inputs import (
    Example,
    batch_first,
    bound_arguments,
    by_parameter,
    cloned,
    doubled,
    named_leaves,
    requested_dims,
)
from torch2keras.leaves import check_leaves
from torch2keras.loading import load_exporter
from torch2keras.module_checks import check_inputs, check_module, train_mode_notes, weight_notes
from torch2keras.module_state import eval_view, quiet
from torch2keras.passes import drop_copies, functionalize, inline, writes_without_grad
from torch2keras.passes.fake_values import static_size, symbolic_expression
from torch2keras.readings import Reading
from torch2keras.tracing import FROZEN, Traced, with_module_stacks
from torch2keras.value_checks import answered, answers, note
from torch2keras.whole import whole_modules


@dataclass(frozen=True)
class Captured:
    """What torch.export made of a module.

    `program` is as exported. `graph_module` has the same placeholders; it is functional, has no mode regions,
    assertions or copies, and `reshape` for `view`. `strict` says which of torch.export's two ways succeeded. `notes`
    are facts for the report, each a sentence.
    """

    program: ExportedProgram
    graph_module: fx.GraphModule
    strict: bool
    notes: tuple[str, ...]

    @property
    def user_values(self) -> list[torch.Tensor]:
        """The fake values of the tensors that the caller gives, in their order, with torch.export's own sizes."""
        return _user_values(self.program)

    @property
    def is_dynamic(self) -> bool:
        """Whether a size of the inputs is."""
        return any(static_size(size) is None for value in self.user_values for size in value.shape)

    @property
    def complex_inputs(self) -> tuple[bool, ...]:
        """Which of the tensors that the caller gives are complex."""
        return tuple(value.is_complex() for value in self.user_values)

    @property
    def complex_outputs(self) -> tuple[bool, ...]:
        """Which of the flat outputs are complex tensors."""
        values = _output_values(self.graph_module)
        return tuple(isinstance(value, torch.Tensor) and value.is_complex() for value in values)


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
    with eval_view(module):
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
        attempts, notes = [given] if refusal else list(_default_attempts(given, bound)), list[str]()
    else:
        attempts, notes = _asked_attempts(given, by_parameter(dynamic_shapes, module, given, bound), bound)
    first: Exception | None = None
    known: list[Reading] | None = None
    for strict, with_known in ((False, True),) if by_values else ((False, False), (True, False), (False, True)):
        if with_known and (known := answers(lambda: _run(module, given, bound), given.tensors())) is None:
            break
        why = refusal
        for example in attempts:
            try:
                program = _export_once(module, example, strict=strict, known=known)
            except Exception as error:  # noqa: BLE001 - torch.export lets through whatever the user's code raises
                if first is None:
                    _run(module, given, bound)
                    first = error
                why = why or first_line(error)
                continue
            if example.doubled and (problem := _not_dynamic(module, program, example, given, bound)):
                why = problem
                continue
            if dynamic_shapes is None:
                notes += _batch_notes(program, why)
            elif why:
                notes.append(f"Not every dim that dynamic_shapes names could be made dynamic: {why}")
            notes += note(known or ())
            return _Exported(program, strict, tuple(notes))
    if by_values:
        return None
    raise capture_failure(module, named_leaves(bound), cast("Exception", first)) from first


def _export_traced(module: nn.Module, example: Example, bound: dict[str, Any]) -> _Exported:
    _run(module, example, bound)
    try:
        with quiet(), whole_modules(module):
            traced = Traced(module, *cloned(example.args, example.kwargs))
        program = _export_once(traced, example, strict=False)
    except Exception as error:
        raise capture_failure(module, named_leaves(bound), error) from error
    return _Exported(with_module_stacks(program), strict=False, notes=(FROZEN,))


def _export_once(
    module: nn.Module, example: Example, *, strict: bool, known: list[Reading] | None = None
) -> ExportedProgram:
    args, kwargs = cloned(example.args, example.kwargs)
    with quiet(), whole_modules(module), answered(known):
        program = torch.export.export(module, args, kwargs, dynamic_shapes=example.shapes, strict=strict)
    check_constants(program)
    return program


def _default_attempts(given: Example, bound: dict[str, Any]) -> Iterator[Example]:
    """Batch dynamic with a doubled example where it is 1, batch dynamic as given, everything static."""
    shapes = batch_first(bound)
    tensors = given.tensors()
    with_dims = tuple(position for position, tensor in enumerate(tensors) if tensor.ndim)
    sizes = {tensors[position].shape[0] for position in with_dims}
    if shapes is not None and sizes == {1}:
        yield doubled(Example(given.args, given.kwargs, shapes), with_dims)
    elif shapes is not None:
        yield Example(given.args, given.kwargs, shapes)
    yield given


def _asked_attempts(given: Example, shapes: dict[str, Any], bound: dict[str, Any]) -> tuple[list[Example], list[str]]:
    """The caller's shapes, with a doubled example first where a dynamic dim 0 has size 1."""
    notes: list[str] = []
    asked = Example(given.args, given.kwargs, shapes)
    tensors = given.tensors()
    short: list[int] = []
    for name, tensor, dim, request in requested_dims(shapes, bound):
        if tensor.shape[dim] > 1:
            continue
        if dim == 0 and tensor.shape[0] == 1:
            short.append(next(at for at, other in enumerate(tensors) if other is tensor))
        elif "AUTO" in repr(request):
            notes.append(f"Dim {dim} of {name} is fixed to {tensor.shape[dim]}, the example's size.")
        else:
            raise InputError(
                f"dim {dim} of {name} is to be dynamic and has size {tensor.shape[dim]} in the example",
                [("why", "torch.export fixes sizes 0 and 1"), ("next", "give an example with size >= 2")],
            )
    if not short:
        return [asked], notes
    return [doubled(asked, tuple(short)), asked], notes


def _not_dynamic(
    module: nn.Module, program: ExportedProgram, example: Example, given: Example, bound: dict[str, Any]
) -> str:
    """Why a program that was exported from a doubled example does not stand for the example; "" where it does."""
    values = _user_values(program)
    sizes: dict[Any, int] = {}
    for position, (value, tensor) in enumerate(zip(values, given.tensors(), strict=True)):
        for dim, size in enumerate(value.shape):
            expression = symbolic_expression(size)
            if position in example.doubled and dim == 0 and (expression is None or not expression.is_Symbol):
                return "forward uses the batch size as a number"
            if expression is not None and sizes.setdefault(expression, tensor.shape[dim]) != tensor.shape[dim]:
                return "forward ties the batch size to another size"
    outputs = [value for value in _output_values(program) if isinstance(value, torch.Tensor)]
    if not any(value.ndim and static_size(value.shape[0]) is None for value in outputs):
        return "no output keeps the batch as its first dim"
    eager = [value for value in pytree.tree_leaves(_run(module, given, bound)) if isinstance(value, torch.Tensor)]
    if [_sized(value, sizes) for value in outputs] != [tuple(value.shape) for value in eager]:
        return "the outputs for a batch of 1 have other dims than those for larger batches"
    return ""


def _run(module: nn.Module, given: Example, bound: dict[str, Any]) -> Any:
    """The module's outputs on the example, its state untouched. Raises InputError where the module itself fails."""
    args, kwargs = cloned(given.args, given.kwargs)
    state = {name: tensor.detach().clone() for name, tensor in (*module.named_parameters(), *module.named_buffers())}
    try:
        with torch.no_grad():
            return torch.func.functional_call(module, state, args, kwargs)
    except Exception as error:
        raise eager_failure(module, named_leaves(bound), error) from error


def _user_values(program: ExportedProgram) -> list[torch.Tensor]:
    """The fake values of the tensors that the caller gives, in their order."""
    names = [spec.arg.name for spec in program.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT]
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    return [values[name] for name in names if isinstance(values.get(name), torch.Tensor)]


def _output_values(held: ExportedProgram | fx.GraphModule) -> list[Any]:
    output = next(node for node in held.graph.nodes if node.op == "output")
    leaves = pytree.tree_leaves(output.args[0])
    return [node.meta.get("val") if isinstance(node, fx.Node) else node for node in leaves]


def _sized(value: torch.Tensor, sizes: dict[Any, int]) -> tuple[int, ...]:
    """The shape of a fake value with the example's sizes in place of its symbols."""
    expressions = [symbolic_expression(size) for size in value.shape]
    return tuple(
        int(size) if expression is None else int(expression.subs(sizes))
        for size, expression in zip(value.shape, expressions, strict=True)
    )


def _batch_notes(program: ExportedProgram, refusal: str) -> list[str]:
    values = [value for value in _user_values(program) if value.ndim]
    if not values or any(static_size(value.shape[0]) is None for value in values):
        return []
    sizes = ", ".join(dict.fromkeys(str(value.shape[0]) for value in values))
    why = refusal or "forward needs this size"
    return [f"The first dim of the inputs, usually the batch, is fixed to {sizes}: {why.rstrip('.')}."]


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
    return [f"{ops} under torch.no_grad(): PyTorch's gradient passes by, that of the converted model goes through."]
