"""How the time of a conversion grows with the number of equal layers, and with their weights.

    python benchmarks/scaling.py [--layers 10 20 50 100] [--features 64 128 256 512 1024]

One process and one thread; a small net is converted before. Each row is one net: the ops of its
graph, its parameters, the seconds of each stage, and the whole by that of the first row. It writes
`build/benchmarks/scaling.json` and draws `scaling.png`: both against both.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import torch
from timing import use_threads
from torch import nn

import torch2keras as t2k

RESULTS = Path("build/benchmarks")

LAYERS = 10
"""The layers of the nets whose features grow."""

FEATURES = 64
"""The features of the nets whose layers grow."""


class Block(nn.Module):
    """A residual block: a convolution, a norm, and one that brings the features back."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.widen, self.norm = (
            nn.Conv1d(features, features, 3, padding=1),
            nn.BatchNorm1d(features),
        )
        self.back = nn.Conv1d(features, features, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.back(torch.relu(self.norm(self.widen(x))))


def time_conversion(layers: int, features: int, grows: str) -> dict[str, Any]:
    """Convert a stack of blocks with verification, and return what it took."""
    torch.manual_seed(0)
    net = nn.Sequential(*(Block(features) for _ in range(layers))).eval()
    start = time.perf_counter()
    converted = t2k.convert(net, torch.randn(2, features, 32))
    seconds = time.perf_counter() - start
    row = {
        "grows": grows,
        "layers": layers,
        "features": features,
        "ops": len(list(converted.torch_steps(torch.randn(2, features, 32)))),
        "parameters": sum(map(torch.numel, net.parameters())),
        "seconds": seconds,
    }
    return row | {"stages": dict(converted.report.timings)}


def measure_all(layers: Sequence[int], features: Sequence[int]) -> list[dict[str, Any]]:
    """Return a row for each net, and print it."""
    t2k.convert(nn.Conv1d(3, 5, 3), torch.randn(2, 3, 11))
    plan = [*product(layers, [FEATURES], ["layers"]), *product([LAYERS], features, ["features"])]
    rows: list[dict[str, Any]] = []
    first: dict[str, float] = {}
    print(
        f"{'layers':>6} {'features':>8} {'ops':>5} {'parameters':>11} {'s':>6} {'ratio':>6}  stages"
    )
    for count, width, grows in plan:
        row = time_conversion(count, width, grows)
        rows.append(row)
        row["ratio"] = row["seconds"] / first.setdefault(grows, row["seconds"])
        stages = ", ".join(f"{stage} {spent:.1f}" for stage, spent in row["stages"].items())
        print(
            f"{count:>6} {width:>8} {row['ops']:>5} {row['parameters']:>11,} "
            f"{row['seconds']:>6.1f} {row['ratio']:>6.2f}  {stages}",
            flush=True,
        )
    return rows


def draw(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw seconds against ops and against parameters, where matplotlib is installed."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        return
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    measures = {"layers": "ops", "features": "parameters"}
    for panel, (grows, measure) in zip(panels, measures.items(), strict=True):
        sizes: list[int] = []
        curves: defaultdict[str, list[float]] = defaultdict(list)
        for row in rows:
            if row["grows"] == grows:
                sizes.append(row[measure])
                for stage, spent in {**row["stages"], "all": row["seconds"]}.items():
                    curves[stage].append(spent)
        for stage, seconds in curves.items():
            panel.plot(sizes, seconds, ".-", label=stage)
        panel.set(xlabel=measure, ylabel="seconds", ylim=(0, None))
        panel.grid(alpha=0.3)
    panels[0].legend(frameon=False)
    figure.savefig(file, dpi=120)


def main() -> None:
    """Measure, print, write and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, nargs="*", default=[10, 20, 50, 100])
    parser.add_argument("--features", type=int, nargs="*", default=[64, 128, 256, 512, 1024])
    options = parser.parse_args()
    use_threads(1)
    rows = measure_all(options.layers, options.features)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "scaling.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")
    draw(rows, RESULTS / "scaling.png")


if __name__ == "__main__":
    main()
