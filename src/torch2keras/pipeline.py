"""The pipeline, one line a stage; and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn

import torch2keras.ops  # noqa: F401 - fills the registry
from torch2keras.capture.captured import Captured
from torch2keras.capture.example_inputs import nominal_dtype
from torch2keras.capture.export import capture as capture_program
from torch2keras.capture.module_call import module_call
from torch2keras.conversion.record import Conversion
from torch2keras.converted import Converted
from torch2keras.declarations.registry import registry
from torch2keras.declarations.unsupported import require_lowerings
from torch2keras.errors import InputError, LoweringError, Torch2KerasError, UnsupportedOpError
from torch2keras.fx_passes.decompose import decompose
from torch2keras.fx_passes.split_complex import split_complex
from torch2keras.graph.importer import import_graph
from torch2keras.ir_passes.decompose_attention import attention_parts
from torch2keras.ir_passes.drop_dead_code import drop_dead_code
from torch2keras.ir_passes.drop_zero_states import zero_states
from torch2keras.ir_passes.fold_constants import fold_constants
from torch2keras.keras_model.build import build
from torch2keras.layout.assign import assign_layouts
from torch2keras.layout.axis_inference import infer_axes
from torch2keras.layout.port_orders import wanted_orders
from torch2keras.lower.lower import Survey, lower
from torch2keras.runtime.isolation import unchanged
from torch2keras.runtime.progress import Progress, silent
from torch2keras.workarounds.triton_import import load_exporter


def convert(
    module: nn.Module,
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    layout: str | Mapping[str, str] = "keras",
    capture: Literal["export", "trace"] = "export",
    verify: bool = True,
    name: str | None = None,
    progress: Progress = silent,
) -> Converted:
    """Convert a PyTorch module to a Keras 3 Functional model of stock layers, channels last, and verify it.

    `args` and `kwargs` are an example input in PyTorch's layout; `args` may be one tensor, or a mapping of keywords as
    a tokenizer gives it. The batch (dimension 0) is dynamic where
    torch.export can prove it and Keras can express it; other dimensions as `dynamic_shapes` says, in torch.export's
    own vocabulary.
    `layout` is "keras" (ports in the order that costs nothing), "torch" (exactly the module's order), or a mapping
    from port names to orders such as {"x": "n l c"}. With `capture="trace"` all sizes and branches are those of the
    example, for modules that torch.export refuses; the report says so. The module comes back as it was given.

    Raises InputError, CaptureError, UnsupportedOpError, LoweringError or VerificationError.
    """
    with unchanged():
        ask = request(module, args, kwargs, dynamic_shapes, layout, name)
        captured = captured_by(ask, capture, progress)
        try:
            converted = _converted(ask, captured, progress)
        except (LoweringError, UnsupportedOpError) as error:
            if not may_fix_batch(ask, captured):
                raise
            converted = _with_fixed_batch(ask, error, progress)
        if verify:
            progress("verify")
            converted.verify()
        return converted


@dataclass(frozen=True)
class Request:
    """What is to be converted, and how."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    dynamic_shapes: Any
    layout: str | Mapping[str, str]
    name: str
    notes: tuple[str, ...] = ()


def request(
    module: nn.Module,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    dynamic_shapes: Any,
    layout: str | Mapping[str, str],
    name: str | None,
) -> Request:
    """What the arguments of `convert` and `inspect` ask for."""
    call = module_call(module, args, kwargs)
    return Request(
        module,
        call.args,
        call.kwargs,
        dynamic_shapes,
        layout,
        name or type(module).__name__,
        call.notes,
    )


def captured_by(ask: Request, way: str, progress: Progress) -> Captured:
    """The module captured in one of the ways of `convert`. Raises InputError for another one."""
    load_exporter()
    progress("capture")
    if way not in ("export", "trace"):
        raise InputError(
            f"no way to capture is called {way!r}",
            [("next", 'use capture="export" or capture="trace"')],
        )
    if way == "trace" and ask.dynamic_shapes is not None:
        why = "tracing fixes every size to the example's"
        raise InputError(
            'capture="trace" takes no dynamic_shapes',
            [("why", why), ("next", "leave one of them out")],
        )
    return _captured(ask, dynamic_shapes=ask.dynamic_shapes, trace=way == "trace")


def may_fix_batch(ask: Request, captured: Captured) -> bool:
    """Whether something is dynamic that the caller did not ask for."""
    return ask.dynamic_shapes is None and captured.is_dynamic


def with_fixed_batch(ask: Request, headline: str) -> Captured:
    """Captured once more with every size fixed, which the report says, and why: the headline of an error."""
    return _captured(ask, fixed_because=headline)


def _captured(ask: Request, **options: Any) -> Captured:
    captured = capture_program(ask.module, ask.args, ask.kwargs, **options)
    return replace(captured, notes=(*ask.notes, *captured.notes))


def _converted(ask: Request, captured: Captured, progress: Progress) -> Converted:
    """The captured module as a Keras model."""
    conversion = lowered(ask, captured, progress)
    progress("build")
    model, layers = build(conversion.lowered.graph)
    return Converted(model, layers, conversion)


def lowered(
    ask: Request, captured: Captured, progress: Progress, survey: Survey | None = None
) -> Conversion:
    """The captured module as a Keras graph; with a `survey`, refused ops and all."""
    progress("import")
    real = split_complex(captured.graph_module, captured.program.graph_signature.input_specs)
    flat = decompose(real, registry.__contains__)
    graph = attention_parts(
        drop_dead_code(zero_states(fold_constants(import_graph(captured.program, flat))))
    )
    if survey is None:
        require_lowerings(graph)
    progress("layout")
    space = infer_axes(graph)
    plan = assign_layouts(graph, space, wanted_orders(graph, space, ask.layout))
    progress("lower")
    dtype = str(nominal_dtype(ask.module, ask.args, ask.kwargs)).removeprefix("torch.")
    made = lower(graph, plan, ask.name, dtype, survey)
    return Conversion(ask.module, ask.args, ask.kwargs, captured, graph, plan, made)


def _with_fixed_batch(ask: Request, error: Torch2KerasError, progress: Progress) -> Converted:
    """Once more with every size fixed; `error`, if that is no better."""
    progress("capture")
    try:
        return _converted(ask, with_fixed_batch(ask, error.headline), progress)
    except Torch2KerasError:
        raise error from None
