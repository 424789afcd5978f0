"""Converted: the Keras model, its ports, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, Unpack, get_args

import keras
import numpy as np
import torch
from torch.utils import _pytree as pytree

from torch2keras.checkpoints.checkpoint_names import LoadReport
from torch2keras.conversion.call_arguments import order_arguments
from torch2keras.conversion.input_check import check_call
from torch2keras.conversion.ports import Port
from torch2keras.conversion.record import Conversion
from torch2keras.conversion.source import WEIGHTS_FILE, make_source, name_weights_file
from torch2keras.conversion.state_record import array_checksum, record_state
from torch2keras.conversion.steps import Step, keras_steps, torch_steps
from torch2keras.conversion.substitution import Substitution
from torch2keras.conversion.weight_files.saved_weights import WEIGHTS, make_weight_facts
from torch2keras.conversion.weights import load_state_dict, read_state, state_dict
from torch2keras.deployment.export import export_model
from torch2keras.deployment.formats import (
    BatchChoice,
    LayoutChoice,
    QuantizeOptions,
    build_deployment_request,
)
from torch2keras.deployment.result import Deployment
from torch2keras.deployment.tracing import trace_model
from torch2keras.errors import InputError, list_names
from torch2keras.graph.ir import Value
from torch2keras.keras_graph.graph import find_recurrent_layers
from torch2keras.keras_model.build import unwrap_single
from torch2keras.keras_model.keras_settings import refuse_stateless_scope
from torch2keras.keras_model.recurrent_graphs import as_graph
from torch2keras.keras_model.saving import (
    SOURCE_SUFFIX,
    WEIGHTS_SUFFIXES,
    WeightsFormat,
    find_format,
    save_model,
    save_source,
    save_weights,
    weights_path,
)
from torch2keras.keras_model.sharded_files import save_sharded
from torch2keras.keras_model.weights_file import write_hdf5, write_safetensors
from torch2keras.reporting.manifest import describe_model
from torch2keras.reporting.page.evidence import Evidence
from torch2keras.reporting.report import Report, make_report
from torch2keras.runtime.arrays import to_numpy, to_torch
from torch2keras.runtime.free_memory import parse_bytes
from torch2keras.runtime.held_values import hold_state
from torch2keras.runtime.run_alone import run_alone
from torch2keras.runtime.typed_errors import raise_typed_errors
from torch2keras.verification.learning.verify_training import choose_optimizers
from torch2keras.verification.results import Verification
from torch2keras.verification.verify import verify_conversion

Level = Literal["outputs", "gradients", "training"]
"""What is compared of a model and its module; each level beside those before it."""

LEVELS: tuple[Level, ...] = get_args(Level)


class Converted:
    """A converted model.

    `model` is the keras.Model; it takes and gives its tensors flat, in the order of `inputs` and
    `outputs`, each of which says its layout. Calling a Converted takes arrays in PyTorch's order
    and answers in the module's structure.
    """

    def __init__(
        self, model: keras.Model, layers: Mapping[str, keras.Layer], conversion: Conversion
    ) -> None:
        self.model = model
        self.layers = layers
        self.conversion = conversion
        self._verified: tuple[Verification, tuple[int, ...]] | None = None
        self.state_record = record_state(conversion)
        """The state behind the model: that of the conversion, or the one that was loaded last."""
        self.timings: Mapping[str, float] = {}
        """The seconds that each stage of the conversion took, by its name."""
        self.peaks: Mapping[str, int] = {}
        """The most bytes that the process had had before, and by the end of each stage."""
        self.deployments: tuple[Deployment, ...] = ()
        """What was exported, in order."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The ports of `model.inputs`."""
        return self.conversion.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The ports of `model.outputs`."""
        return self.conversion.outputs

    @property
    def initial_state(self) -> dict[str, np.ndarray]:
        """What the inputs for the state take at the first call, by name, in PyTorch's order.

        With `state="ports"`, `y, state = converted(x, **state)` is one call of a stream. It is
        empty for a module that keeps nothing.
        """
        first = self.conversion.ports.initial_state
        return {name: to_numpy(tensor).copy() for name, tensor in first.items()}

    @property
    def verification(self) -> Verification | None:
        """The last verification; None where there was none, or the weights are others since."""
        if self._verified is None:
            return None
        verification, checksums = self._verified
        return verification if checksums == self._weight_checksums() else None

    def hold_verification(self, verification: Verification) -> None:
        """Take a verification of the model with the weights that it has now."""
        self._verified = verification, self._weight_checksums()

    def _weight_checksums(self) -> tuple[int, ...]:
        sums = []
        for weight in self.model.weights:
            numbers = to_torch(weight.value).reshape(-1).view(torch.uint8)  # bfloat16 too
            sums.append(array_checksum(numbers.numpy()))
        return tuple(sums)

    @property
    @run_alone
    @raise_typed_errors
    def report(self) -> Report:
        """What became of each module and op, and how close the numbers are; what was exported."""
        verification = self.verification
        evidence = Evidence(
            self.conversion, self.layers, verification, partial(self.source, beside=True)
        )
        report = make_report(self.conversion, self.model, verification, self.deployments, evidence)
        return replace(report, timings=dict(self.timings), memory=dict(self.peaks))

    def _repr_html_(self) -> str:
        return self.report.embed()

    @run_alone
    @raise_typed_errors
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the Keras model on arrays or tensors in PyTorch's order.

        The results are NumPy arrays in the structure that the module gives.
        Raises InputError for sizes that the module was not captured for.
        """
        call = order_arguments(self.conversion, args, kwargs)
        tensors = [x for x in pytree.tree_leaves(call) if hasattr(x, "shape")]
        shapes = [_real_shape(x) for x in tensors]
        graph = self.conversion.graph
        check_call(graph, self.conversion.captured, shapes)
        arrays = iter(self.run(tensors))
        flat = []
        for output in graph.outputs:
            is_tensor = isinstance(output, Value)
            flat.append(next(arrays) if is_tensor else output)
        return pytree.tree_unflatten(flat, graph.out_spec)

    @cached_property
    def _inference(self) -> Callable[[Any], Any]:
        """The model; as one graph where it has layers that run step by step."""
        model = self.model
        if not find_recurrent_layers(self.conversion.lowered.graph.calls):
            return lambda x: model(x, training=False)
        return as_graph(lambda x: model(x, training=False), (unwrap_single(model.inputs),))

    def run(self, tensors: Sequence[Any]) -> list[Any]:
        """Return the model's outputs on flat inputs, both in PyTorch's order."""
        results = self._inference(unwrap_single(self._store(tensors)))
        if not isinstance(results, list | tuple):
            results = [results]
        pairs = zip(self.outputs, results, strict=True)
        return [port.to_torch(result) for port, result in pairs]

    def _store(self, tensors: Sequence[Any]) -> list[Any]:
        """Return inputs in PyTorch's order as the Keras model takes them."""
        pairs = zip(self.inputs, tensors, strict=True)
        return [port.from_torch(tensor) for port, tensor in pairs]

    def torch_steps(self, *inputs: torch.Tensor) -> Iterator[Step]:
        """Yield the ops that the captured module runs on these inputs; each can run again alone."""
        real = [torch.view_as_real(x) if x.is_complex() else x for x in inputs]
        return torch_steps(self.conversion.graph, real)

    def keras_steps(self, *inputs: Any) -> Iterator[Step]:
        """Yield the calls that the Keras model makes on these inputs; each can run again alone.

        The inputs are in PyTorch's order.
        """
        tensors = [keras.ops.convert_to_tensor(array) for array in self._store(inputs)]
        return keras_steps(self.conversion.lowered.graph, self.layers, tensors)

    @run_alone
    @raise_typed_errors
    def verify(
        self,
        probes: Sequence[str] | None = None,
        *,
        level: Level = "outputs",
        optimizer: torch.optim.Optimizer | None = None,
    ) -> Verification:
        """Compare with the module, in float64 and in its own dtype (docs/verify.md).

        The module runs with the weights that the Keras model has now. With `level="gradients"` the
        gradients of every parameter and input are compared too, in eval and in train mode; without
        it they are where the module has a custom backward, hooks on gradients or the like. With
        `level="training"` both are then trained on the same batches, 20 steps by SGD and by
        `optimizer`, one of the module's parameters, from its first step on: neither it nor
        weights move.
        Raises VerificationError, which names the first value that diverges, and InputError where
        the module cannot have these weights, as `state_dict` does, or for an unknown level.
        """
        if level not in LEVELS:
            known = ", ".join(map(repr, LEVELS))
            raise InputError(f"no level of verification: {level!r}", [("next", f"one of {known}")])
        optimizers = choose_optimizers(self.conversion, optimizer) if level == "training" else []
        state = read_state(self.conversion.weight_map, self.layers, self.state_record)
        conversion = Substitution(state).conversion(self.conversion)
        with hold_state(conversion.module, state, conversion.captured.program.state_dict):
            verification = verify_conversion(
                conversion,
                self.run,
                probes,
                with_gradients=level != "outputs",
                optimizers=optimizers,
            )
        self.hold_verification(verification)
        return verification

    @run_alone
    @raise_typed_errors
    def save(
        self,
        path: str | Path,
        *,
        reproducible: bool = False,
        weights_format: WeightsFormat = "h5",
        max_shard_size: str | int | None = None,
    ) -> Path:
        """Write the model to a `.keras` file, as code to a `.py` file, or its weights alone.

        A file that stood there is replaced only by a complete one. A `.keras` file holds, in
        `torch2keras.json`, the versions, the layout of inputs and outputs, the limits of sizes, the
        worst errors of verification, and which weight is made of which tensor of the module
        (`torch2keras.weights`). With `reproducible` it holds no date: the same conversion gives
        the same bytes, as it does in all other formats. Beside `net.py` the weights are written to
        `net.weights.h5`, or to `net.safetensors` as `weights_format` says; both are replaced, or
        neither. `net.weights.h5` is for `model.load_weights`; `net.safetensors` has each weight as
        "layer/kernel", in Keras's shape (docs/weights.md). With `max_shard_size` (a number of bytes
        or "2GB") a folder is written: the architecture, and the weights in files of at most that
        size, with an index of them.
        Raises OutputError where it cannot be written.
        """
        path = Path(path)
        if max_shard_size is not None:
            most = parse_bytes(max_shard_size, "max_shard_size")
            return self._save_sharded(path, most, weights_format)
        kind = find_format(path)
        if kind is not None:
            return save_weights(partial(self._write_weights, kind), path)
        if path.suffix == SOURCE_SUFFIX:
            _check_format(weights_format)
            code = self.source(weights_path(path, weights_format).name)
            write = partial(self._write_weights, weights_format)
            return save_source(write, code, path, weights_format)
        facts, tensors = self._make_facts()
        return save_model(self.model, path, facts, tensors, reproducible=reproducible)

    def _save_sharded(self, folder: Path, most: int, kind: WeightsFormat) -> Path:
        """Write the model as a folder of shards."""
        _check_format(kind)
        places = [place[:2] for place in self.conversion.weight_map.weights]
        return save_sharded(self.model, folder, most, kind, places, *self._make_facts())

    def _make_facts(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Return what lies beside a saved model: its facts with the map of weights, and tensors."""
        facts = describe_model(self.conversion, self.verification)
        facts[WEIGHTS], tensors = make_weight_facts(
            self.conversion.weight_map, self.layers, self.state_record
        )
        return facts, tensors

    def _write_weights(self, kind: WeightsFormat, path: Path) -> None:
        """Write the weights alone to a new file."""
        if kind == "h5":
            write_hdf5(self.model, path)
            return
        places = [place[:2] for place in self.conversion.weight_map.weights]
        facts = describe_model(self.conversion, self.verification)
        write_safetensors(self.model, places, path, facts)

    @run_alone
    @raise_typed_errors
    def export(
        self,
        path: str | Path,
        *,
        batch: BatchChoice = "default",
        layout: LayoutChoice = "default",
        **quantization: Unpack[QuantizeOptions],
    ) -> Deployment:
        """Write the model for another runtime, and compare what that gives (docs/deployment.md).

        `net.tflite` is for LiteRT: builtin operators alone, with a batch of 1 or of this size, None
        for any (which costs operators and speed). Its inputs and outputs have the names and the
        order of `inputs` and `outputs`, by index and by signature, stored as these are or, with
        `layout="torch"`, in PyTorch's order. A folder (`net/`) is a SavedModel for any batch, whose
        signatures `serve` and `serve_torch_layout` take and give dictionaries in both orders.
        `net.onnx` is written by torch.onnx.export from the module, with the model's weights. The
        very file is loaded anew and run, a `.tflite` file twice in a row and in a process of its
        own; it takes the place of what stood at `path` when its numbers are those of the module.
        `quantize` makes a smaller `.tflite` file: "float16", "dynamic" (weights in 8 bits) or
        "int8", whose ranges are learnt from `calibration`: an .npz file, a folder of .npy files, an
        array or an iterable of inputs in PyTorch's order. Modules of `keep_float` stay float; with
        `floor_db` those that lose most do, until each output is as near to PyTorch's, in dB. With
        `integer_ports` an int8 file takes and gives int8, by scales that the ports tell.
        Raises InputError for options that cannot be, and for packages that are missing,
        DeploymentError, which names the op and your line, where the format has no such operator or
        the runtime refuses the file, VerificationError where it gives other numbers, and
        OutputError where it cannot be written.
        """
        request = build_deployment_request(path, batch, layout, **quantization)
        state = read_state(self.conversion.weight_map, self.layers, self.state_record)
        traced = trace_model(self.conversion, state, self.model, self.layers)
        program = self.conversion.captured.program
        with hold_state(self.conversion.module, state, program.state_dict):
            deployment = export_model(request, traced)
        self.deployments = (*self.deployments, deployment)
        return deployment

    @run_alone
    @raise_typed_errors
    def source(self, weights_file: str = WEIGHTS_FILE, *, beside: bool = False) -> str:
        """Return the model as Python that a Keras engineer might have written.

        `build()` in it makes the same model, call by call, and needs Keras alone. A block that
        repeats is a function, a run of blocks a loop. At the head stands how to load the weights
        from `weights_file`, which `save("net.py")` writes beside the code.
        With `beside` each function stands below the `forward` of the PyTorch class that it was
        made of, as comments, and its lines end with the number of the line that they come from.
        Raises InternalError where the code would make another model.
        """
        code = make_source(self.conversion, beside=True) if beside else self._code
        return name_weights_file(code, weights_file)

    @cached_property
    def _code(self) -> str:
        return make_source(self.conversion)

    @run_alone
    @raise_typed_errors
    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the Keras model's weights as the module's state_dict."""
        return state_dict(self.conversion.weight_map, self.layers, self.state_record)

    @run_alone
    @raise_typed_errors
    def load_state_dict(
        self,
        source: Mapping[str, Any] | str | Path,
        *,
        strict: bool = True,
        entry: str = "",
        trust: bool = False,
    ) -> LoadReport:
        """Copy a state_dict of the module into the Keras model, and return what was taken.

        `source` is a state_dict, or the path of one: `.safetensors`, what `torch.save` wrote, or a
        folder of shards; a file is read without running anything, unless `trust` unpickles it,
        which the note of the report says. What DataParallel,
        `torch.compile`, Lightning or an average leave around the names is left out, and the note
        of the report says so; `entry` names the dictionary or the prefix that is meant. With
        `strict=False` what fits is taken, and the report names what was not.
        Raises InputError where names or shapes do not fit, with the names most like them, and
        within a `keras.StatelessScope`; SourceError or UnsafeFileError for a file that cannot be
        read. Then no weight was changed.
        """
        refuse_stateless_scope()
        loaded = load_state_dict(
            self.conversion.weight_map,
            self.layers,
            self.state_record,
            source,
            strict=strict,
            entry=entry,
            trust=trust,
        )
        self.state_record = loaded.record
        return loaded.report


def _check_format(kind: str) -> None:
    """Raise InputError where weights have no such format."""
    if kind not in WEIGHTS_SUFFIXES:
        known = list_names(list(WEIGHTS_SUFFIXES))
        raise InputError(f"no format of weights: {kind!r}", [("next", known)])


def _real_shape(tensor: Any) -> tuple[int, ...]:
    """Return a tensor's shape; complex numbers have a last dimension of two, as in the graph."""
    shape = tuple(tensor.shape)
    if "complex" in str(tensor.dtype):
        return (*shape, 2)
    return shape
