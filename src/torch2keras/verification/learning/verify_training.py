"""Training: the weights of both sides behind the same steps, in float64.

A parameter is judged by its size. One whose true gradient is zero (a bias in front of a norm, that
of an attention's keys) is moved by rounding alone, and an adaptive optimizer makes steps of that:
such ones are told by what PyTorch does with them when it starts a few units in the last place away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np
import torch

from torch2keras.capture.failures import first_line
from torch2keras.conversion.record import Conversion
from torch2keras.errors import InputError, VerificationError, list_names
from torch2keras.training.weight_gradients import map_state
from torch2keras.verification.divergence import NEXT
from torch2keras.verification.learning.steps import (
    STEPS,
    Batches,
    Trained,
    draw_batches,
    train_keras,
    train_torch,
)
from torch2keras.verification.learning.train_mode import find_cumulative_norms, find_frozen_norms
from torch2keras.verification.results import Learning, LearningCheck, Verdict

RELATIVE = 1e-8
"""The allowed error behind all steps, as a share of the parameter's largest number."""

FLOOR = 1e-9
"""The same, as a share of the largest number of all, where nothing but rounding moves a bias that
begins as zeros."""

SPREAD = 100.0
"""How much further than these runs rounding may take a parameter in Keras."""

FEWER = (STEPS, 5, 1)
"""How many steps are compared: fewer where rounding alone moves most weights in more of them."""

RATE, MOMENTUM = 2.0**-8, 0.875


def choose_optimizers(
    conversion: Conversion, given: torch.optim.Optimizer | None
) -> list[torch.optim.Optimizer]:
    """Return SGD with momentum of all parameters, and the given one."""
    own = conversion.own_parameters().values()
    trained = [p for p in dict.fromkeys(own) if p.requires_grad]
    chosen: list[torch.optim.Optimizer] = []
    if trained:
        chosen.append(torch.optim.SGD(trained, lr=RATE, momentum=MOMENTUM))
    return chosen if given is None else [*chosen, given]


def verify_training(
    conversion: Conversion, optimizers: Sequence[torch.optim.Optimizer]
) -> Learning:
    """Train both sides by each optimizer, and return what came of it.

    Raises VerificationError where the weights differ and no note of the capture says why.
    """
    if not optimizers:
        return Learning()
    if keras.backend.backend() != "tensorflow":
        told = "Training was not compared: that needs Keras's TensorFlow backend"
        return Learning((f"{told}, and this is {keras.backend.backend()}.",))
    notes = list(_note_rules(conversion))
    checks = []
    batches = draw_batches(conversion)
    for optimizer in optimizers:
        name = type(optimizer).__name__
        what = f"{STEPS} steps of {name}"
        try:
            check = compare_longest(conversion, batches, optimizer)
        except TrainingNotComparedError as error:
            notes.append(f"Training by {what} was not compared with PyTorch's: {error}.")
            continue
        checks.append(check)
        notes.append(_describe(conversion, check))
        if check.what != what:
            notes.append(
                f"In {STEPS} steps of {name} rounding alone moves most weights of this module: "
                f"{check.what} were compared."
            )
    return Learning(tuple(notes), tuple(checks))


class TrainingNotComparedError(Exception):
    """Says why training could not be compared."""


def _describe(conversion: Conversion, check: LearningCheck) -> str:
    """Return a note on a comparison. Raises VerificationError where it fails for no known cause."""
    if not check.differing:
        name, error = check.worst
        told = f"{check.what} on the same batches move all {len(check.errors)} weights as PyTorch"
        dead = [name for name, v in check.verdicts.items() if v is Verdict.ROUNDING]
        told = f"{told}, in float64: at most {error:.1e} of {name} apart"
        if dead:
            return f"{told}; rounding alone moves {list_names(dead, 4)}."
        return f"{told}."
    known = conversion.captured.training.differences
    if known:
        return f"{check.what} move weights otherwise: {check.describe()}. {'; '.join(known)}."
    raise VerificationError(
        "the converted model does not train as PyTorch does",
        [("which", check.describe()), ("what", check.what), ("next", NEXT)],
    )


def _note_rules(conversion: Conversion) -> Iterator[str]:
    """Yield notes on what Keras does otherwise in training, which both sides did here."""
    for path, layer in find_frozen_norms(conversion).items():
        yield (
            f"The frozen normalization {path} was compared in eval mode: in train mode PyTorch "
            "takes the statistics of the batch there, and Keras the moving ones. To have it so in "
            f'Keras too: norm = model.get_layer("{layer}"); norm.trainable = True; '
            "norm.gamma.trainable = norm.beta.trainable = False."
        )
    cumulative = find_cumulative_norms(conversion)
    if cumulative:
        yield (
            f"{list_names(cumulative)} average the statistics of all batches (momentum=None), and "
            "in Keras these stay as they are: they were not compared."
        )


def compare_longest(
    conversion: Conversion, batches: Batches, optimizer: torch.optim.Optimizer
) -> LearningCheck:
    """Compare the weights behind as many steps as say something of most of them.

    Raises TrainingNotComparedError where one of the sides cannot be trained so.
    """
    for count in FEWER:
        noun = "steps" if count > 1 else "step"
        what = f"{count} {noun} of {type(optimizer).__name__}"
        check = compare_training(conversion, batches.first(count), optimizer, what)
        rounded = list(check.verdicts.values()).count(Verdict.ROUNDING)
        if check.differing or 2 * rounded <= len(check.verdicts):
            break
    return check


def compare_training(
    conversion: Conversion,
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    what: str,
) -> LearningCheck:
    """Train both sides in float64, and compare their weights and statistics.

    Raises TrainingNotComparedError where one of the sides cannot be trained so.
    """
    try:
        ours = train_keras(conversion, batches, optimizer)
    except InputError as error:  # the optimizer, or what the model has for its parameters
        raise TrainingNotComparedError(error.headline) from error
    except LookupError as error:
        message = f"TensorFlow gives no gradient ({error})"
        raise TrainingNotComparedError(message) from error
    try:
        runs = [train_torch(conversion, batches, optimizer)]
        skip = find_cumulative_norms(conversion)
        check = judge_weights(ours, runs, what, skip)
        if check.differing:
            runs.append(train_torch(conversion, batches, optimizer, nudge=1))
            check = judge_weights(ours, runs, what, skip)
    except TrainingNotComparedError:
        raise
    except Exception as error:
        message = f"PyTorch itself does not train ({type(error).__name__}: {first_line(error)})"
        raise TrainingNotComparedError(message) from error
    return check


def judge_weights(
    ours: Sequence[Trained],
    runs: Sequence[Mapping[str, torch.Tensor]],
    what: str,
    skip: Sequence[str] = (),
) -> LearningCheck:
    """Compare weights with PyTorch's first run; the others say what rounding does.

    Raises TrainingNotComparedError where PyTorch's weights are no finite numbers.
    """
    errors: dict[str, float] = {}
    verdicts: dict[str, Verdict] = {}
    largest = 0.0
    for trained in ours:
        if trained.is_parameter:
            largest = max(largest, _measure_whole(trained, runs[0]))
    for trained in ours:
        if not trained.is_parameter and trained.names[0].rpartition(".")[0] in skip:
            continue
        theirs, *others = [_read_run(trained, run) for run in runs]
        if not np.isfinite(theirs).all():
            message = "PyTorch's own weights become infinite by it"
            raise TrainingNotComparedError(message)
        name = _name(trained)
        error, size = _measure(trained.values - theirs), _measure_whole(trained, runs[0])
        noise = max((_measure(other - theirs) for other in others), default=0.0)
        share = error / size if size else error
        if share >= errors.get(name, 0.0):  # a parameter may be in several weights
            errors[name] = share
            verdicts[name] = Verdict.EQUAL
            if not error <= RELATIVE * size:
                is_rounding = error <= RELATIVE * size + SPREAD * noise + FLOOR * largest
                verdicts[name] = Verdict.ROUNDING if is_rounding else Verdict.DIFFERS
        elif np.isnan(share):
            errors[name], verdicts[name] = share, Verdict.DIFFERS
    return LearningCheck(what, errors, verdicts)


def _name(trained: Trained) -> str:
    """Return the parameters of a weight, as a sum where it is one."""
    return (" + " if trained.is_sum else ", ").join(trained.names)


def _read_run(trained: Trained, run: Mapping[str, torch.Tensor]) -> np.ndarray:
    own = {name: run[name] for name in trained.names}
    return map_state(trained.weight, own, 1)


def _measure_whole(trained: Trained, run: Mapping[str, torch.Tensor]) -> float:
    """Return the largest number of a weight's parameters, of which it may hold a part."""
    return max(_measure(run[name].numpy()) for name in trained.names)


def _measure(values: np.ndarray) -> float:
    return float(np.abs(values).max()) if values.size else 0.0
