"""One net by one converter as a JSON line: `python benchmarks/one.py TOOL NET SECONDS`."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import torch
from nets import NETS, Net
from timing import measure
from tools import TOOLS, Made

LOOSE = 1e-3
"""The allowed error, as a share of the largest number of a result, for every converter alike."""


def measure_net(tool: str, net: Net, seconds: float) -> dict[str, Any]:
    """Convert, compare with PyTorch on two inputs and another batch, and time both in turn."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    TOOLS[tool](torch.nn.Linear(3, 5).eval(), torch.randn(2, 3))  # imports what it works with
    module, example = net.module().eval(), torch.randn(net.shape)
    start = time.perf_counter()
    made = TOOLS[tool](module, example)
    row: dict[str, Any] = {"convert_s": time.perf_counter() - start, "transposes": made.transposes}
    row["error"] = max(largest_error(module, made, x) for x in (example, torch.randn(net.shape)))
    row["status"] = "ok" if row["error"] <= LOOSE else "wrong"
    row["other_batch"] = takes_batch(module, made, torch.randn(3, *net.shape[1:]))
    ours, theirs = made.prepare(example.numpy()), call_in_torch(module, example)
    found = measure({"ours": ours, "torch": theirs}, seconds)
    row["latency"] = found["ours"] / found["torch"]
    row["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return row


def call_in_torch(module: torch.nn.Module, x: torch.Tensor) -> Callable[[], Any]:
    """Return a call of the PyTorch module."""

    def run() -> Any:
        with torch.no_grad():
            return module(x)

    return run


def largest_error(module: torch.nn.Module, made: Made, x: torch.Tensor) -> float:
    """Return the largest difference, relative to the largest number."""
    expected = call_in_torch(module, x)()
    wanted = [y.numpy() for y in (expected if isinstance(expected, list | tuple) else [expected])]
    found = made.arrays(made.prepare(x.numpy())())
    pairs = list(zip(found, wanted, strict=True))
    if any(a.shape != b.shape for a, b in pairs):
        return float("inf")
    return max(float(np.abs(a - b).max() / max(1.0, np.abs(b).max())) for a, b in pairs)


def takes_batch(module: torch.nn.Module, made: Made, x: torch.Tensor) -> bool:
    """Whether the converted net takes another batch."""
    try:
        return largest_error(module, made, x) <= LOOSE
    except Exception:  # noqa: BLE001 - each converter has errors of its own
        return False


if __name__ == "__main__":
    print(json.dumps(measure_net(sys.argv[1], NETS[sys.argv[2]], float(sys.argv[3]))))
