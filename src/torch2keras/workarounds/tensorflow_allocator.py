"""TensorFlow keeps the memory of what is gone, where it is built with oneDNN (2.21, on a CPU).

Its allocator for the CPU takes memory in steps that double and never gives any back: a Dense layer
of 0.4 GB in float32 leaves 0.8 GB behind, one in float64 that is made and dropped 2 GB. The
system's allocator gives it back, and is as fast in inference and training.
"""

from __future__ import annotations

import os
import sys


def give_memory_back() -> None:
    """Let TensorFlow use the system's allocator, unless the environment says what it uses.

    A process that has TensorFlow already stays as it is.
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
