"""A crash on import: Triton, where TensorFlow's LLVM is loaded already, ends the process.

Seen with torch 2.14, triton 3 and tensorflow 2.21 as a segmentation fault; the other order works.
torchvision and torch.export import Triton.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys


def settle_triton() -> None:
    """Import Triton before TensorFlow, or keep it out of a process that has TensorFlow already.

    Neither export nor torchvision needs it.
    """
    if "triton" in sys.modules:
        return
    if "tensorflow" in sys.modules:
        sys.modules["triton"] = None  # type: ignore[assignment]
    elif importlib.util.find_spec("triton"):
        importlib.import_module("triton")


def load_exporter() -> None:
    """Import what `torch.export` needs."""
    settle_triton()
    importlib.import_module("torch._dynamo")
