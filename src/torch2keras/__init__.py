"""A PyTorch module as the Keras 3 model that a careful Keras engineer would have written."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Any

from torch2keras.workarounds.tensorflow_allocator import give_memory_back
from torch2keras.workarounds.tensorflow_messages import import_keras_quietly
from torch2keras.workarounds.triton_import import settle_triton

if TYPE_CHECKING:
    from torch2keras.checkpoints.checkpoint_names import LoadReport as LoadReport
    from torch2keras.conversion.ports import Port as Port
    from torch2keras.conversion.steps import Step as Step
    from torch2keras.conversion.weight_files.saved_weights import SavedWeights as SavedWeights
    from torch2keras.conversion.weight_files.saved_weights import weights as weights
    from torch2keras.converted import Converted as Converted
    from torch2keras.declarations.leaf import leaf as leaf
    from torch2keras.declarations.registry import lowering as lowering
    from torch2keras.deployment.result import Deployment as Deployment
    from torch2keras.distribution.layout_map import layout_map as layout_map
    from torch2keras.distribution.layouts import Layouts as Layouts
    from torch2keras.errors import CaptureError as CaptureError
    from torch2keras.errors import DeploymentError as DeploymentError
    from torch2keras.errors import InputError as InputError
    from torch2keras.errors import InternalError as InternalError
    from torch2keras.errors import LoweringError as LoweringError
    from torch2keras.errors import OutputError as OutputError
    from torch2keras.errors import SourceError as SourceError
    from torch2keras.errors import Torch2KerasError as Torch2KerasError
    from torch2keras.errors import UnsafeFileError as UnsafeFileError
    from torch2keras.errors import UnsupportedOpError as UnsupportedOpError
    from torch2keras.errors import VerificationError as VerificationError
    from torch2keras.explanation.explain import explain as explain
    from torch2keras.explanation.result import Explanation as Explanation
    from torch2keras.fitting.losses import loss as loss
    from torch2keras.fitting.optimizers import optimizer as optimizer
    from torch2keras.inspection import Inspection as Inspection
    from torch2keras.inspection import inspect as inspect
    from torch2keras.pipeline import convert as convert
    from torch2keras.reporting.report import Report as Report
    from torch2keras.twins.compare import Comparison as Comparison
    from torch2keras.twins.compare import compare as compare
    from torch2keras.twins.transfer import Transfer as Transfer
    from torch2keras.twins.transfer import transfer as transfer
    from torch2keras.verification.results import Verification as Verification

HOMES = {
    "checkpoints.checkpoint_names": "LoadReport",
    "conversion.ports": "Port",
    "deployment.result": "Deployment",
    "conversion.weight_files.saved_weights": "SavedWeights weights",
    "conversion.steps": "Step",
    "converted": "Converted",
    "declarations.leaf": "leaf",
    "declarations.registry": "lowering",
    "distribution.layout_map": "layout_map",
    "distribution.layouts": "Layouts",
    "errors": (
        "CaptureError DeploymentError InputError InternalError LoweringError OutputError "
        "SourceError Torch2KerasError UnsafeFileError UnsupportedOpError VerificationError"
    ),
    "explanation.explain": "explain",
    "explanation.result": "Explanation",
    "fitting.losses": "loss",
    "fitting.optimizers": "optimizer",
    "inspection": "Inspection inspect",
    "pipeline": "convert",
    "reporting.report": "Report",
    "twins.compare": "Comparison compare",
    "twins.transfer": "Transfer transfer",
    "verification.results": "Verification",
}
"""The module that each public name lives in; it is imported when the name is first asked for."""

_MODULE_OF: dict[str, str] = {}
for _module, _names in HOMES.items():
    _MODULE_OF.update(dict.fromkeys(_names.split(), _module))

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - the table above is the one list


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        message = f"module 'torch2keras' has no attribute {name!r}"
        raise AttributeError(message)
    home = _MODULE_OF[name]
    if home != "errors":  # it alone imports no Keras
        settle_triton()
        _start_keras()
    value = getattr(importlib.import_module(f"torch2keras.{home}"), name)
    globals()[name] = value
    return value


def _start_keras() -> None:
    with contextlib.suppress(ModuleNotFoundError):  # without its backend; whoever converts is told
        import_keras_quietly()


def __dir__() -> list[str]:
    return [*globals(), *__all__]


give_memory_back()

# A program that has PyTorch loaded is about to convert, so Keras comes in now, behind Triton. What
# this package and PyTorch's exporter need beyond the two (SymPy most of all) waits until a name is
# asked for; so does everything in a program without PyTorch: `torch2keras --help` answers at once.
if "torch" in sys.modules or "tensorflow" in sys.modules:
    settle_triton()
if "torch" in sys.modules:
    _start_keras()
