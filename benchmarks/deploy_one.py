"""One net as a LiteRT file by each route: the child process of `deploy.py`, which prints JSON.

    python benchmarks/deploy_one.py NET SECONDS LIMIT FOLDER [TOOL=PYTHON ...]

Ours and the Keras model's are made here, each rival's in its own interpreter (`deploy_rival.py`);
all files are then run here, in turn. LIMIT is the seconds that a rival may take, some of which take
minutes: what it makes, or says, stays in FOLDER, and is not made again.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import subprocess
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

Row = dict[str, Any]


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


ROUTES: dict[str, Callable[..., None]] = {"torch2keras": write_ours, "Keras model": write_stock}
"""What is made in this process."""

RIVAL = Path(__file__).with_name("deploy_rival.py")


def write_sources(net: torch.nn.Module, arguments: Arguments, folder: Path) -> None:
    """Write what the rivals read: an exported program, and ONNX by the first exporter that can.

    The older one comes first: onnx2tf refuses recurrent layers of the other, whose weights are no
    constants.
    """
    program = torch.export.export(net, arguments, strict=False)
    torch.export.save(program, folder / "net.pt2")
    file = folder / "net.onnx"
    for dynamo in (False, True):
        with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(Exception):
            torch.onnx.export(net, arguments, str(file), dynamo=dynamo, verbose=False)
            return


def write_rival(tool: str, python: str, folder: Path, limit: float) -> Row:
    """Let a rival write its file, and return what it says of it, "said" alone where it fails."""
    command = [python, "-W", "ignore", str(RIVAL), tool, str(folder)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"said": f"took more than {limit:g} s"}
    facts = folder / f"{tool}.json"
    if facts.exists():
        found: Row = json.loads(facts.read_text())
        return found
    said = (ran.stderr.strip() or ran.stdout.strip()).splitlines() or ["nothing"]
    return {"said": f"exit code {ran.returncode}: {said[-1][:200]}"}


def reuse_rival(tool: str, python: str, folder: Path, limit: float, kept: Path) -> Row:
    """Return what a rival says, of the file that it made before if there is one."""
    facts, file = kept / f"{tool}.json", kept / f"{tool}.tflite"
    if not facts.exists():
        found = write_rival(tool, python, folder, limit)
        if (folder / file.name).exists():
            shutil.copy(folder / file.name, file)
        facts.write_text(json.dumps(found))
    said: Row = json.loads(facts.read_text())
    if "said" in said:
        raise RuntimeError(said["said"])
    return said


class File:
    """A `.tflite` file that is run on arrays in the order of its inputs."""

    def __init__(self, path: Path) -> None:
        self.interpreter = Interpreter(model_path=str(path), num_threads=1)
        self.interpreter.allocate_tensors()
        self.inputs = self.interpreter.get_input_details()
        self.outputs = self.interpreter.get_output_details()

    def store(self, tensors: Arguments) -> Feeds:
        """Return what the file takes of tensors in PyTorch's order."""
        return [tensor.numpy() for tensor in tensors]

    def run(self, feeds: Feeds) -> None:
        """Run the file once, on what `store` gives."""
        for details, array in zip(self.inputs, feeds, strict=True):
            self.interpreter.set_tensor(details["index"], array)
        self.interpreter.invoke()

    def read(self) -> list[np.ndarray]:
        """Return the outputs of the last run, in PyTorch's order."""
        return [self.interpreter.get_tensor(details["index"]) for details in self.outputs]

    def count_partitions(self) -> int:
        """Return how many parts XNNPACK runs."""
        operators = self.interpreter._get_ops_details()  # noqa: SLF001 - nothing else tells
        return list(map(itemgetter("op_name"), operators)).count(DELEGATE)


class OurFile(File):
    """A file whose tensors are called and stored as the ports of our model."""

    def __init__(self, path: Path, ports: Converted) -> None:
        super().__init__(path)
        self.ports = ports
        runner = self.interpreter.get_signature_runner("serve")
        given, made = runner.get_input_details(), runner.get_output_details()
        self.inputs = [given[port.name] for port in ports.inputs]
        self.outputs = [made[port.name] for port in ports.outputs]

    def store(self, tensors: Arguments) -> Feeds:
        """Return what the file takes of tensors in PyTorch's order."""
        ports = self.ports.inputs
        return [port.from_torch(x) for port, x in zip(ports, tensors, strict=True)]

    def read(self) -> list[np.ndarray]:
        """Return the outputs of the last run, in PyTorch's order."""
        arrays = super().read()
        return [port.to_torch(x) for port, x in zip(self.ports.outputs, arrays, strict=True)]


class TransposedFile(File):
    """A file that says nothing of its order: any is right by which the numbers are PyTorch's."""

    def __init__(self, path: Path, tensors: Arguments, expected: Sequence[np.ndarray]) -> None:
        super().__init__(path)
        self.orders: Sequence[Sequence[int]] = [range(tensor.ndim) for tensor in tensors]
        self.expected_shapes = [array.shape for array in expected]
        best, found = float("inf"), self.orders
        for orders in itertools.product(*map(self._find_orders, self.inputs, tensors)):
            self.orders = orders
            self.run(self.store(tensors))
            error = compare_outputs(self.read(), expected)
            if error < best:
                best, found = error, orders
        self.orders = found

    @staticmethod
    def _find_orders(details: Any, tensor: torch.Tensor) -> list[tuple[int, ...]]:
        """Return the orders of dimensions in which a tensor has the shape of an input."""
        shape, wanted = np.array(tensor.shape), details["shape"]
        orders = itertools.permutations(range(tensor.ndim))
        return [order for order in orders if np.array_equal(shape[list(order)], wanted)]

    def store(self, tensors: Arguments) -> Feeds:
        """Return what the file takes of tensors in PyTorch's order."""
        arrays = []
        for tensor, order, details in zip(tensors, self.orders, self.inputs, strict=True):
            array = np.ascontiguousarray(tensor.numpy().transpose(order))
            arrays.append(array.astype(details["dtype"]))
        return arrays

    def read(self) -> list[np.ndarray]:
        """Return the outputs of the last run; channels first again where these stand last."""
        found = []
        for array, shape in zip(super().read(), self.expected_shapes, strict=True):
            if array.shape != shape and array.ndim > 1:
                found.append(np.moveaxis(array, -1, 1))
            else:
                found.append(array)
        return found


def run_net(net: torch.nn.Module, arguments: Arguments) -> list[np.ndarray]:
    """Return what PyTorch gives."""
    with torch.inference_mode():
        results = net(*arguments)
    if not isinstance(results, list | tuple):
        results = [results]
    return [tensor.numpy() for tensor in results]


def compare_outputs(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """Return the largest error by the outputs' largest numbers; infinity for another shape."""
    worst = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        if ours.shape != theirs.shape:
            return float("inf")
        scale = max(float(np.abs(theirs).max()), 1e-6)
        worst = max(worst, float(np.abs(ours - theirs).max()) / scale)
    return worst


def measure_error(net: torch.nn.Module, spec: DeployedNet, file: File) -> float:
    """Return the largest error on two inputs, the first of them once more at the end."""
    worst = 0.0
    for seed in (1, 2, 1):
        arguments = spec.inputs(1, seed)
        expected = run_net(net, arguments)
        file.run(file.store(arguments))
        worst = max(worst, compare_outputs(file.read(), expected))
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


class Measured:
    """The rows of a net, and what is timed."""

    def __init__(self, name: str) -> None:
        self.name, self.spec = name, NETS[name]
        self.net = self.spec.build(name)
        self.arguments = self.spec.inputs(1, 1)
        self.rows: list[Row] = []
        self.runs: dict[str, Callable[[], Any]] = {
            "PyTorch": lambda: run_net(self.net, self.arguments)
        }

    def add(
        self, tool: str, write: Callable[[], tuple[Path, Row]], load: Callable[..., File]
    ) -> None:
        """Add the row of a tool: what it writes is loaded, compared, counted."""
        row: Row = {"net": self.name, "tool": tool, "status": "error"}
        self.rows.append(row)
        try:
            path, facts = write()
            row |= facts
            file = load(path)
            row["error"] = measure_error(self.net, self.spec, file)
        except Exception as error:  # noqa: BLE001 - what fails is a result
            row["said"] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
            return
        operators = count_operators(path.read_bytes())
        row |= {
            "status": "ok" if row["error"] < CLOSE else "wrong",
            "operators": sum(operators.values()),
            "transposes": operators.get("TRANSPOSE", 0),
            "partitions": file.count_partitions(),
            "kib": path.stat().st_size // 1024,
        }
        if row["status"] == "ok":
            feeds = file.store(self.arguments)
            self.runs[tool] = lambda: file.run(feeds)

    def time(self, seconds: float) -> None:
        """Add the latency of what is right, by PyTorch's."""
        times = time_in_turn(self.runs, seconds)
        for row in self.rows:
            if row["tool"] in times:
                row["latency"] = times[row["tool"]] / times["PyTorch"]


def measure_net(
    name: str, seconds: float, limit: float, kept: Path, pythons: dict[str, str]
) -> list[Row]:
    """Return a row for each route."""
    measured = Measured(name)
    net, arguments = measured.net, measured.arguments
    expected = run_net(net, arguments)
    begun = time.perf_counter()
    ours = torch2keras.convert(net, measured.spec.inputs(2), verify=False)
    converted_s = time.perf_counter() - begun
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for route, write_file in ROUTES.items():

            def write(route: str = route, write_file: Any = write_file) -> tuple[Path, Row]:
                path = folder / f"{route}.tflite"
                begun = time.perf_counter()
                write_file(net, arguments, ours, path)
                return path, {"export_s": converted_s + time.perf_counter() - begun}

            measured.add(route, write, lambda path: OurFile(path, ours))
        if not all((kept / f"{tool}.json").exists() for tool in pythons):
            write_sources(net, arguments, folder)
        for tool, python in pythons.items():

            def reuse(tool: str = tool, python: str = python) -> tuple[Path, Row]:
                facts = reuse_rival(tool, python, folder, limit, kept)
                return kept / f"{tool}.tflite", facts

            measured.add(tool, reuse, lambda path: TransposedFile(path, arguments, expected))
        measured.time(seconds)
    return measured.rows


def main() -> None:
    """Measure a net, and print its rows."""
    torch.set_num_threads(1)
    net, seconds, limit, kept, *pairs = sys.argv[1:]
    pythons = dict(pair.split("=", 1) for pair in pairs)
    print(json.dumps(measure_net(net, float(seconds), float(limit), Path(kept), pythons)))


if __name__ == "__main__":
    main()
