"""One export: the file is written, loaded anew, run, compared, and then takes its place."""

from __future__ import annotations

from torch2keras.deployment.export_litert import export_litert
from torch2keras.deployment.export_onnx import export_onnx
from torch2keras.deployment.export_saved_model import export_saved_model
from torch2keras.deployment.formats import DeploymentRequest, Format
from torch2keras.deployment.result import Deployment
from torch2keras.deployment.sizes import fix_sizes
from torch2keras.deployment.task import ExportTask
from torch2keras.deployment.tracing import TracedModel
from torch2keras.runtime.isolation import isolate_process

WRITERS = {
    Format.LITERT: export_litert,
    Format.ONNX: export_onnx,
    Format.SAVED_MODEL: export_saved_model,
}
"""How each format is written and proved."""


@isolate_process()
def export_model(request: DeploymentRequest, traced: TracedModel) -> Deployment:
    """Write what is asked for, and prove it. The module has the weights of the model.

    Raises InputError, DeploymentError, VerificationError or OutputError; no file is left then, and
    what stood there stays.
    """
    sizes = fix_sizes(traced.conversion, request.batch)
    task = ExportTask(request, traced, sizes, list(sizes.notes))
    return WRITERS[request.format](task)
