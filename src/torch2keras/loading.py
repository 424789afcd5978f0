"""Load PyTorch's exporter safely beside TensorFlow."""

from __future__ import annotations

import importlib
import sys


def load_exporter() -> None:
    """Import what `torch.export` needs.

    PyTorch's compiler imports Triton, and Triton's LLVM ends the process with a segmentation fault where TensorFlow's
    is loaded already (seen with torch 2.14, triton 3, tensorflow 2.21). Export does not need Triton; so where
    TensorFlow came first, Triton stays out of this process.
    """
    if "tensorflow" in sys.modules and "triton" not in sys.modules:
        sys.modules["triton"] = None  # type: ignore[assignment]
    importlib.import_module("torch._dynamo")
