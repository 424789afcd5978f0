"""The pipeline: every stage of a conversion with its passes, in the order in which they run.

    nn.Module -> ExportedProgram -> fx graph -> Graph (the typed IR) with its LayoutPlan
              -> KerasGraph -> keras.Model

`convert` runs all stages; `inspection.inspect` stops before a model is built.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Unpack

import torch
from torch import fx, nn
from torch.export import ExportedProgram

import torch2keras.ops  # noqa: F401 - fills the registry
from torch2keras.capture.captured import Captured
from torch2keras.capture.export import capture
from torch2keras.capture.nominal_dtype import nominal_dtype
from torch2keras.capture.ports.module_ports import NEW
from torch2keras.capture.ports.port_shapes import find_needed_states, require_growth
from torch2keras.capture.ports.slots import ModulePorts
from torch2keras.conversion.module_facts import read_module_facts
from torch2keras.conversion.open_ports import (
    keep_needed_ports,
    name_numbers,
    open_ports,
)
from torch2keras.conversion.record import Conversion
from torch2keras.conversion.request import (
    Request,
    RequestOptions,
    build_request,
    take_request_options,
)
from torch2keras.converted import Converted
from torch2keras.declarations.registry import registry
from torch2keras.declarations.unsupported import require_lowerings
from torch2keras.errors import LoweringError, Torch2KerasError, UnsupportedOpError
from torch2keras.fx_passes.decompose import decompose
from torch2keras.fx_passes.split_complex import split_complex
from torch2keras.graph.importer import import_graph
from torch2keras.graph.ir import Graph, keras_dtype
from torch2keras.ir_passes.decompose_attention import decompose_attention
from torch2keras.ir_passes.drop_dead_code import drop_dead_code
from torch2keras.ir_passes.drop_zero_states import drop_zero_states
from torch2keras.ir_passes.fold_constants import fold_constants
from torch2keras.ir_passes.merge_same_padding import merge_same_padding
from torch2keras.ir_passes.undo_joins import undo_joins
from torch2keras.keras_graph.mixed_precision import mix_precision
from torch2keras.keras_model.build import build
from torch2keras.keras_model.keras_settings import refuse_stateless_scope
from torch2keras.layout.assign import LayoutPlan, assign_layouts
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.axis_inference import infer_axes
from torch2keras.layout.port_orders import read_layout
from torch2keras.lower.lower import Lowered, Survey, lower
from torch2keras.runtime.free_memory import peak_memory, trim_memory
from torch2keras.runtime.isolation import isolate_process
from torch2keras.runtime.mapped_memory import release_all
from torch2keras.runtime.progress import Stage
from torch2keras.runtime.run_alone import run_alone
from torch2keras.runtime.typed_errors import raise_typed_errors
from torch2keras.verification.verify import verify_conversion
from torch2keras.workarounds.triton_import import load_exporter


@dataclass(eq=False)
class Work:
    """One conversion under way: what is asked for, and what each pass has made so far.

    A pass sets one field and reads those of the passes before it; to read one too early is an
    AttributeError.
    """

    request: Request
    survey: Survey | None = None
    """Notes refused ops where the module is only looked at; without it they are raised."""
    fixed_because: str = ""
    """Why every size is fixed to the example's; empty where they are dynamic as far as possible."""
    timings: dict[str, float] = field(default_factory=dict)
    """The seconds that each stage took, a second attempt's among them."""
    peaks: dict[str, int] = field(default_factory=lambda: {"before": peak_memory()})
    """The most bytes that the process has had by the end of each stage, and before."""

    captured: Captured = field(init=False)
    graph_module: fx.GraphModule = field(init=False)
    graph: Graph = field(init=False)
    axes: AxisSpace = field(init=False)
    plan: LayoutPlan = field(init=False)
    lowered: Lowered = field(init=False)
    converted: Converted = field(init=False)

    @property
    def conversion(self) -> Conversion:
        """The record of the stages up to the Keras graph."""
        asked = self.request
        return Conversion(
            asked.module,
            read_module_facts(asked.module),
            asked.args,
            asked.kwargs,
            self.captured,
            self.graph,
            self.plan,
            self.lowered,
            self.ports,
            asked.given,
        )

    @property
    def ports(self) -> ModulePorts:
        """The caller's module, and what of its state is inputs and outputs."""
        return self.request.ports or ModulePorts(self.request.module)

    @property
    def may_fix_sizes(self) -> bool:
        """Whether a captured size is dynamic without the caller having asked for it."""
        return self.request.dynamic_shapes is None and self.captured.is_dynamic


Pass = Callable[[Work], None]


def ask_for_ports(work: Work) -> None:
    """Make inputs of what forward keeps or draws, and outputs, where that is asked for."""
    if work.request.ports is None:
        work.request = open_ports(work.request)


def capture_module(work: Work) -> None:
    """Export the module on the example, or trace it."""
    load_exporter()
    asked = work.request
    captured = capture(
        asked.module,
        asked.args,
        asked.kwargs,
        dynamic_shapes=asked.dynamic_shapes,
        fixed_because=work.fixed_because,
        trace=asked.trace,
    )
    work.captured = replace(captured, notes=(*asked.notes, *captured.notes))


def capture_with_state(work: Work) -> None:
    """Capture the module with its state as inputs and outputs.

    States that no output depends on are left out, and the module is captured once more.
    """
    with name_numbers(work.ports):
        capture_module(work)
    needed = find_needed_states(work.captured, work.ports)
    if len(needed) < len(work.ports.states):
        work.request = keep_needed_ports(work.request, needed)
        capture_module(work)
    require_growth(work.captured, work.ports)


def split_complex_numbers(work: Work) -> None:
    """Write complex tensors as real ones with a last dimension of real and imaginary part."""
    inputs = work.captured.program.graph_signature.input_specs
    work.graph_module = split_complex(work.captured.graph_module, inputs, registry.refused)


def decompose_ops(work: Work) -> None:
    """Write ops without a lowering as ops that have one, where PyTorch knows how."""
    work.graph_module = decompose(work.graph_module, registry.__contains__)


def import_program(work: Work) -> None:
    """Read the fx graph into the typed IR."""
    graph = import_graph(work.captured.program, work.graph_module)
    states = tuple(NEW + port.name for port in work.ports.states)
    work.graph = replace(graph, state_outputs=states)


def rewrite(graph_pass: Callable[[Graph], Graph]) -> Pass:
    """Return the pass that rewrites the IR by a function from Graph to Graph."""

    def rewrite_graph(work: Work) -> None:
        work.graph = graph_pass(work.graph)

    return rewrite_graph


def refuse_unknown_ops(work: Work) -> None:
    """Raise UnsupportedOpError for all ops without a lowering at once.

    A survey notes them one by one later.
    """
    if work.survey is None:
        require_lowerings(work.graph)


def name_axes(work: Work) -> None:
    """Find the axes of each value, and which of them are the same."""
    work.axes = infer_axes(work.graph)


def choose_layouts(work: Work) -> None:
    """Choose the order in which each value is stored, for the fewest transposes in all."""
    orders = read_layout(work.graph, work.axes, work.request.layout)
    work.plan = assign_layouts(work.graph, work.axes, orders)


def lower_ops(work: Work) -> None:
    """Write each op as calls of stock Keras layers and ops."""
    asked = work.request
    dtype = keras_dtype(nominal_dtype(asked.module, asked.args, asked.kwargs))
    work.lowered = lower(work.graph, work.plan, asked.name, dtype, work.survey)


def choose_precision(work: Work) -> None:
    """Give layers the policy of mixed precision that is asked for."""
    policy, lowered = work.request.policy, work.lowered
    if not policy:
        return
    floats = []
    for value, storage in zip(work.graph.outputs, lowered.output_storages, strict=True):
        if storage is not None:
            floats.append(value.type.dtype == torch.float32)
    work.lowered = replace(lowered, graph=mix_precision(lowered.graph, policy, floats))


def build_model(work: Work) -> None:
    """Build the Functional model, and copy the weights into it."""
    model, layers = build(work.lowered.graph)
    work.converted = Converted(model, layers, work.conversion)


def verify_model(work: Work) -> None:
    """Compare the model with the module."""
    converted = work.converted
    converted.hold_verification(verify_conversion(converted.conversion, converted.run))


def verify_source(work: Work) -> None:
    """Write the model as code, and hold that code to the calls that the model was built of."""
    work.converted.source()


PIPELINE: Mapping[Stage, tuple[Pass, ...]] = {
    Stage.CAPTURE: (ask_for_ports, capture_with_state),
    Stage.IMPORT: (
        split_complex_numbers,
        decompose_ops,
        import_program,
        rewrite(undo_joins),
        rewrite(fold_constants),
        rewrite(drop_zero_states),
        rewrite(merge_same_padding),
        rewrite(drop_dead_code),
        rewrite(decompose_attention),
        refuse_unknown_ops,
    ),
    Stage.LAYOUT: (name_axes, choose_layouts),
    Stage.LOWER: (lower_ops, choose_precision),
    Stage.BUILD: (build_model,),
    Stage.VERIFY: (verify_model, verify_source),
}
"""The passes of each stage, in their order."""


TRANSLATION = (Stage.IMPORT, Stage.LAYOUT, Stage.LOWER)
"""The stages from the captured module to the Keras graph."""


def run_stages(work: Work, *stages: Stage) -> Work:
    """Run the passes of these stages in turn, tell `progress` each stage, and return the work."""
    for stage in stages:
        work.request.progress(stage)
        start = time.perf_counter()
        for apply_pass in PIPELINE[stage]:
            apply_pass(work)
        release_all()
        trim_memory()
        earlier = work.timings.get(stage.value, 0.0)
        work.timings[stage.value] = earlier + time.perf_counter() - start
        work.peaks[stage.value] = peak_memory()
    return work


@take_request_options
@run_alone
@raise_typed_errors
def convert(
    module: nn.Module | ExportedProgram,
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    verify: bool = True,
    **options: Unpack[RequestOptions],
) -> Converted:
    """Convert a PyTorch module to a Keras 3 model of stock layers, channels last, and verify it.

    `args` and `kwargs` are an example input in PyTorch's layout; `args` may be one tensor, or a
    mapping of keywords as a tokenizer gives it. What `torch.export.export` gave may stand for the
    module: then its own inputs and dynamic sizes are taken where no others are given. The batch
    (dimension 0) is dynamic where torch.export can prove it and Keras can express it; other
    dimensions as `dynamic_shapes` says, in torch.export's own vocabulary. `layout` is "keras"
    (ports in the order that costs nothing), "torch" (exactly the module's order), or a mapping from
    port names to orders such as {"x": "n l c"}. With `capture="trace"` all sizes and branches are
    those of the example, for modules that torch.export refuses; the report says so. With
    `state="ports"` what forward keeps from call to call (buffers and attributes that it changes)
    becomes inputs and outputs of the model, which are refused otherwise: `y, state = converted(x,
    **state)`, from `state = converted.initial_state` on. With `random="ports"` the numbers that
    forward draws are inputs (noise), whose distributions the report names. `dtype` is the type of
    all numbers ("float64", "bfloat16", "float16": a copy of the module is converted), or
    "mixed_bfloat16" or "mixed_float16": layers compute in the narrow type with float32 weights.
    `weights` is a state_dict, or the path of a file or folder that holds one, which is taken in
    place of the module's numbers, by a copy of it: a module that was built on the device "meta"
    takes no memory so, and its weights are read as they are needed. They have the types of the
    file; `trust` unpickles one that holds more than weights, whatever that runs.
    `name` is the model's, by default the class of the module. `progress` is called with the name of
    each stage as it begins. The module comes back as it was given.

    Raises InputError, CaptureError, UnsupportedOpError, LoweringError or VerificationError; for
    `weights` SourceError or UnsafeFileError where their file cannot be read.
    """
    refuse_stateless_scope()
    with isolate_process():
        work = run_stages(Work(build_request(module, args, kwargs, **options)), Stage.CAPTURE)
        try:
            run_stages(work, *TRANSLATION, Stage.BUILD)
        except (LoweringError, UnsupportedOpError) as error:
            if not work.may_fix_sizes:
                raise
            work = convert_with_fixed_sizes(work, error)
        if verify:
            run_stages(work, Stage.VERIFY)
        work.converted.timings = dict(work.timings)
        work.converted.peaks = dict(work.peaks)
        return work.converted


def convert_with_fixed_sizes(refused: Work, refusal: Torch2KerasError) -> Work:
    """Capture and translate once more with every size as in the example.

    Raises `refusal` where that is no better.
    """
    work = Work(
        refused.request,
        fixed_because=refusal.headline,
        timings=refused.timings,
        peaks=refused.peaks,
    )
    try:
        return run_stages(work, Stage.CAPTURE, *TRANSLATION, Stage.BUILD)
    except Torch2KerasError:
        raise refusal from None
