"""Run saved nets on every backend of Keras, and write what came of it into docs/backends.md.

    python tools/backends_table.py              # all nets on all backends, a child process each
    python tools/backends_table.py --print jax  # prints what JAX has to say, and writes nothing

What is tried is in backend_checks.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import torch

import torch2keras as t2k
from torch2keras.verification.metric import numerics
from torch2keras.verification.reference import run64
from training_nets import CASES

PAGE = Path(__file__).parent.parent / "docs" / "backends.md"
BEGIN, END = "<!-- table: made by tools/backends_table.py -->\n", "<!-- end of table -->"
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
NETS = ("transformer encoder", "ResNet along time", "LSTM, two ways", "text, tied")
BATCH = 8
MINUTES = 8


class Answer(NamedTuple):
    """What came of one thing with one net on one backend."""

    backend: str
    net: str
    what: str
    went: bool | None
    """None where it has no meaning there."""
    told: str


def main(arguments: Sequence[str]) -> None:
    """Try everything; without `--print` write the table after each net."""
    backends = list(filter(BACKENDS.__contains__, arguments)) or list(BACKENDS)
    nets = list(filter(NETS.__contains__, arguments)) or list(NETS)
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in nets:
            save(name, Path(folder))
            for backend in backends:
                found = ask(Path(folder), name, backend)
                answers += found
                print_answers(found)
            if "--print" not in arguments:
                write_table(make_table(answers))


def print_answers(answers: Sequence[Answer]) -> None:
    """Print how many things went with a net on a backend, and what did not."""
    went = 0
    for answer in answers:
        went += answer.went is True
        if answer.went is False:
            print(f"    {answer.what}: {answer.told}")
    print(f"{answers[0].net} on {answers[0].backend}: {went} went", flush=True)


def write_table(table: str) -> None:
    """Put the table into the page."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}", "utf-8")


def save(name: str, folder: Path) -> None:
    """Convert a net, verified, and save it with an input and PyTorch's outputs in float64."""
    torch.manual_seed(0)
    module, data = CASES[name].module().eval(), CASES[name].data()
    t2k.convert(module, (data,), dtype="mixed_bfloat16").save(folder / f"{name}.mixed.keras")
    converted = t2k.convert(module, (data,))
    converted.save(folder / f"{name}.keras")
    parts = [data]
    while sum(map(len, parts)) < BATCH:
        parts.append(CASES[name].data())
    x = torch.cat(parts)[:BATCH]
    (exact,) = run64(module, (x,))
    with torch.no_grad():
        own = module(x).numpy()
    (port,) = converted.outputs
    np.savez(
        folder / f"{name}.npz",
        x=converted.inputs[0].from_torch(x),
        exact=port.from_torch(exact),
        bound=numerics(own, own, exact).bound_max,
    )


def ask(folder: Path, name: str, backend: str) -> list[Answer]:
    """Return what a child process on a backend says of a net."""
    environment = os.environ | {"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
    script = Path(__file__).with_name("backend_checks.py")
    command = [sys.executable, str(script), str(folder), name]
    answers: list[Answer] = []
    with tempfile.TemporaryFile("w+") as lines:
        try:
            ended = subprocess.run(  # noqa: S603 - our own file
                command,
                env=environment,
                stdout=lines,
                stderr=subprocess.DEVNULL,
                timeout=60 * MINUTES,
                check=False,
            )
            end = "" if ended.returncode == 0 else f"the process ended with {ended.returncode}"
        except subprocess.TimeoutExpired:
            end = f"not done after {MINUTES} minutes"
        lines.seek(0)
        for line in filter(lambda text: text.startswith("{"), lines):
            said = json.loads(line)
            answers.append(Answer(backend, name, said["what"], said["went"], said["told"]))
    if end:
        answers.append(Answer(backend, name, "the rest", went=False, told=end))
    return answers


def make_table(answers: Sequence[Answer]) -> str:
    """Return a row for each thing with the number of nets it went with, and what did not."""
    backends = list(dict.fromkeys(answer.backend for answer in answers))
    lines = [
        f"| | {' | '.join(BACKENDS[name] for name in backends)} |",
        f"|---|{'---|' * len(backends)}",
    ]
    for what in dict.fromkeys(answer.what for answer in answers):
        cells: list[str] = []
        for backend in backends:
            own = [a for a in answers if (a.backend, a.what) == (backend, what)]
            cells.append(count(own))
        lines.append(f"| {what} | {' | '.join(cells)} |")
    failed = [answer for answer in answers if answer.went is False]
    if failed:
        lines.append("")
    for answer in failed:
        where = f"{answer.what}, {answer.net}, {BACKENDS[answer.backend]}"
        lines.append(f"- {where}: {answer.told}")
    return "\n".join(lines) + "\n"


def count(answers: Sequence[Answer]) -> str:
    """Return how many of the nets something went with; why it was tried with none."""
    tried = [answer.went for answer in answers if answer.went is not None]
    if tried:
        return f"{tried.count(True)} of {len(tried)}"
    return answers[0].told if answers else "-"


if __name__ == "__main__":
    main(sys.argv[1:])
