"""The picture of a comparison: one panel a measure, one bar a net and tool, a cross for failure."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def draw(
    rows: Sequence[Mapping[str, Any]], tools: Sequence[str], measures: Mapping[str, str], file: Path
) -> Path | None:
    """Write the picture; None where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    nets = list(dict.fromkeys(row["net"] for row in rows))
    found = {(row["tool"], row["net"]): row for row in rows}
    thick = 0.8 / len(tools)
    figure, panels = plt.subplots(
        1,
        len(measures),
        figsize=(4 * len(measures), 1.5 + 0.25 * len(nets) * len(tools)),
        sharey=True,
        layout="constrained",
    )
    for panel, (measure, title) in zip(panels, measures.items(), strict=True):
        for number, tool in enumerate(tools):
            places = [at + thick * (number - (len(tools) - 1) / 2) for at in range(len(nets))]
            results = [found.get((tool, net), {"status": "none"}) for net in nets]
            sizes = [row.get(measure, 0) if row["status"] == "ok" else 0 for row in results]
            right = sum(row["status"] == "ok" for row in results)
            panel.barh(
                places,
                sizes,
                thick,
                label=f"{tool}: {right} of {len(nets)} right",
                color=f"C{number}",
            )
            for place, row in zip(places, results, strict=True):
                if row["status"] not in ("ok", "none"):
                    panel.plot([0], [place], "x", color=f"C{number}", clip_on=False)
        panel.set(title=title, yticks=range(len(nets)), yticklabels=nets)
        panel.grid(axis="x", alpha=0.3)
    panels[0].invert_yaxis()
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(tools),
        frameon=False,
    )
    figure.savefig(file, dpi=120)
    plt.close(figure)
    return file
