"""Where a converted net takes longer than PyTorch: each module's calls alone, the worst first.

    python benchmarks/by_op.py NET [--rows 12] [--seconds 0.05] [--threads 1]

A row is a module of the net: the ATen ops that it runs, eagerly, and the Keras calls that these
became, each in a TensorFlow graph of its own, less what an empty graph takes. Gradients are off on
both sides. What TensorFlow fuses or overlaps in the whole graph is not seen here, so the sums say
less than `speed.py`; the order of the rows is the point.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import torch
from nets import NETS, Net
from rich.console import Console
from rich.table import Table
from timing import measure, use_threads

import torch2keras as t2k


@dataclass
class Cost:
    """Seconds of one module, and what ran in them."""

    ours: float = 0.0
    torch: float = 0.0
    calls: list[str] = field(default_factory=list)
    ops: list[str] = field(default_factory=list)


def time_call(call: Callable[[], Any], seconds: float) -> float:
    """Return the median seconds of one call."""
    return measure({"": call}, seconds)[""]


def time_ours(
    converted: t2k.Converted, example: torch.Tensor, seconds: float, costs: dict[str, Cost]
) -> None:
    """Time every call of the Keras model."""
    import tensorflow as tf

    stored = tf.constant(converted.inputs[0].from_torch(example))
    empty = tf.function(lambda x: x)
    overhead = time_call(lambda: empty(stored), seconds)
    for step in converted.keras_steps(example):
        cost = costs[step.module]
        cost.ours += max(time_call(tf.function(step.run), seconds) - overhead, 0.0)
        cost.calls.append(step.name)


def time_torch(
    converted: t2k.Converted, example: torch.Tensor, seconds: float, costs: dict[str, Cost]
) -> None:
    """Time every op of the captured module."""
    for step in converted.torch_steps(example):
        cost = costs[step.module]
        cost.torch += time_call(step.run, seconds)
        cost.ops.append(step.name)


def measure_costs(net: Net, seconds: float) -> dict[str, Cost]:
    """Return what each module of a net costs on both sides, by its path."""
    torch.manual_seed(0)
    example = torch.randn(net.shape)
    converted = t2k.convert(net.module().eval(), example, verify=False)
    costs: dict[str, Cost] = defaultdict(Cost)
    with torch.no_grad():
        time_torch(converted, example, seconds, costs)
    time_ours(converted, example, seconds, costs)
    return costs


def table(net: str, costs: dict[str, Cost], rows: int) -> Table:
    """Return a table of the modules that lose most, in milliseconds."""
    ours, theirs = sum(c.ours for c in costs.values()), sum(c.torch for c in costs.values())
    shown = Table(title=f"{net}: {1e3 * ours:.1f} ms by op, PyTorch {1e3 * theirs:.1f} ms")
    for title in ("module", "Keras", "PyTorch"):
        shown.add_column(title, overflow="fold")
    for title in ("ours ms", "PyTorch ms", "lost ms"):
        shown.add_column(title, justify="right")
    for path, cost in sorted(costs.items(), key=lambda item: item[1].torch - item[1].ours)[:rows]:
        said = (", ".join(dict.fromkeys(names)) for names in (cost.calls, cost.ops))
        numbers = (
            f"{1e3 * number:.2f}" for number in (cost.ours, cost.torch, cost.ours - cost.torch)
        )
        shown.add_row(path or "(the net itself)", *said, *numbers)
    return shown


def main() -> None:
    """Print the modules that lose most."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("net", choices=list(NETS), help="the net to take apart")
    parser.add_argument("--rows", type=int, default=12, help="how many modules to show")
    parser.add_argument("--seconds", type=float, default=0.05, help="how long to time each op")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    use_threads(options.threads)
    Console().print(
        table(options.net, measure_costs(NETS[options.net], options.seconds), options.rows)
    )


if __name__ == "__main__":
    main()
