"""How fast converted nets are, against the twin that is written by hand and eager PyTorch.

    python benchmarks/speed.py [NAME ...] [--runs 5] [--seconds 5] [--threads 1]

All run alternately in one process, TensorFlow in a graph; the numbers are ratios of medians, below
1 is faster, and the median of the runs. "XLA" is our model with jit_compile=True, which Keras
leaves off on a processor. The limit is what the machine allows at best (`roofline.py`).
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import torch
import torch.utils.flop_counter  # imports Triton, which crashes behind TensorFlow
from by_hand import TWINS
from keras import Model
from nets import NETS, Net
from roofline import count_work, measure_machine
from timing import measure, use_threads

import torch2keras as t2k

RATIOS = (
    ("ours/torch", "ours", "torch"),
    ("ours/twin", "ours", "twin"),
    ("XLA/torch", "XLA", "torch"),
    ("twin/torch", "twin", "torch"),
)
"""The columns: what is divided by what."""

Medians = dict[str, float]
"""Median seconds of one call."""


def time_net(net: Net, twin: Model | None, seconds: float, runs: int) -> list[Medians]:
    """Time a net, its twin and PyTorch, several times."""
    import tensorflow as tf

    torch.manual_seed(0)
    module, example = net.module().eval(), torch.randn(net.shape)
    converted = t2k.convert(module, (example,), verify=False)
    stored = tf.constant(converted.inputs[0].from_torch(example))

    def graph(model: Any, *, jit: bool = False) -> Callable[[], Any]:
        function = tf.function(partial(model, training=False), jit_compile=jit, autograph=False)
        return lambda: function(stored)

    def eager() -> Any:
        with torch.no_grad():
            return module(example)

    calls: dict[str, Callable[[], Any]] = {"ours": graph(converted.model), "torch": eager}
    calls["XLA"] = graph(converted.model, jit=True)
    if twin is not None:
        calls["twin"] = graph(twin)
    return [measure(calls, seconds) for _ in range(runs)]


def divide(found: list[Medians], above: str, below: str) -> str:
    """Return the median of the runs' ratios, as text of ten places; empty where one is missing."""
    if above not in found[0] or below not in found[0]:
        return " " * 10
    return f"{statistics.median(run[above] / run[below] for run in found):10.2f}"


def main() -> None:
    """Print one row a net."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"nets to measure, of {', '.join(NETS)}")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each run takes")
    parser.add_argument("--runs", type=int, default=5, help="how many runs a net has")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    use_threads(options.threads)
    machine = measure_machine(options.seconds)
    print(
        f"{machine.flops / 1e9:.0f} GFLOP/s, {machine.bytes / 1e9:.1f} GB/s, "
        f"{1e3 * machine.call:.2f} ms a call"
    )
    titles = "".join(f"{title:>11}" for title, _, _ in RATIOS)
    print(f"{'net':<28}{'ours ms':>9}{'limit ms':>9}{titles}")
    for name in options.names or NETS:
        net = NETS[name]
        twin = TWINS[name]() if name in TWINS else None
        found = time_net(net, twin, options.seconds, options.runs)
        ours = 1e3 * statistics.median(run["ours"] for run in found)
        limit = 1e3 * count_work(net.module().eval(), torch.randn(net.shape)).limit(machine)
        ratios = " ".join(divide(found, above, below) for _, above, below in RATIOS)
        print(f"{name:<28}{ours:9.2f}{limit:9.2f} {ratios}", flush=True)


if __name__ == "__main__":
    main()
