"""A module's `.tflite` file beside the module: equal numbers, and its operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras
from deployment_nets import trace
from torch2keras.converted import Converted
from torch2keras.deployment.forms_model import FormsModel, make_forms_model
from torch2keras.deployment.litert import convert_saved_model
from torch2keras.deployment.saved_model import SERVE, ServedFunction, write_saved_model
from torch2keras.deployment.sizes import FileSizes

CLOSE = 2e-5
"""The largest difference that is allowed, of the largest number of an output."""


@dataclass
class Deployed:
    """A file of a model in the forms for LiteRT, and how often each operator stands in it."""

    converted: Converted
    model: FormsModel
    content: bytes
    operators: Counter[str] = field(default_factory=Counter)


def deploy(module: nn.Module, *example: torch.Tensor, **options: Any) -> Deployed:
    """Convert a module, and check its forms at batch 1 in LiteRT; other sizes are the example's.

    The example has a batch of 2 or more.
    """
    module = module.eval()
    converted = torch2keras.convert(module, example, verify=False, **options)
    deployed = write_forms(converted, [tuple(tensor[:1].shape) for tensor in example])
    inputs = [tensor[:1] for tensor in example]
    with torch.no_grad():
        expected = module(*inputs)
    wanted = [tensor.numpy() for tensor in as_sequence(expected)]
    given = [port.from_torch(x) for port, x in zip(converted.inputs, inputs, strict=True)]
    by_name = dict(zip(deployed.model.input_names, given, strict=True))
    run, deployed.operators = read_lite(deployed.content)
    others = dict(zip(by_name, map(np.zeros_like, given), strict=True))
    for runner in (run, read_lite(deployed.content, delegated=True)[0]):
        compare(converted, runner(by_name), wanted)
        runner(others)
        compare(converted, runner(by_name), wanted)
    return deployed


def write_forms(converted: Converted, shapes: Sequence[tuple[int, ...]]) -> Deployed:
    """Return the file of a model in the forms for inputs of these shapes, in PyTorch's order."""
    with TemporaryDirectory() as folder:
        model, sizes = save_forms(converted, shapes, Path(folder))
        file = convert_saved_model(Path(folder), model, sizes)
    return Deployed(converted, model, file.pack())


def save_forms(
    converted: Converted, shapes: Sequence[tuple[int, ...]], folder: Path
) -> tuple[FormsModel, FileSizes]:
    """Write what TensorFlow's converter reads for inputs of these shapes, in PyTorch's order."""
    model = make_forms_model(trace(converted))
    pairs = zip(converted.inputs, shapes, strict=True)
    stored = [tuple(shape[dim] for dim in port.permutation) for port, shape in pairs]
    sizes = FileSizes({}, tuple(shapes), tuple(stored), 1)
    write_saved_model(model, sizes, [ServedFunction(SERVE, "keras")], folder)
    return model, sizes


def as_sequence(result: Any) -> Sequence[torch.Tensor]:
    """Return a result as several ones."""
    return result if isinstance(result, list | tuple) else (result,)


def compare(converted: Converted, results: dict[str, Any], wanted: Sequence[np.ndarray]) -> None:
    """Compare the outputs by their names."""
    for port, expected in zip(converted.outputs, wanted, strict=True):
        found = port.to_torch(results[port.name])
        assert found.shape == expected.shape
        scale = max(1e-6, float(np.abs(expected).max()))
        np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE * scale)


def read_lite(
    content: bytes, *, delegated: bool = False
) -> tuple[Callable[[dict[str, Any]], dict[str, Any]], Counter[str]]:
    """Return what runs a file on arrays by name, `delegated` to XNNPACK or not, and its operators.

    XNNPACK has one operator in place of those that it takes.
    """
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    kinds = litert.OpResolverType
    kind = kinds.AUTO if delegated else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = litert.Interpreter(model_content=content, experimental_op_resolver_type=kind)
    names = [details["op_name"] for details in interpreter._get_ops_details()]
    return lambda feeds: interpreter.get_signature_runner()(**feeds), Counter(names)
