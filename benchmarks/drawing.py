"""The picture of a comparison: one panel a measure, one bar a net and tool, a cross for failure."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def draw(
    rows: Sequence[Mapping[str, Any]],
    tools: Sequence[str],
    measures: Mapping[str, str],
    file: Path,
    *,
    bar: float = 0.25,
    most: Mapping[str, float] | None = None,
) -> Path | None:
    """Write the picture, in the format that the file's name says.

    `bar` is the height of a bar in inches; `most` where the axis of a measure ends, so that a
    longer bar is cut off. None where matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        return None
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "torch2keras"  # the same rows give the same file
    from matplotlib import pyplot as plt

    nets = list(dict.fromkeys(row["net"] for row in rows))
    figure, panels = plt.subplots(
        1,
        len(measures),
        figsize=(4 * len(measures), 1.5 + bar * len(nets) * len(tools)),
        sharey=True,
        layout="constrained",
    )
    for panel, (measure, title) in zip(panels, measures.items(), strict=True):
        for number, tool in enumerate(tools):
            results = {row["net"]: row for row in rows if row["tool"] == tool}
            offset = number - (len(tools) - 1) / 2
            draw_bars(panel, nets, results, measure, tool, f"C{number}", offset, 0.8 / len(tools))
        panel.set(title=title, yticks=range(len(nets)), yticklabels=nets)
        panel.grid(axis="x", alpha=0.3)
        if most is not None and measure in most:
            panel.set_xlim(0, most[measure])
    panels[0].invert_yaxis()
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        frameon=False,
    )
    figure.savefig(file, dpi=120, metadata={"Date": None} if file.suffix == ".svg" else None)
    plt.close(figure)
    return file


def draw_bars(
    panel: Any,
    nets: Sequence[str],
    results: Mapping[str, Mapping[str, Any]],
    measure: str,
    tool: str,
    color: str,
    offset: float,
    thickness: float,
) -> None:
    """Draw a bar for each net, `offset` bars from the middle, and a cross for a failure."""
    places = [at + thickness * offset for at in range(len(nets))]
    sizes = []
    right = 0
    for net, place in zip(nets, places, strict=True):
        row = results.get(net)
        if row is not None and row["status"] == "ok":
            right += 1
            sizes.append(row.get(measure, 0))
            continue
        sizes.append(0)
        if row is not None:
            panel.plot([0], [place], "x", color=color, clip_on=False)
    label = f"{tool}: {right} of {len(nets)} right"
    panel.barh(places, sizes, thickness, label=label, color=color)
