"""The ONNX file: written by PyTorch from the module itself, run by ONNX Runtime, compared.

ONNX Runtime keeps channels first, as PyTorch does, and no converter from Keras writes files that
are right in all: that of the module has no transposes that are not its own. It has the weights of
the Keras model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import Dim
from torch.utils import _pytree as pytree

from torch2keras.conversion.record import Conversion
from torch2keras.deployment.comparison import Outputs, compare_file, draw_sets
from torch2keras.deployment.formats import Format
from torch2keras.deployment.packages import require_package
from torch2keras.deployment.processes import run_file
from torch2keras.deployment.result import Deployment
from torch2keras.deployment.sizes import FileSizes
from torch2keras.deployment.task import ExportTask, write_place
from torch2keras.errors import DeploymentError
from torch2keras.graph.ir import Value
from torch2keras.runtime.isolation import isolate_module, silence_output
from torch2keras.runtime.typed_errors import describe_exception
from torch2keras.verification.input_sets import (
    dynamic_sizes,
    example_tensors,
    replace_tensors,
)
from torch2keras.verification.probes import resize_tensors

NOTE = "PyTorch's own exporter wrote it from the module, with the weights of the Keras model."

METADATA = "torch2keras"

CODE_SIGNS = frozenset('"\\\n\r')
"""What ends a text that `torch.fx` writes into Python code between double quotes, unescaped."""


class FlatModule(nn.Module):
    """A module that takes its tensors flat, and gives its outputs so."""

    def __init__(self, conversion: Conversion) -> None:
        super().__init__()
        self.training = False
        self.module = conversion.module
        self._conversion = conversion

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run the module on tensors in the order of its ports."""
        args, kwargs = replace_tensors(self._conversion, tensors)
        leaves = pytree.tree_leaves(self.module(*args, **kwargs))
        return tuple(leaf for leaf in leaves if isinstance(leaf, torch.Tensor))


def export_onnx(task: ExportTask) -> Deployment:
    """Write an ONNX file, and run it in ONNX Runtime.

    Raises DeploymentError where PyTorch's exporter or the runtime refuses it.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require_package(package, "an .onnx file")
    sets = draw_sets(task.conversion, task.sizes, task.notes)
    task.notes.append(NOTE)
    program = _export_program(task)
    with write_place(task.request.path) as place:
        program.model.metadata_props[METADATA] = json.dumps(task.describe())
        program.save(str(place), external_data=False)

        def run(stored: Sequence[Sequence[np.ndarray]]) -> Sequence[Outputs]:
            return _run_onnx(task, place, stored)

        checks = compare_file(task.conversion, task.boundary("torch"), sets, run, Format.ONNX)
        size = place.stat().st_size
    operators = Counter(node.op_type for node in program.model.graph.all_nodes())
    return task.result(checks, size, dict(sorted(operators.items())), runtime="onnxruntime")


def _export_program(task: ExportTask) -> Any:
    """Return what PyTorch's exporter makes of the module."""
    conversion = task.conversion
    _require_plain_names(conversion.module)
    sizes = dynamic_sizes(conversion.graph, {**conversion.graph.hints, **task.sizes.fixed})
    example = resize_tensors(example_tensors(conversion), sizes)
    module = FlatModule(conversion)
    try:
        with silence_output(), isolate_module(conversion.module, seed=0), torch.no_grad():
            return torch.onnx.export(
                module,
                example,
                dynamo=True,
                input_names=task.traced.input_names,
                output_names=task.traced.output_names,
                dynamic_shapes=(tuple(_list_dynamic_dims(conversion, task.sizes)),),
                verbose=False,
            )
    except Exception as error:
        raise DeploymentError(
            "torch.onnx.export makes no ONNX file of this module",
            [
                ("error", describe_exception(error.__cause__ or error)),
                (
                    "next",
                    "export a .tflite file or a SavedModel: these are made of the Keras model",
                ),
            ],
        ) from error


def _require_plain_names(module: nn.Module) -> None:
    """Raise DeploymentError for names that would be code in what PyTorch's exporter evaluates.

    `torch.fx.graph._format_target` writes names of modules and tensors as they are.
    """
    names = [name for name, _ in module.named_modules()]
    names += [name for name, _ in (*module.named_parameters(), *module.named_buffers())]
    for name in names:
        if not CODE_SIGNS.isdisjoint(name):
            why = "PyTorch's exporter would write it into Python code as it is"
            raise DeploymentError(
                f"a name of this module has quotes, strokes or lines in it: {name[:100]!r}",
                [("why", why), ("next", "rename that part of the module")],
            )


def _list_dynamic_dims(conversion: Conversion, sizes: FileSizes) -> Iterator[dict[int, Any]]:
    """Yield the dynamic dimensions of each input, for torch.export."""
    inputs: Sequence[Value] = conversion.graph.inputs
    for value, shape in zip(inputs, sizes.torch_shapes, strict=True):
        dims = {}
        for dim in range(value.type.rank):
            if dim < len(shape) and shape[dim] is None:
                dims[dim] = Dim.AUTO
        yield dims


def _run_onnx(
    task: ExportTask, place: Path, stored: Sequence[Sequence[np.ndarray]]
) -> Sequence[Outputs]:
    """Run a file on sets of inputs. Raises DeploymentError for what the runtime refuses."""
    try:
        return run_file("run_onnx.py", place, task.traced, stored, ("run", "again"))
    except DeploymentError as error:
        raise DeploymentError(
            "ONNX Runtime does not run the file that was made of this module",
            [("runtime", error.headline), *error.rows],
        ) from error
