"""`transfer`: a module's weights into a Keras model that somebody wrote by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from torch import nn

from torch2keras.errors import InputError, VerificationError, show_controls
from torch2keras.runtime.isolation import isolate_process
from torch2keras.runtime.run_alone import run_alone
from torch2keras.runtime.typed_errors import raise_typed_errors
from torch2keras.twins.assignments import Plan, take_back
from torch2keras.twins.causes.cause import Cause
from torch2keras.twins.causes.diagnosis import diagnose
from torch2keras.twins.mapping import TwinMapping
from torch2keras.twins.probing import probe_match
from torch2keras.twins.sides import Mappable, Sides, prove_guesses, read_sides
from torch2keras.twins.text import MOST_LINES, group_moves, say_matching, write_section
from torch2keras.twins.twin_ports import arrange_output, run_twin
from torch2keras.verification.input_sets import replace_tensors
from torch2keras.verification.metric import EPS, numerics
from torch2keras.verification.reference import run, run64
from torch2keras.verification.results import Check, Verification
from torch2keras.workarounds.float64_promotion import double_precision

PROBES = ("normal", "wide")
"""The random inputs on which both sides are run after a transfer."""


@dataclass(frozen=True)
class Transfer:
    """What became of a module's weights in a Keras model."""

    mapping: TwinMapping
    moved: tuple[str, ...]
    """What was done beside copying: factors multiplied in, rows in another order, zeros."""
    verification: Verification
    causes: tuple[Cause, ...] = ()
    """Why the outputs differ; only with strict=False may there be any."""

    @property
    def ok(self) -> bool:
        """Whether all weights have a place, and the Keras model gives the module's outputs."""
        is_matched = not self.mapping.torch_left and not self.mapping.keras_left
        return is_matched and self.verification.ok

    def as_dict(self) -> dict[str, Any]:
        """Return the transfer as JSON has it."""
        return {
            "ok": self.ok,
            "verified": self.verification.ok,
            "worst": self.verification.worst("N"),
            "moved": list(self.moved),
            "causes": [cause.as_dict() for cause in self.causes],
            "mapping": self.mapping.as_dict(),
        }

    def __str__(self) -> str:
        share = self.verification.worst("N")
        verdict = "verified" if self.verification.ok else "NOT equal"
        weights = sum(len(pair.weights) for pair in self.mapping.pairs)
        count = len(self.verification.checks)
        head = (
            f"{weights} weights transferred; outputs {verdict}: largest error {share:.2g} of "
            f"what is allowed, on {count} outputs of random inputs"
        )
        sections = [
            head,
            say_matching(self.mapping),
            write_section("beside copying", group_moves(self.moved)),
            write_section("likely causes", [str(cause) for cause in self.causes]),
        ]
        return show_controls("\n\n".join(section for section in sections if section))


@run_alone
@raise_typed_errors
def transfer(
    source: nn.Module | Mapping[str, Any],
    keras_model: keras.Model,
    args: Any = None,
    *,
    module: nn.Module | None = None,
    mapping: Mappable | None = None,
    strict: bool = True,
    options: Mapping[str, Any] | None = None,
) -> Transfer:
    """Copy a module's weights into a Keras model that somebody wrote by hand, and compare both.

    `source` is the module, or a state_dict of `module`, which is given beside it then. `args` is an
    example input in PyTorch's order, as of `convert`; without it one is made of the Keras model's
    own sizes. `mapping` says which layers are the same, where that is known. All or nothing: where
    a weight of either side has no counterpart, or the outputs differ on random inputs, the Keras
    model is left as it was; with `strict=False` it has what was matched, and the result says what
    is left over and why. `options` are more of `convert`'s.

    Raises InputError for what is left over, VerificationError, with the likely causes, where the
    outputs differ, and what `convert` raises.
    """
    with isolate_process():
        sides = read_sides(
            source, keras_model, args, module=module, mapping=mapping, options=options
        )
        before: list[tuple[Any, np.ndarray]] = []
        try:
            return _transfer(sides, strict=strict, before=before)
        except BaseException:
            take_back(before)
            raise


def _transfer(sides: Sides, *, strict: bool, before: list[tuple[Any, np.ndarray]]) -> Transfer:
    """Write the weights, and compare; `before` gets what the variables held."""
    match = sides.match()
    plan = sides.plan(match)
    causes: tuple[Cause, ...] = ()
    verification = _try(sides, plan, before)
    if verification.ok and plan.is_complete:
        prove_guesses(match)
    else:
        take_back(before)
        before.clear()
        with double_precision():
            probed = probe_match(sides, sides.make_inputs())
            match, plan = probed.match, sides.plan(probed.match, probed.walk.rows)
            causes = diagnose(sides, probed)
        if strict:
            _require_complete(plan, causes)
        verification = _try(sides, plan, before)
    if not verification.ok and strict:
        raise _differ(plan, verification, causes)
    if verification.ok:
        causes = tuple(cause for cause in causes if cause.in_training)
    return Transfer(sides.write_mapping(match, plan), tuple(plan.moved), verification, causes)


def _try(sides: Sides, plan: Plan, before: list[tuple[Any, np.ndarray]]) -> Verification:
    """Write the weights into the twin, and compare its outputs with the module's."""
    before += plan.apply()
    return verify_twin(sides)


def _require_complete(plan: Plan, causes: Sequence[Cause]) -> None:
    """Raise InputError where a weight of either side has no counterpart."""
    if plan.is_complete:
        return
    left = len(plan.torch_left), len(plan.keras_left)
    raise InputError(
        f"weights without a counterpart: {left[0]} of the module, {left[1]} of the Keras model; "
        "nothing was written",
        [
            ("torch", _list(plan.torch_left)),
            ("keras", _list(plan.keras_left)),
            ("causes", _list([str(cause) for cause in causes if not cause.in_training])),
            (
                "next",
                "mend the Keras model, pair layers by mapping=, or take what fits: strict=False",
            ),
        ],
    )


def _differ(plan: Plan, verification: Verification, causes: Sequence[Cause]) -> VerificationError:
    """Return the error for outputs that differ though each weight has its place."""
    failed = [check for check in verification.checks if not check.difference.ok]
    first = failed[0]
    return VerificationError(
        "each weight has its place in the Keras model, and its outputs are not the module's; "
        "nothing was written",
        [
            ("output", f"{first.output}: {first.difference.reason}"),
            ("causes", _list([str(cause) for cause in causes]) or "none was found"),
            ("moved", _list(group_moves(plan.moved))),
            ("next", "mend the Keras model, or keep the weights all the same: strict=False"),
        ],
    )


def _list(lines: Sequence[str]) -> str:
    shown = list(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        shown.append(f"and {len(lines) - MOST_LINES} more")
    return "\n".join(shown)


def verify_twin(sides: Sides) -> Verification:
    """Compare the outputs of the twin with the module's, in the module's own type (tier N)."""
    conversion = sides.converted.conversion
    checks = []
    for probe in PROBES:
        tensors = sides.draw(probe)
        args, kwargs = replace_tensors(conversion, tensors)
        theirs = run(conversion.module, args, kwargs)
        exact = run64(conversion.module, args, kwargs)
        ours = run_twin(sides.twin.model, sides.ports, tensors)
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        answers = zip(sides.converted.outputs, ours, theirs, exact, strict=True)
        for port, own, their, high in answers:
            arranged = arrange_output(their, port, own), arrange_output(high, port, own)
            difference = numerics(own, *arranged, EPS.get(port.dtype, EPS["float32"]))
            checks.append(Check(probe, shapes, port.name, difference))
    return Verification(tuple(checks))
