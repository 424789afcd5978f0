"""One net as a LiteRT file by each route: the child process of `deploy.py`, which prints JSON.

python benchmarks/deploy_one.py NET SECONDS
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from deploy_nets import NETS, Arguments, DeployedNet

import torch2keras
from torch2keras import Converted

CLOSE = 1e-4
"""How far a right file's output may be off, of its largest number."""

DELEGATE = "DELEGATE"

Feeds = Sequence[np.ndarray]


def count_operators(content: bytes) -> Counter[str]:
    """Return how often each operator is in a file, its loops and branches included."""
    numbers = vars(schema.BuiltinOperator).items()
    names = {number: name for name, number in numbers if isinstance(number, int)}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    counted = Counter[str]()
    for subgraph in model.subgraphs:
        for operator in subgraph.operators or ():
            code = model.operatorCodes[operator.opcodeIndex]
            counted[names[max(code.builtinCode, code.deprecatedBuiltinCode)]] += 1
    return counted


def write_ours(_net: torch.nn.Module, _example: Arguments, ours: Converted, path: Path) -> None:
    """Export as a user would."""
    ours.export(path, batch=1)


def write_stock(_net: torch.nn.Module, _example: Arguments, ours: Converted, path: Path) -> None:
    """Give our Keras model of a fixed batch to TensorFlow's converter."""
    specs = [
        tf.TensorSpec((1, *port.keras_shape[1:]), port.dtype, name=port.name)
        for port in ours.inputs
    ]
    names = [port.name for port in ours.outputs]

    @tf.function(input_signature=specs, autograph=False)
    def serve(*inputs: Any) -> dict[str, Any]:
        given = inputs[0] if len(inputs) == 1 else list(inputs)
        results = ours.model(given, training=False)
        if not isinstance(results, list | tuple):
            results = [results]
        return dict(zip(names, results, strict=True))

    concrete = serve.get_concrete_function()
    with tempfile.TemporaryDirectory() as folder:
        held = tf.Module()
        held.variables_of_layers = [weight.value for weight in ours.model.weights]
        tf.saved_model.save(held, folder, signatures={"serve": concrete})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        path.write_bytes(converter.convert())


def write_litert_torch(
    net: torch.nn.Module, example: Arguments, _ours: Converted, path: Path
) -> None:
    """Convert by litert-torch."""
    import litert_torch

    litert_torch.convert(net, example).export(str(path))


ROUTES: dict[str, Callable[..., None]] = {
    "torch2keras": write_ours,
    "Keras model": write_stock,
    "litert-torch": write_litert_torch,
}


def find_routes() -> list[str]:
    """Return the routes whose packages are installed."""
    routes = list(ROUTES)
    if importlib.util.find_spec("litert_torch") is None:
        routes.remove("litert-torch")
    return routes


class File:
    """A `.tflite` file that is run on arrays by index or by name, as its route has them."""

    def __init__(self, path: Path, route: str, ours: Converted) -> None:
        self.interpreter = Interpreter(model_path=str(path), num_threads=1)
        self.interpreter.allocate_tensors()
        self.ports = ours
        self.is_stored = route != "litert-torch"
        """Whether its tensors are stored as our model's."""
        self.inputs = self.interpreter.get_input_details()
        self.outputs = self.interpreter.get_output_details()
        if self.is_stored:
            runner = self.interpreter.get_signature_runner("serve")
            given, made = runner.get_input_details(), runner.get_output_details()
            self.inputs = [given[port.name] for port in ours.inputs]
            self.outputs = [made[port.name] for port in ours.outputs]

    def store(self, tensors: Arguments) -> Feeds:
        """Return what the file takes of tensors in PyTorch's order."""
        if not self.is_stored:
            return [tensor.numpy() for tensor in tensors]
        ports = self.ports.inputs
        return [port.from_torch(x) for port, x in zip(ports, tensors, strict=True)]

    def run(self, feeds: Feeds) -> None:
        """Run the file once, on what `store` gives."""
        for details, array in zip(self.inputs, feeds, strict=True):
            self.interpreter.set_tensor(details["index"], array)
        self.interpreter.invoke()

    def read(self) -> list[np.ndarray]:
        """Return the outputs of the last run, in PyTorch's order."""
        arrays = [self.interpreter.get_tensor(details["index"]) for details in self.outputs]
        if not self.is_stored:
            return arrays
        return [port.to_torch(x) for port, x in zip(self.ports.outputs, arrays, strict=True)]

    def count_partitions(self) -> int:
        """Return how many parts XNNPACK runs."""
        operators = self.interpreter._get_ops_details()  # noqa: SLF001 - nothing else tells
        return list(map(itemgetter("op_name"), operators)).count(DELEGATE)


def run_net(net: torch.nn.Module, arguments: Arguments) -> list[np.ndarray]:
    """Return what PyTorch gives."""
    with torch.inference_mode():
        results = net(*arguments)
    if not isinstance(results, list | tuple):
        results = [results]
    return [tensor.numpy() for tensor in results]


def measure_error(net: torch.nn.Module, spec: DeployedNet, file: File) -> float:
    """Return the largest error on two inputs, each run twice, by the outputs' largest numbers."""
    worst = 0.0
    for seed in (1, 2, 1):
        arguments = spec.inputs(1, seed)
        expected = run_net(net, arguments)
        file.run(file.store(arguments))
        for found, wanted in zip(file.read(), expected, strict=True):
            if found.shape != wanted.shape:
                return float("inf")
            scale = max(float(np.abs(wanted).max()), 1e-6)
            worst = max(worst, float(np.abs(found - wanted).max()) / scale)
    return worst


def time_in_turn(functions: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Return the least CPU time of this thread that each function takes, in turn three times."""
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(3):
        for name, function in functions.items():
            function()
            begun = time.thread_time()
            while time.thread_time() - begun < seconds / 3:
                start = time.thread_time()
                function()
                best[name] = min(best[name], time.thread_time() - start)
    return best


def measure_net(name: str, seconds: float) -> list[dict[str, Any]]:
    """Return a row for each route."""
    spec = NETS[name]
    net = spec.build(name)
    ours = torch2keras.convert(net, spec.inputs(2), verify=False)
    arguments = spec.inputs(1, 1)
    rows, runs = [], {"PyTorch": lambda: run_net(net, arguments)}
    with tempfile.TemporaryDirectory() as folder:
        for number, route in enumerate(find_routes()):
            row: dict[str, Any] = {"net": name, "tool": route, "status": "error"}
            rows.append(row)
            path = Path(folder) / f"{number}.tflite"
            try:
                begun = time.perf_counter()
                ROUTES[route](net, arguments, ours, path)
                row["export_s"] = time.perf_counter() - begun
                file = File(path, route, ours)
                row["error"] = measure_error(net, spec, file)
            except Exception as error:  # noqa: BLE001 - what fails is a result
                row["said"] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
                continue
            operators = count_operators(path.read_bytes())
            row |= {
                "status": "ok" if row["error"] < CLOSE else "wrong",
                "operators": sum(operators.values()),
                "transposes": operators.get("TRANSPOSE", 0),
                "partitions": file.count_partitions(),
                "kib": path.stat().st_size // 1024,
            }
            feeds = file.store(arguments)
            runs[route] = lambda file=file, feeds=feeds: file.run(feeds)
        times = time_in_turn(runs, seconds)
    for row in rows:
        if row["tool"] in times:
            row["latency"] = times[row["tool"]] / times["PyTorch"]
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(measure_net(sys.argv[1], float(sys.argv[2]))))
