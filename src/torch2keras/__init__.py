"""torch2keras: a PyTorch module as the Keras 3 model that a careful Keras engineer would have written, verified."""

from torch2keras.convert import convert
from torch2keras.converted import Converted
from torch2keras.errors import (
    CaptureError,
    InputError,
    LoweringError,
    OutputError,
    SourceError,
    Torch2KerasError,
    UnsafeFileError,
    UnsupportedOpError,
    VerificationError,
)
from torch2keras.recorder import call, layers, ops
from torch2keras.registry import lowering

__all__ = [
    "CaptureError",
    "Converted",
    "InputError",
    "LoweringError",
    "OutputError",
    "SourceError",
    "Torch2KerasError",
    "UnsafeFileError",
    "UnsupportedOpError",
    "VerificationError",
    "call",
    "convert",
    "layers",
    "lowering",
    "ops",
]
