"""Both quantisers in turn, and the better file of the two."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from torch2keras.deployment.flatbuffer import LiteRTFile
from torch2keras.deployment.fused_lstm import reset_lstm_states
from torch2keras.deployment.litert import order_file
from torch2keras.deployment.processes import run_child, write_arrays
from torch2keras.deployment.quantization.calibration import draw_calibration
from torch2keras.deployment.quantization.measure import LayerLoss, find_losses, measure_snr
from torch2keras.deployment.saved_model import SERVE
from torch2keras.deployment.task import ExportTask
from torch2keras.errors import DeploymentError, InputError, list_names
from torch2keras.keras_graph.graph import Call
from torch2keras.verification.input_sets import Given

QUANTIZERS: Mapping[str, tuple[str, ...]] = {
    "float16": ("tensorflow",),
    "dynamic": ("tensorflow", "ai_edge"),
    "int8": ("tensorflow", "ai_edge"),
}
"""What makes a file of each mode. Neither is better on all models."""

TITLES = {"tensorflow": "TensorFlow's converter", "ai_edge": "ai-edge-quantizer"}

LEAST_DECIBELS = 20.0
"""Below this a file is refused: the error is a tenth of the values."""

WAYS = ("index", "again", "signature")

MOST_ROUNDS = 6
"""How often more layers are kept as floats until a floor is met; each time twice as many."""

MOST_LAYERS = 8


@dataclass(frozen=True)
class Quantized:
    """A quantised file, and how near it is."""

    content: bytes
    by: str
    snr: Mapping[str, float]
    """The signal-to-noise ratio of each output, in dB."""

    @property
    def worst(self) -> float:
        """The ratio of the worst output."""
        return min(self.snr.values(), default=0.0)


@dataclass(frozen=True, eq=False)
class Quantizing:
    """What the quantisers are given: the float file, and the inputs to learn from."""

    task: ExportTask
    saved_model: Path
    file: LiteRTFile
    sets: Sequence[Given]
    stored: Sequence[Sequence[np.ndarray]]
    folder: Path

    @property
    def mode(self) -> str:
        """How many bits of what."""
        return str(self.task.request.quantize)

    @property
    def float_path(self) -> Path:
        """The float file, whose outputs are called as the layers that make them."""
        return self.folder / "float.tflite"

    def run(self, by: str, keep: Sequence[str]) -> Quantized:
        """Quantise by one of the two, but for the modules to keep as floats.

        Raises DeploymentError where it fails, or its file does not run.
        """
        traced = self.task.traced
        with tempfile.TemporaryDirectory() as temporary:
            place = Path(temporary)
            for number, arrays in enumerate(self.stored):
                write_arrays(place / f"set_{number}.npz", arrays)
            request = {
                "by": by,
                "mode": self.mode,
                "saved_model": str(self.saved_model),
                "float": str(self.float_path),
                "signature": SERVE,
                "inputs": traced.input_names,
                "sets": len(self.stored),
                "keep": find_scopes(self.task, keep),
                "integer_ports": self.task.request.integer_ports,
            }
            run_child("quantize.py", place, request)
            content = (place / "quantized.tflite").read_bytes()
        if by == "tensorflow":  # the other one has the float file, which is mended already
            content = reset_lstm_states(content)
        file = order_file(content, traced)
        file.add_facts(replace(self.task, scales=file.read_port_scales()).describe())
        packed = file.pack()
        path = self.folder / f"{by}.tflite"
        path.write_bytes(packed)
        boundary = self.task.boundary(self.task.request.layout)
        return Quantized(packed, by, measure_snr(traced, boundary, path, self.sets, WAYS))

    def choose(self, keep: Sequence[str]) -> Quantized:
        """Return the best of all files. Raises DeploymentError where there is none."""
        made, failures = [], []
        for by in QUANTIZERS[self.mode]:
            if keep and by != "ai_edge":
                continue
            try:
                made.append(self.run(by, keep))
            except DeploymentError as error:
                failures.append((TITLES[by], error.headline))
        if not made:
            raise DeploymentError(
                f"no quantiser makes a file of this model with quantize={self.mode!r}", failures
            )
        return max(made, key=lambda quantized: quantized.worst)

    def list_losses(self, quantized: Quantized) -> list[LayerLoss]:
        """Return the modules that lose most, the worst first."""
        traced = self.task.traced
        path = self.folder / "best.tflite"
        path.write_bytes(quantized.content)
        makers = {name: f"{scope}/" for name, scope in traced.output_scopes().items()}
        exact = self.folder / "ordered.tflite"
        exact.write_bytes(self.file.pack())
        return find_losses(traced, makers, (exact, path), self.stored[0])


def quantize_file(task: ExportTask, saved_model: Path, file: LiteRTFile) -> Quantized:
    """Return the float file in fewer bits.

    Raises InputError for a calibration or modules that are none, DeploymentError where no quantiser
    makes a file, or its outputs are too far from the module's: with the layers that lose most.
    """
    request = task.request
    sets = draw_calibration(task, request.calibration)
    boundary = task.boundary(request.layout)
    stored = [boundary.store(given) for given in sets]
    with tempfile.TemporaryDirectory() as temporary:
        work = Quantizing(task, saved_model, file, sets, stored, Path(temporary))
        scopes = {name: f"{scope}/" for name, scope in task.traced.output_scopes().items()}
        work.float_path.write_bytes(LiteRTFile(file.pack()).name_outputs(scopes).pack())
        keep = list(request.keep_float)
        best = work.choose(keep)
        floor = LEAST_DECIBELS if request.floor_db is None else request.floor_db
        if request.floor_db is not None:
            best, keep = _raise_to_floor(work, best, keep, floor)
        if best.worst < floor:
            raise _refuse(work, best, floor)
    outputs = ", ".join(f"{name} {ratio:.0f} dB" for name, ratio in best.snr.items())
    kept = f", {list_names(keep)} kept as floats" if keep else ""
    if request.quantize == "int8":
        task.notes += _describe_floats(best)
    task.notes.append(f"{request.quantize} by {TITLES[best.by]}{kept}: {outputs} to PyTorch.")
    return best


def _describe_floats(quantized: Quantized) -> list[str]:
    """Return the note of the operators of an int8 file that compute in floats."""
    floats = LiteRTFile(quantized.content).count_float_operators()
    if not floats:
        return []
    listed = ", ".join(f"{count} {name}" for name, count in floats.items())
    return [f"Not every operator has 8 bits; these give floats: {listed}."]


def _raise_to_floor(
    work: Quantizing, best: Quantized, keep: list[str], floor: float
) -> tuple[Quantized, list[str]]:
    """Keep the modules as floats that lose most, twice as many each time, up to the floor."""
    if best.worst >= floor or "ai_edge" not in QUANTIZERS[work.mode]:
        return best, keep
    losses = [layer.module for layer in work.list_losses(best) if layer.module not in keep]
    chosen = keep
    for power in range(MOST_ROUNDS):
        tried = [*keep, *losses[: 2**power]]
        try:
            found = work.choose(tried)
        except DeploymentError:  # it is told of the best file what is missing
            break
        if found.worst > best.worst:
            best, chosen = found, tried
        if best.worst >= floor or 2**power >= len(losses):
            break
    return best, chosen


def find_scopes(task: ExportTask, modules: Sequence[str]) -> list[str]:
    """Return the name scopes of the calls of modules, by their paths.

    Raises InputError for a path that has none.
    """
    found = []
    for module in modules:
        own = []
        for scope, call in task.traced.scopes.items():
            if scope == module or _is_within(call, module):
                own.append(scope)
        if not own:
            known = list(dict.fromkeys(c.origin.path for c in task.traced.scopes.values()))
            raise InputError(
                f"keep_float names no module {module!r}",
                [("modules", list_names([path for path in known if path]))],
            )
        found += own
    return found


def _is_within(call: Call, module: str) -> bool:
    """Whether a module, or one within it, makes a call; one call may stand for several modules."""
    for path in call.kwargs.get("modules") or (call.origin.path,):
        if path == module or path.startswith(f"{module}."):
            return True
    return False


def _refuse(work: Quantizing, best: Quantized, floor: float) -> DeploymentError:
    """Return the error for a file that is too far off, with the layers that lose most."""
    rows = [(name, f"{ratio:.1f} dB") for name, ratio in best.snr.items()]
    losses = work.list_losses(best)[:MOST_LAYERS]
    table = [f"{layer.module}: {layer.loss:.1f} dB lost" for layer in losses]
    named = ", ".join(repr(layer.module) for layer in losses[:2])
    return DeploymentError(
        f"quantize={work.mode!r} is too far from PyTorch: {best.worst:.1f} dB, below {floor:g}",
        [
            *rows,
            ("by", TITLES[best.by]),
            ("layers", "\n".join(table)),
            ("next", f"keep_float=[{named}], floor_db=30, or a calibration of your own data"),
        ],
    )
