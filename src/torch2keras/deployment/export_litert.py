"""The `.tflite` file: written, run in LiteRT's interpreter, compared."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from torch2keras.deployment.comparison import Outputs, compare_file, draw_sets
from torch2keras.deployment.flatbuffer import LiteRTFile
from torch2keras.deployment.formats import Format
from torch2keras.deployment.forms_model import make_forms_model
from torch2keras.deployment.litert import convert_saved_model, explain_failure
from torch2keras.deployment.packages import require_package, require_tensorflow
from torch2keras.deployment.processes import run_file
from torch2keras.deployment.quantization.quantize import quantize_file
from torch2keras.deployment.result import Deployment
from torch2keras.deployment.saved_model import SERVE, ServedFunction, write_saved_model
from torch2keras.deployment.task import ExportTask, write_place
from torch2keras.deployment.tracing import TracedModel
from torch2keras.errors import DeploymentError, LoweringError, VerificationError
from torch2keras.verification.results import Check

WAYS = ("index", "again", "signature")
"""How a `.tflite` file is run on each set: twice in a row by index, and by signature."""


def export_litert(task: ExportTask) -> Deployment:
    """Write a `.tflite` file, and run it in LiteRT's interpreter.

    Where all sizes are fixed the model is in the forms that LiteRT runs best; should one of these
    be refused, or give other numbers, the file has the ops of the Keras model, and a note says so.
    Raises DeploymentError where builtin operators do not do, or the runtime refuses the file, and
    VerificationError where it gives other numbers.
    """
    require_tensorflow("a .tflite file")
    require_package("ai_edge_litert.interpreter", "a .tflite file")
    if task.sizes.is_dynamic:
        return _export_traced(task, task.traced)
    try:
        is_quantized = task.request.quantize in ("float16", "int8")
        return _export_traced(task, make_forms_model(task.traced, is_quantized=is_quantized))
    except (DeploymentError, LoweringError, VerificationError) as error:
        refusal = error
    try:
        plain = _export_traced(task, task.traced)
    except DeploymentError as error:
        if error.headline == refusal.headline:
            raise
        rows = [*error.rows, ("forms", refusal.headline)]
        raise DeploymentError(error.headline, rows) from error
    note = f"The forms for LiteRT do not do for this model: {refusal.headline}."
    return replace(plain, notes=(*plain.notes, note))


def _export_traced(task: ExportTask, traced: TracedModel) -> Deployment:
    """Write and prove the file of one of the forms of a model."""
    task = replace(task, traced=traced, notes=list(task.notes))
    snr: Mapping[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as temporary,
        write_place(task.request.path) as place,
    ):
        folder = Path(temporary) / "saved_model"
        write_saved_model(traced, task.sizes, [ServedFunction(SERVE, task.request.layout)], folder)
        file = convert_saved_model(folder, traced, task.sizes)
        file.add_facts(task.describe())
        place.write_bytes(file.pack())
        checks = _prove_litert(task, place, file)
        if task.request.quantize is not None:
            quantized = quantize_file(task, folder, file)
            place.write_bytes(quantized.content)
            file, snr = LiteRTFile(quantized.content), quantized.snr
            task.scales = file.read_port_scales()
        size = place.stat().st_size
    made = task.result(
        checks, size, file.operators(), signatures=(SERVE,), runtime="ai-edge-litert"
    )
    return replace(made, snr=snr)


def _prove_litert(task: ExportTask, place: Path, file: LiteRTFile) -> tuple[Check, ...]:
    """Return the checks of a `.tflite` file, loaded anew."""
    traced = task.traced
    sets = draw_sets(task.conversion, task.sizes, task.notes)

    def run(stored: Sequence[Sequence[np.ndarray]]) -> Sequence[Outputs]:
        try:
            return run_file("run_litert.py", place, traced, stored, WAYS)
        except DeploymentError as error:
            raise explain_failure(error, file, traced) from error

    return compare_file(
        task.conversion, task.boundary(task.request.layout), sets, run, Format.LITERT
    )
