"""Load PyTorch's compiler safely beside TensorFlow."""

from __future__ import annotations

import importlib
import importlib.util
import sys


def settle_triton() -> None:
    """Decide about Triton before TensorFlow and Triton meet in one process.

    Importing Triton where TensorFlow's LLVM is loaded already ends the process with a segmentation fault (seen with
    torch 2.14, triton 3, tensorflow 2.21); the other order works. torchvision and torch.export import it. So it comes
    first, or, where TensorFlow has come before us, stays out: neither export nor torchvision needs it.
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
