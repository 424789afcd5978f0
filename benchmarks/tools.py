"""The converters that are compared, each as it is called by default, if it is installed.

Each answers with a function on arrays in PyTorch's order, and with the number of transposes in what
it made: TensorFlow nodes of this kind in the model's graph, or operators in a LiteRT file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

PICTURES = "calibration_image_sample_data_20x128x128x3_float32.npy"
"""What onnx2tf calls its sample."""


@dataclass(frozen=True)
class Made:
    """A converted net."""

    prepare: Callable[[np.ndarray], Callable[[], Any]]
    """Takes an input; what it gives runs the net on it."""
    arrays: Callable[[Any], list[np.ndarray]]
    """The results of a run, in PyTorch's order."""
    transposes: int


def convert_with_torch2keras(module: nn.Module, example: torch.Tensor) -> Made:
    """Convert with this package, verification included."""
    import torch2keras as t2k

    converted = t2k.convert(module, example)
    port_in, ports_out = converted.inputs[0], converted.outputs

    def arrays(results: Any) -> list[np.ndarray]:
        flat = results if isinstance(results, list | tuple) else [results]
        return [port.to_torch(y) for port, y in zip(ports_out, flat, strict=True)]

    return _run_in_a_graph(converted.model, port_in.from_torch, arrays, example)


def convert_with_nobuco(module: nn.Module, example: torch.Tensor) -> Made:
    """Convert with nobuco, which traces; inputs and outputs stay in PyTorch's order."""
    import nobuco
    from nobuco import ChannelOrder

    model = nobuco.pytorch_to_keras(
        module,
        args=[example],
        inputs_channel_order=ChannelOrder.PYTORCH,
        outputs_channel_order=ChannelOrder.PYTORCH,
    )
    return _run_in_a_graph(model, lambda x: x, _flat, example)


def convert_with_onnx2tf(module: nn.Module, example: torch.Tensor) -> Made:
    """Convert with onnx2tf, behind torch.onnx; it puts some inputs and outputs channels last."""
    import onnx2tf

    folder = Path(tempfile.mkdtemp())
    file = folder / "net.onnx"
    os.chdir(folder)  # where it looks for pictures to try an image net with, before it loads some
    np.save(PICTURES, np.random.default_rng(0).random((20, 128, 128, 3), np.float32))
    torch.onnx.export(module, (example,), str(file), dynamo=False)
    model = onnx2tf.convert(
        input_onnx_file_path=str(file),
        output_folder_path=str(folder),
        non_verbose=True,
        not_use_onnxsim=True,
        output_signaturedefs=True,  # a grouped convolution cannot be saved without it
    )
    with torch.no_grad():
        shapes = [tuple(y.shape) for y in _tensors(module(example))]

    def store(x: np.ndarray) -> np.ndarray:
        if tuple(model.inputs[0].shape[1:]) == x.shape[1:]:
            return x
        return np.moveaxis(x, 1, -1)

    def arrays(results: Any) -> list[np.ndarray]:
        found = _flat(results)
        for number, shape in enumerate(shapes):
            if found[number].shape[1:] != shape[1:]:
                found[number] = np.moveaxis(found[number], -1, 1)
        return found

    return _run_in_a_graph(model, store, arrays, example)


def convert_with_litert_torch(module: nn.Module, example: torch.Tensor) -> Made:
    """Convert with litert-torch to a LiteRT file."""
    import litert_torch

    made = litert_torch.convert(module, (example,))
    file = Path(tempfile.mkdtemp()) / "net.tflite"
    made.export(str(file))
    return Made(lambda x: lambda: made(x), _flat, _count_litert_transposes(file))


def _count_litert_transposes(file: Path) -> int:
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_path=str(file))._get_ops_details()  # noqa: SLF001 - no public list
    return sum(op["op_name"] == "TRANSPOSE" for op in details)


def _run_in_a_graph(
    model: Any,
    store: Callable[[np.ndarray], np.ndarray],
    arrays: Callable[[Any], list[np.ndarray]],
    example: Any,
) -> Made:
    """Return a Keras model as a TensorFlow graph, its inputs in the order that `store` gives."""
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False))

    def tensor(x: np.ndarray) -> Any:
        return tf.constant(np.ascontiguousarray(store(x)))

    def prepare(x: np.ndarray) -> Callable[[], Any]:
        argument = tensor(x)
        return lambda: function(argument)

    graph = function.get_concrete_function(tensor(example.numpy())).graph
    transposes = list(_operations(graph.as_graph_def())).count("Transpose")
    return Made(prepare, arrays, transposes)


def _operations(graph: Any) -> Iterator[str]:
    yield from (node.op for node in graph.node)
    for function in graph.library.function:
        yield from (node.op for node in function.node_def)


def _flat(results: Any) -> list[np.ndarray]:
    if not isinstance(results, list | tuple):
        results = [results]
    return [np.asarray(y) for y in results]


def _tensors(results: Any) -> Sequence[torch.Tensor]:
    return results if isinstance(results, list | tuple) else [results]


TOOLS: dict[str, Callable[[nn.Module, torch.Tensor], Made]] = {
    "torch2keras": convert_with_torch2keras,
    "nobuco": convert_with_nobuco,
    "onnx2tf": convert_with_onnx2tf,
    "litert-torch": convert_with_litert_torch,
}


def find_installed() -> dict[str, str]:
    """Return the tools that are here, with their versions."""
    found = {}
    for name in TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
