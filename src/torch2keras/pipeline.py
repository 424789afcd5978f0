"""The pipeline, one line a stage; and its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

import torch2keras.ops  # noqa: F401 - fills the registry
from torch2keras.axes import infer_axes
from torch2keras.build import build
from torch2keras.capture import capture
from torch2keras.converted import Conversion, Converted
from torch2keras.global_state import unchanged
from torch2keras.importer import import_graph
from torch2keras.layout import assign_layouts
from torch2keras.loading import load_exporter
from torch2keras.lower import lower
from torch2keras.passes import decompose
from torch2keras.passes.dead_code import drop_dead_code
from torch2keras.passes.fold_constants import fold_constants
from torch2keras.ports import wanted_orders
from torch2keras.progress import Progress, silent
from torch2keras.reference import nominal_dtype
from torch2keras.registry import registry
from torch2keras.support import require_lowerings


def convert(
    module: nn.Module,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    layout: str | Mapping[str, str] = "keras",
    verify: bool = True,
    name: str | None = None,
    progress: Progress = silent,
) -> Converted:
    """Convert a PyTorch module to a Keras 3 Functional model of stock layers, channels last, and verify it.

    `args` and `kwargs` are an example input in PyTorch's layout. The batch (dimension 0) is dynamic where
    torch.export can prove it; other dimensions as `dynamic_shapes` says, in torch.export's own vocabulary.
    `layout` is "keras" (ports in the order that costs nothing), "torch" (exactly the module's order), or a mapping
    from port names to orders such as {"x": "n l c"}. The module comes back as it was given.

    Raises InputError, CaptureError, UnsupportedOpError, LoweringError or VerificationError.
    """
    with unchanged():
        load_exporter()
        progress("capture")
        captured = capture(module, args, dict(kwargs or {}), dynamic_shapes=dynamic_shapes)
        progress("import")
        flat = decompose(captured.graph_module, registry.__contains__)
        graph = drop_dead_code(fold_constants(import_graph(captured.program, flat)))
        require_lowerings(graph)
        progress("layout")
        space = infer_axes(graph)
        plan = assign_layouts(graph, space, wanted_orders(graph, space, layout))
        progress("lower")
        dtype = str(nominal_dtype(module, args, kwargs)).removeprefix("torch.")
        lowered = lower(graph, plan, name or type(module).__name__, dtype)
        progress("build")
        model, layers = build(lowered.graph)
        conversion = Conversion(module, args, dict(kwargs or {}), captured, graph, plan, lowered)
        converted = Converted(model, layers, conversion)
        if verify:
            progress("verify")
            converted.verify()
        return converted
