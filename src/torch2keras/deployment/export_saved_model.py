"""The SavedModel: written, loaded anew by TensorFlow, run, compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from torch2keras.deployment.comparison import Outputs, Runtime, compare_file, draw_sets
from torch2keras.deployment.formats import Format
from torch2keras.deployment.packages import require_tensorflow
from torch2keras.deployment.result import Deployment
from torch2keras.deployment.saved_model import (
    DEFAULT,
    SERVE,
    SERVE_TORCH,
    ServedFunction,
    list_saved_ops,
    write_saved_model,
)
from torch2keras.deployment.task import ExportTask, write_place
from torch2keras.deployment.tracing import TracedModel
from torch2keras.errors import DeploymentError, list_names
from torch2keras.runtime.paths import find_system_error
from torch2keras.runtime.typed_errors import describe_exception
from torch2keras.verification.results import Check

FORBIDDEN = ("PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles")
"""What would need Python, or files of the machine that the model was made on."""

SIGNATURES = (ServedFunction(SERVE, "keras"), ServedFunction(SERVE_TORCH, "torch"))


def export_saved_model(task: ExportTask) -> Deployment:
    """Write a SavedModel with a signature for each order of dimensions, and run both.

    Raises DeploymentError for an op that needs Python or files, and where TensorFlow fails.
    """
    require_tensorflow("a SavedModel")
    sets = draw_sets(task.conversion, task.sizes, task.notes)
    with write_place(task.request.path) as place:
        _write(task, place)
        ops = list_saved_ops(place)
        _require_plain_ops(ops)
        checks: list[Check] = []
        for key, layout in SIGNATURES:
            boundary = task.boundary(layout)
            runtime = _make_runtime(place, key, task.traced)
            checks += compare_file(task.conversion, boundary, sets, runtime, Format.SAVED_MODEL)
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    keys = tuple(function.key for function in SIGNATURES)
    return task.result(tuple(checks), size, ops, signatures=keys, runtime="tensorflow")


def _write(task: ExportTask, place: Path) -> None:
    try:
        served = [*SIGNATURES, ServedFunction(DEFAULT, "keras")]
        write_saved_model(task.traced, task.sizes, served, place)
    except OSError:
        raise
    except Exception as error:
        refused = find_system_error(error)
        if refused is not None:
            raise refused from error
        raise DeploymentError(
            "TensorFlow makes no SavedModel of this model",
            [
                ("error", describe_exception(error)),
                ("next", "fix the batch: export(..., batch=1); or report it with this message"),
            ],
        ) from error


def _require_plain_ops(ops: Sequence[str] | Any) -> None:
    """Raise DeploymentError where the graph would call Python, or read files, when it runs."""
    found = [op for op in FORBIDDEN if op in ops]
    if found:
        raise DeploymentError(
            f"the SavedModel would hold {list_names(found)}",
            [("why", "it would run only where Python or these files are")],
        )


def _make_runtime(place: Path, key: str, traced: TracedModel) -> Runtime:
    """Return what loads a SavedModel anew and runs one of its signatures."""

    def run(stored: Sequence[Sequence[np.ndarray]]) -> Sequence[Outputs]:
        import tensorflow as tf

        function = tf.saved_model.load(str(place)).signatures[key]
        found: list[Outputs] = []
        for arrays in stored:
            given = {}
            for port, array in zip(traced.inputs, arrays, strict=True):
                given[port.name] = tf.constant(array, port.dtype)
            results = function(**given)
            found.append({key: [results[port.name].numpy() for port in traced.outputs]})
        return found

    return run
