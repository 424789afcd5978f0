"""LiteRT files of many nets, by each route that is installed: right, operators, size, latency.

    python benchmarks/deploy.py [NET ...] [--rival litert-torch=PYTHON --rival onnx2tf=PYTHON]
        [--seconds 1] [--out build/benchmarks] [--docs]

A rival writes its file in an interpreter of its own, since no environment holds them all; one that
is installed beside torch2keras needs none. Latency is the least CPU time of one thread by that of
eager PyTorch, at batch 1, all files in turn in one process a net. A net whose package is missing is
left out, with a line that says so. Results of earlier runs in the same folder are kept, so that
nets may be measured in pieces, and so are the rivals' files. Writes deploy.json, and deploy.svg
where matplotlib is installed; with `--docs` the table between the markers of docs/deployment.md
too, and its picture.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from deploy_nets import NETS
from deploy_rival import RIVALS
from drawing import draw

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "deployment.md"
PICTURE = "deployment.svg"
BEGIN = "<!-- deploy table: made by benchmarks/deploy.py -->"
END = "<!-- end of deploy table -->"
MEASURES = {"operators": "operators", "latency": "latency by PyTorch's"}
MOST = {"operators": 900.0, "latency": 2.0}
"""Where the picture's axes end: a bar that is longer is cut off."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}

Row = dict[str, Any]


def measure_rows(
    net: str, seconds: float, limit: float, kept: Path, pythons: Mapping[str, str]
) -> list[Row]:
    """Return what the child says of one net; a crash or a time-out is a result too.

    `limit` is the seconds that each rival may take, and all else together; `kept` the folder of the
    rivals' files.
    """
    pairs = [f"{tool}={python}" for tool, python in pythons.items()]
    given = [net, str(seconds), str(limit), str(kept), *pairs]
    command = [sys.executable, "-W", "ignore", str(HERE / "deploy_one.py"), *given]
    failed = {"net": net, "tool": "torch2keras"}
    try:
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit * (1 + len(pairs)),
            env={**os.environ, **ONE_THREAD},
        )
    except subprocess.TimeoutExpired:
        return [{**failed, "status": "timeout"}]
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or [""])[-1]
        return [{**failed, "status": "error", "said": last[:300]}]
    rows: list[Row] = json.loads(ran.stdout.strip().splitlines()[-1])
    return rows


def find_rivals(given: Sequence[str]) -> dict[str, str]:
    """Return the interpreter of each rival: one that is given, or this one where it is installed.

    Raises ValueError for a rival that is not known.
    """
    found = {}
    for tool in RIVALS:
        if importlib.util.find_spec(tool.replace("-", "_")) is not None:
            found[tool] = sys.executable
    for pair in given:
        tool, _, python = pair.partition("=")
        if tool not in RIVALS or not python:
            message = f"--rival takes TOOL=PYTHON, with a tool of {', '.join(RIVALS)}: {pair}"
            raise ValueError(message)
        found[tool] = python
    return found


def write_cell(row: Row | None) -> str:
    """Return operators / transposes / partitions / KiB / latency of a row; X where it failed."""
    if row is None:
        return ""
    if row["status"] != "ok":
        return "X" if row["status"] == "error" else row["status"]
    return (
        f"{row['operators']} / {row['transposes']} / {row['partitions']} / {row['kib']}"
        f" / {row['latency']:.2f}"
    )


def list_tools(rows: Sequence[Row]) -> list[str]:
    """Return the routes that were measured."""
    return list(dict.fromkeys(row["tool"] for row in rows))


def write_table(rows: Sequence[Row]) -> str:
    """Return the table as Markdown, a line a net and a column a route, and the means below it."""
    tools = list_tools(rows)
    cells = {(row["net"], row["tool"]): row for row in rows}
    nets = dict.fromkeys(net for net, _ in cells)
    lines = [
        "Operators / TRANSPOSE / XNNPACK partitions / KiB / latency by eager PyTorch's; X: none.",
        "",
        f"| net | {' | '.join(tools)} |",
        "|---|" + "---|" * len(tools),
    ]
    for net in nets:
        shown = [write_cell(cells.get((net, tool))) for tool in tools]
        lines.append(f"| {net} | {' | '.join(shown)} |")
    lines.append("| right, latency (geometric mean) |")
    for tool in tools:
        lines[-1] += f" {summarize_route(rows, tool)} |"
    return "\n".join(lines)


def summarize_route(rows: Sequence[Row], tool: str) -> str:
    """Return how many files of a route are right, and the mean of their latencies."""
    own = [row for row in rows if row["tool"] == tool]
    latencies = [row["latency"] for row in own if row["status"] == "ok"]
    if not latencies:
        return f"0 of {len(own)}"
    return f"{len(latencies)} of {len(own)}, {geometric_mean(latencies):.2f}"


def list_lost(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a line for each net in which a rival's right file is better than ours by a measure."""
    ours = {row["net"]: row for row in rows if row["tool"] == "torch2keras"}
    for net, own in ours.items():
        theirs = [row for row in rows if row["net"] == net and row["tool"] in RIVALS]
        right = [row for row in theirs if row["status"] == "ok"]
        if own["status"] != "ok":
            yield f"{net}: {own['status']} {own.get('said', '')}"
            continue
        for measure, slack in LOST_AT.items():
            best = min(right, key=lambda row: float(row[measure]), default=own)
            if own[measure] > slack * best[measure]:
                yield f"{net}: {measure} {own[measure]:.4g}, {best['tool']} {best[measure]:.4g}"


LOST_AT = {"operators": 1.0, "transposes": 1.0, "latency": 1.02}
"""By how much a rival's number may be smaller than ours."""


def put_in_page(text: str, page: Path) -> None:
    """Write the table between the markers of a page.

    Raises ValueError where it has none.
    """
    content = page.read_text()
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"{page} has no markers {BEGIN} and {END}"
        raise ValueError(message)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> None:
    """Measure, write, print, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(NETS)}")
    parser.add_argument("--rival", action="append", default=[], metavar="TOOL=PYTHON")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long to time each route")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for one net and tool")
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "benchmarks")
    parser.add_argument("--docs", action="store_true", help="put table and picture into the page")
    options = parser.parse_args()
    pythons = find_rivals(options.rival)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "deploy.json"
    known: dict[str, list[Row]] = json.loads(file.read_text()) if file.exists() else {}
    for net in options.nets or NETS:
        if importlib.util.find_spec(NETS[net].package) is None:
            print(f"{net}: left out, as {NETS[net].package} is not installed")
            continue
        kept = options.out / "rivals" / net.replace(" ", "_")
        known[net] = measure_rows(net, options.seconds, options.limit, kept, pythons)
        for row in known[net]:
            print(f"{net}: {row['tool']} {write_cell(row)} {row.get('said', '')}", flush=True)
        file.write_text(json.dumps(known, indent=1))
    rows: list[Row] = []
    for net in NETS:
        rows += known.get(net, [])
    text = write_table(rows)
    print(text, *list_lost(rows), sep="\n")
    file = options.out / "deploy.svg"
    picture = draw(rows, list_tools(rows), MEASURES, file, bar=0.07, most=MOST)
    if options.docs:
        put_in_page(text, PAGE)
        if picture is not None:
            shutil.copy(picture, PAGE.with_name(PICTURE))


if __name__ == "__main__":
    main()
