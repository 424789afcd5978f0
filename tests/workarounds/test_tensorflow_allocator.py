"""What TensorFlow no longer holds is given back to the system."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

MEASURE = """
import gc, resource, torch, torch2keras, keras, numpy as np
def rss():
    gc.collect()
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * resource.getpagesize() / 2**20
before = rss()
layer = keras.layers.Dense(4096, dtype="float64", kernel_initializer="ones")
layer.build((None, 8192))
held = rss()
del layer
print(held - before, rss() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory is read from /proc")
def test_a_layer_that_is_gone_holds_nothing() -> None:
    kept = {k: v for k, v in os.environ.items() if k != "TF_ONEDNN_USE_SYSTEM_ALLOCATOR"}
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE], env=kept, capture_output=True, text=True, check=True
    )
    held, left = map(float, ran.stdout.split())
    assert held > 200  # MiB; its weights are 256
    assert left < 60
