"""Train small nets of many kinds on both sides, and write what came of it into docs/training.md.

    python tools/training_table.py              # prints a row for each net, and writes the table
    python tools/training_table.py TCN GRU      # prints the rows of these

Each net is converted in float64 and in float32, its gradients are compared, and both sides make 20
steps on the same batches by SGD with momentum and by AdamW.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import torch
from torch import nn

import torch2keras as t2k
from torch2keras.conversion.record import Conversion
from torch2keras.verification.gradients import GradientsNotComparedError, compare_gradients
from torch2keras.verification.learning.steps import draw_batches, train_keras, train_torch
from torch2keras.verification.learning.verify_training import choose_optimizers, judge_weights
from torch2keras.verification.results import LearningCheck, Verdict
from training_nets import CASES, Case

PAGE = Path(__file__).parent.parent / "docs" / "training.md"
BEGIN, END = "<!-- table: made by tools/training_table.py -->\n", "<!-- end of table -->"
HEAD = (
    "| net | gradients, eval mode | train mode | SGD, float64 | AdamW, float64 "
    "| SGD, float32 (PyTorch's own) | AdamW, float32 (PyTorch's own) |\n"
    "|---|---|---|---|---|---|---|\n"
)
STEADY = 1e-12
"""How far rounding in float64 may move a weight whose distances in float32 are told."""


class Sides(NamedTuple):
    """A net in float64 and in float32."""

    wide: Conversion
    narrow: Conversion


def main(names: Sequence[str]) -> None:
    """Print the rows of these nets; without names, of all, and write the table."""
    rows = []
    for name in names or CASES:
        rows.append(f"| {name} | {' | '.join(measure(CASES[name]))} |")
        print(rows[-1], flush=True)
    if not names:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text("".join([before, BEGIN, HEAD, "\n".join(rows), "\n", END, after]))


def measure(case: Case) -> list[str]:
    """Return the cells of a net."""
    torch.manual_seed(0)
    module, data = case.module().eval(), case.data()
    double = data.double() if data.is_floating_point() else data
    wide = t2k.convert(copy.deepcopy(module).double(), (double,), verify=False).conversion
    narrow = t2k.convert(module, (data,), verify=False).conversion
    gradients = []
    dead = set[str]()
    for training in (False, True):
        try:
            check = compare_gradients(wide, training=training)
        except GradientsNotComparedError as error:
            gradients.append(str(error))
            continue
        gradients.append(describe(check))
        dead.update(name for name, found in check.verdicts.items() if found is Verdict.ROUNDING)
    steps = [train_both(Sides(wide, narrow), number, dead) for number in (0, 1)]
    (sgd, sgd_narrow), (adam, adam_narrow) = steps
    return [*gradients, sgd, adam, sgd_narrow, adam_narrow]


def choose_optimizer(
    module: nn.Module, conversion: Conversion, number: int
) -> torch.optim.Optimizer:
    """Return the SGD of verification, or AdamW."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return choose_optimizers(conversion, torch.optim.AdamW(trained, lr=1e-3))[number]


def train_both(sides: Sides, number: int, dead: AbstractSet[str]) -> tuple[str, str]:
    """Return the cells of one optimizer: the errors in float64, and in float32 of live ones."""
    runs, ours = [], []
    for conversion in sides:
        batches = draw_batches(conversion)
        optimizer = choose_optimizer(conversion.module, conversion, number)
        try:
            ours.append(train_keras(conversion, batches, optimizer, wide=conversion is sides.wide))
        except t2k.InputError:
            return "refused", "refused"
        runs.append(train_torch(conversion, batches, optimizer, wide=False))
        if conversion is sides.wide:
            nudged = train_torch(conversion, batches, optimizer, wide=False, nudge=1)
    exact, own = runs
    check = judge_weights(ours[0], [exact, nudged], "steps")
    parameters = dict(sides.wide.module.named_parameters())
    steady = set[str]()
    for name in parameters:
        if name not in dead and measure_distance(nudged, exact, name) < STEADY:
            steady.add(name)
    found = judge_weights(ours[1], [exact], "steps").errors
    largest = max(error for name, error in found.items() if steady >= set(name.split(" + ")))
    theirs = max(measure_distance(own, exact, name) for name in steady)
    return describe(check), f"{largest:.0e} ({theirs:.0e})"


def describe(check: LearningCheck) -> str:
    """Return the largest error, with the number of those that rounding alone moves."""
    if check.differing:
        return f"**{check.describe()}**"
    dead = list(check.verdicts.values()).count(Verdict.ROUNDING)
    told = f"{check.worst[1]:.0e}"
    return f"{told}, {dead} dead" if dead else told


def measure_distance(
    run: Mapping[str, torch.Tensor], exact: Mapping[str, torch.Tensor], name: str
) -> float:
    """Return how far a weight is from the exact one, as a share of its largest number."""
    if not exact[name].is_floating_point():
        return 0.0
    largest = float(exact[name].abs().max())
    apart = float((run[name].double() - exact[name]).abs().max())
    return apart / largest if 0 < largest < float("inf") else 0.0


if __name__ == "__main__":
    main(sys.argv[1:])
