"""Every format saved where there is no room, or nothing may be written: what is left is told.

    unshare --mount python disk_child.py full|read_only FOLDER

FOLDER becomes a file system of its own, in memory, of this process alone. A line of JSON is printed
for each format: the error, and whether everything there is as it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MEGABYTES = 24
"""Of the file system."""

LEFT = 2**13
"""Bytes that are left on a full disk: enough to begin, not to end."""

NAMES = (
    "net.keras", "net.weights.h5", "net.safetensors", "net.py", "net.tflite", "net.onnx", "net",
    "report.html", "inspection.html",
)  # fmt: skip


def make_writers() -> Mapping[str, Callable[[Path], object]]:
    """Return what writes each file; a suffix says the format."""
    import torch

    import torch2keras as t2k

    net = torch.nn.Sequential(torch.nn.Conv1d(31, 89, 7), torch.nn.ReLU()).eval()
    x = torch.randn(2, 31, 17)
    converted = t2k.convert(net, x)
    inspection = t2k.inspect(torch.nn.Sequential(*[torch.nn.Tanh() for _ in range(400)]), x)
    writers: dict[str, Callable[[Path], object]] = dict.fromkeys(NAMES, converted.save)
    writers |= dict.fromkeys(("net.tflite", "net.onnx", "net"), converted.export)
    writers |= {"report.html": converted.report.save}
    return {**writers, "inspection.html": inspection.save}


def describe_tree(folder: Path) -> dict[str, str]:
    """Return each file and folder, with what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        held = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[path.relative_to(folder).as_posix()] = held
    return found


def tell(found: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def mount(*options: str) -> None:
    subprocess.run(["/usr/bin/env", "mount", *options], check=True)


def fill(folder: Path) -> None:
    """Leave a little room alone."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - LEFT)


def attempt(write: Callable[[Path], object], path: Path) -> dict[str, Any]:
    """Return how a writer ended, and whether it left all as it was."""
    from torch2keras.errors import Torch2KerasError

    before, ended = describe_tree(path.parent), ""
    rows: dict[str, str] = {}
    try:
        write(path)
    except Torch2KerasError as error:
        ended, rows = f"{type(error).__name__}: {error.headline}", dict(error.rows)
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        ended = f"{type(error).__name__}: {error}"
    same = describe_tree(path.parent) == before
    return {"name": path.name, "ended": ended, "rows": rows, "same": same}


def main(kind: str, folder: str) -> None:
    place = Path(folder)
    mount("-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", folder)
    tell({"mounted": True})
    writers = make_writers()
    for name, write in writers.items():
        write(place / name)
    if kind == "full":
        fill(place)
    else:
        mount("-o", "remount,ro", folder)
    for name, write in writers.items():
        tell(attempt(write, place / name))


if __name__ == "__main__":
    main(*sys.argv[1:])
