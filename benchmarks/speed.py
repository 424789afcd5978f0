"""How fast converted nets are, against the twin that is written by hand and eager PyTorch.

    python benchmarks/speed.py [NAME ...] [--seconds 10] [--threads 1]

All three run alternately in one process, TensorFlow in a graph; the numbers are ratios of medians,
below 1 is faster.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import torch
from by_hand import TWINS
from nets import NETS
from timing import measure, use_threads

import torch2keras as t2k


@dataclass(frozen=True)
class Timing:
    """Median seconds of one call."""

    ours: float
    twin: float | None
    torch: float


def time_net(name: str, seconds: float) -> Timing:
    """Time one net, its twin and PyTorch."""
    import tensorflow as tf

    net = NETS[name]
    torch.manual_seed(0)
    module, example = net.module().eval(), torch.randn(net.shape)
    converted = t2k.convert(module, (example,), verify=False)
    stored = tf.constant(converted.inputs[0].from_torch(example))

    def graph(model: Any) -> Callable[[], Any]:
        function = tf.function(lambda x: model(x, training=False))
        return lambda: function(stored)

    def eager() -> Any:
        with torch.no_grad():
            return module(example)

    calls: dict[str, Callable[[], Any]] = {"ours": graph(converted.model), "torch": eager}
    if name in TWINS:
        calls["twin"] = graph(TWINS[name]())
    found = measure(calls, seconds)
    return Timing(found["ours"], found.get("twin"), found["torch"])


def main() -> None:
    """Print one row a net."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"nets to measure, of {', '.join(NETS)}")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure each net")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    use_threads(options.threads)
    print(f"{'net':<28} {'ours ms':>9} {'ours/twin':>10} {'ours/torch':>11}")
    for name in options.names or NETS:
        found = time_net(name, options.seconds)
        twin = f"{found.ours / found.twin:10.2f}" if found.twin else f"{'':>10}"
        print(
            f"{name:<28} {1e3 * found.ours:9.2f} {twin} {found.ours / found.torch:11.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
