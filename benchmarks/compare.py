"""Converters side by side: right numbers, transposes, conversion time, memory, latency.

    python benchmarks/compare.py [NET ...] [--rival nobuco=PYTHON ...] [--out build/benchmarks]

Latency is compared with eager PyTorch. Each net is converted by each tool that is installed, or by
a rival in an interpreter of its own, in a process of its own, one after the other and one thread
each; imports are no part of the time. Writes results.json, and results.png
where matplotlib is installed, and prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from drawing import draw
from nets import NETS
from rich.console import Console
from rich.table import Table
from tools import find_installed

HERE = Path(__file__).resolve().parent
COLUMNS = ("transposes", "convert_s", "peak_mib", "latency")
TITLES = ("transposes", "conversion (s)", "peak memory (MiB)", "latency by PyTorch's")
FORMATS = ("{:.0f}", "{:.1f}", "{:.0f}", "{:.2f}")


def measure_row(tool: str, python: str, net: str, seconds: float, limit: float) -> dict[str, Any]:
    """Return what the child says of one net; an error, a crash or a time-out is a result too."""
    command = [python, "-W", "ignore", str(HERE / "one.py"), tool, net, str(seconds)]
    one_thread = {
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    }
    key = {"tool": tool, "net": net}
    try:
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit,
            env={**os.environ, **one_thread},
        )
    except subprocess.TimeoutExpired:
        return {**key, "status": "timeout"}
    if ran.returncode < 0:
        return {**key, "status": "crash", "said": f"signal {-ran.returncode}"}
    if ran.returncode:
        return {
            **key,
            "status": "error",
            "said": (ran.stderr.strip().splitlines() or [""])[-1][:300],
        }
    return {**key, **json.loads(ran.stdout.strip().splitlines()[-1])}


def find_version(tool: str, python: str) -> str:
    """Return the version of a tool that another interpreter has."""
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    ran = subprocess.run([python, "-c", code, tool], capture_output=True, text=True, check=False)
    if ran.returncode:
        message = f"{python} has no {tool}: {ran.stderr.strip().splitlines()[-1]}"
        raise SystemExit(message)
    return ran.stdout.strip()


ANSWERS = {None: "", True: "yes", False: "no"}


def table(rows: list[dict[str, Any]], versions: dict[str, str]) -> Table:
    """Return a table of one line a net and tool."""
    shown = Table(title=", ".join(f"{tool} {version}" for tool, version in versions.items()))
    for title in ("net", "tool", "result", "other batch", *TITLES):
        shown.add_column(title, justify="left" if title in ("net", "tool", "result") else "right")
    for row in rows:
        numbers = [
            f.format(row[c]) if c in row else "" for c, f in zip(COLUMNS, FORMATS, strict=True)
        ]
        batch = ANSWERS[row.get("other_batch")]
        shown.add_row(row["net"], row["tool"], row["status"], batch, *numbers)
    return shown


def main() -> None:
    """Measure, write, print, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(NETS)}")
    parser.add_argument(
        "--tools",
        nargs="*",
        default=None,
        help=f"of those installed: {', '.join(find_installed())}",
    )
    parser.add_argument(
        "--rival",
        action="append",
        default=[],
        metavar="TOOL=PYTHON",
        help="measure a tool by an interpreter that has it",
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to time each net")
    parser.add_argument(
        "--limit", type=float, default=600.0, help="seconds for one net by one tool"
    )
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "benchmarks")
    options = parser.parse_args()
    versions = {
        tool: v
        for tool, v in find_installed().items()
        if options.tools is None or tool in options.tools
    }
    pythons = dict.fromkeys(versions, sys.executable)
    for rival in options.rival:
        tool, _, python = rival.partition("=")
        pythons[tool] = python
        versions[tool] = find_version(tool, python)
    console, rows = Console(), []
    for net in options.nets or NETS:
        for tool in versions:
            row = measure_row(tool, pythons[tool], net, options.seconds, options.limit)
            rows.append(row)
            console.print(f"{net}: {tool} {row['status']} {row.get('said', '')}", highlight=False)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(
        json.dumps({"versions": versions, "rows": rows}, indent=2)
    )
    console.print(table(rows, versions))
    picture = draw(
        rows, list(versions), dict(zip(COLUMNS, TITLES, strict=True)), options.out / "results.png"
    )
    console.print(
        f"{options.out / 'results.json'}\n{picture or 'pip install matplotlib for a picture'}"
    )


if __name__ == "__main__":
    main()
