"""`compare`: is a Keras model written by hand the module, where do they part, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
from torch import nn

from torch2keras.errors import VerificationError, show_controls
from torch2keras.runtime.arrays import to_numpy
from torch2keras.runtime.isolation import isolate_process
from torch2keras.runtime.run_alone import run_alone
from torch2keras.runtime.typed_errors import raise_typed_errors
from torch2keras.twins.causes.cause import Cause
from torch2keras.twins.causes.diagnosis import diagnose
from torch2keras.twins.causes.weight_causes import OwnWeights, check_own_weights
from torch2keras.twins.mapping import TwinMapping
from torch2keras.twins.probing import probe_match
from torch2keras.twins.sides import Mappable, Sides, read_sides
from torch2keras.twins.text import group_moves, say_matching, write_section
from torch2keras.twins.walk import RTOL, Divergence, Walk
from torch2keras.verification.input_sets import replace_tensors
from torch2keras.verification.metric import meaning
from torch2keras.verification.reference import run, run64
from torch2keras.workarounds.float64_promotion import double_precision


@dataclass(frozen=True)
class Parting:
    """A place at which the twin's values part from the module's, by equal weights and inputs."""

    torch: str
    """The path of the module's layer, or the output."""
    keras: str
    what: str
    """What of the layer: what enters it, what leaves it, or the output."""
    error: float
    """Relative to the largest value; infinite where shapes differ."""

    def as_dict(self) -> dict[str, Any]:
        """Return the place as JSON has it; an infinite error is None."""
        error = None if self.error == float("inf") else self.error
        return {"torch": self.torch, "keras": self.keras, "what": self.what, "error": error}


@dataclass(frozen=True)
class Comparison:
    """What is equal in a module and its twin, and what is not."""

    mapping: TwinMapping
    moved: tuple[str, ...]
    """What a transfer of weights would do beside copying."""
    differences: tuple[Parting, ...]
    """Where the two part, in the order of computation."""
    causes: tuple[Cause, ...]
    own_weights: OwnWeights

    @property
    def equal(self) -> bool:
        """Whether the twin gives the module's outputs in inference once it has its weights."""
        is_matched = not self.mapping.torch_left and not self.mapping.keras_left
        return is_matched and not self.differences and not self._causes_of_inference()

    def _causes_of_inference(self) -> bool:
        own = self.own_weights.causes
        return any(not cause.in_training and cause not in own for cause in self.causes)

    @property
    def ok(self) -> bool:
        """Whether there is no cause of any difference, in training or in the twin's own weights."""
        return self.equal and not self.causes

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON has it."""
        return {
            "equal": self.equal,
            "differences": [difference.as_dict() for difference in self.differences],
            "causes": [cause.as_dict() for cause in self.causes],
            "own_weights": {
                "equal": self.own_weights.equal,
                "compared": self.own_weights.compared,
            },
            "moved": list(self.moved),
            "mapping": self.mapping.as_dict(),
        }

    def __str__(self) -> str:
        verdict = "equal" if self.equal else "not equal"
        head = f"{verdict} by equal weights and inputs; {self.own_weights}"
        first = []
        for difference in self.differences[:1]:
            place = f"{difference.torch} | {difference.keras}"
            first.append(f"{place}: what {difference.what}, by {difference.error:.1e}")
        sections = [
            head,
            say_matching(self.mapping),
            write_section("the two first part at", first),
            write_section("likely causes", [str(cause) for cause in self.causes]),
            write_section("beside copying, a transfer would do this", group_moves(self.moved)),
        ]
        return show_controls("\n\n".join(section for section in sections if section))


@run_alone
@raise_typed_errors
def compare(
    module: nn.Module,
    keras_model: keras.Model,
    args: Any = None,
    *,
    mapping: Mappable | None = None,
    options: Mapping[str, Any] | None = None,
) -> Comparison:
    """Compare a module with a Keras model that somebody wrote by hand; neither is changed.

    `args` is an example input in PyTorch's order, as of `convert`; without it one is made of the
    Keras model's own sizes. Layers are matched by structure, and what looks alike by what it
    computes; `mapping` says what is known. Both run in float64 with the module's weights, and
    behind a difference the twin goes on with the module's values, so that each mistake is found.
    `options` are more of `convert`'s.

    Raises InputError where the Keras model cannot be read or takes other inputs, and what `convert`
    raises.
    """
    with isolate_process():
        sides = read_sides(module, keras_model, args, mapping=mapping, options=options)
        return compare_sides(sides)


def compare_sides(sides: Sides) -> Comparison:
    """Compare a module and a twin that are read."""
    with double_precision():
        probed = probe_match(sides, sides.make_inputs())
        _require_right_conversion(sides, probed.walk)
        own = check_own_weights(sides, probed.match, probed.plan)
        causes = (*diagnose(sides, probed), *own.causes)
    return Comparison(
        sides.write_mapping(probed.match, probed.plan),
        tuple(probed.plan.moved),
        tuple(_name(sides, divergence) for divergence in probed.walk.divergences),
        causes,
        own,
    )


def _require_right_conversion(sides: Sides, walk: Walk) -> None:
    """Raise VerificationError where the values that the twin is held to are not the module's."""
    conversion = sides.converted.conversion
    args, kwargs = replace_tensors(conversion, sides.draw("normal"))
    exact = run64(conversion.module, args, kwargs)
    own = run(conversion.module, args, kwargs)
    ports = zip(sides.converted.outputs, sides.module.graph.outputs, exact, own, strict=True)
    for port, number, high, low in ports:
        difference = meaning(port.to_torch(to_numpy(walk.values[number])), high, RTOL, y_t=low)
        if not difference.ok:
            raise VerificationError(
                "the module's own conversion does not give its numbers, so nothing can be compared",
                [
                    ("output", f"{port.name}: {difference.reason}"),
                    ("next", "convert the module alone: torch2keras.convert(module, args)"),
                ],
            )


def _name(sides: Sides, divergence: Divergence) -> Parting:
    checkpoint = divergence.checkpoint
    pair = checkpoint.pair
    if pair is None:
        port = sides.converted.outputs[checkpoint.output]
        return Parting(port.name, f"output {checkpoint.output}", "is the output", divergence.error)
    return Parting(
        sides.module.name(pair.ours),
        pair.twin.name,
        f"{checkpoint.where.value} it",
        divergence.error,
    )
