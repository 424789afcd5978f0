"""Both sides of a comparison, read: the module by its conversion, the twin by its graph."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from torch import nn

from torch2keras.converted import Converted
from torch2keras.errors import InputError, list_names
from torch2keras.ops.blocks.convolution import keep_groups_together
from torch2keras.pipeline import convert
from torch2keras.twins.assignments import Plan, Rows, plan_weights
from torch2keras.twins.atoms import Atom, find_atoms
from torch2keras.twins.mapping import TwinMapping, read_mapping
from torch2keras.twins.matching import How, Match, match_atoms
from torch2keras.twins.module_side import ModuleSide, read_module_side
from torch2keras.twins.single_weights import WHOLE, Key, take_part
from torch2keras.twins.steps import LayerGraph, read_steps
from torch2keras.twins.twin_ports import TwinPort, find_twin_ports, make_example
from torch2keras.verification.input_sets import example_tensors
from torch2keras.verification.probes import probes

Mappable = TwinMapping | Mapping[str, Any] | str | Path
"""What a caller may give as a mapping: a result's, a file, or pairs of names."""


@dataclass(eq=False)
class Sides:
    """A converted module and a Keras model, ready to be matched."""

    converted: Converted
    module: ModuleSide
    twin: LayerGraph
    atoms: list[Atom]
    """Those of the twin."""
    ports: tuple[TwinPort, ...]
    given: Mapping[Key, Key]
    """Pairs of atoms, or of their weights, that the caller's mapping names."""

    def match(self, choices: Mapping[int, Sequence[int]] | None = None) -> Match:
        """Pair the atoms of both sides; `choices` are among those that look alike."""
        return match_atoms(self.module.atoms, self.atoms, self.given, choices)

    def plan(self, match: Match, rows: Rows | None = None) -> Plan:
        """Return what the twin's variables are to hold."""
        return plan_weights(self.module, match, rows)

    def write_mapping(self, match: Match, plan: Plan) -> TwinMapping:
        """Return which layers are the same, as data."""
        how = {(self.module.name(p.ours), p.twin.name): p.how.value for p in match.pairs}
        rows = [replace(row, how=how[row.torch, row.keras]) for row in plan.rows]
        return TwinMapping(tuple(rows), tuple(plan.torch_left), tuple(plan.keras_left))

    def make_inputs(self, probe: str = "normal") -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return random inputs as the converted model takes them, and as the twin does."""
        tensors = self.draw(probe)
        ours = zip(self.converted.inputs, tensors, strict=True)
        theirs = zip(self.ports, tensors, strict=True)
        return [p.from_torch(x) for p, x in ours], [p.from_torch(x) for p, x in theirs]

    def draw(self, probe: str) -> tuple[torch.Tensor, ...]:
        """Return the random inputs of a probe, of the example's sizes."""
        (found,) = probes(example_tensors(self.converted.conversion), names=[probe])
        return found.tensors


def read_sides(
    source: nn.Module | Mapping[str, Any],
    keras_model: keras.Model,
    args: Any = None,
    *,
    module: nn.Module | None = None,
    mapping: Mappable | None = None,
    options: Mapping[str, Any] | None = None,
) -> Sides:
    """Read a module, or the state_dict of one that is given beside it, and its twin.

    Raises InputError where one of them is of another kind, or where their inputs do not fit.
    """
    if not isinstance(keras_model, keras.Model):
        raise InputError(
            f"a {type(keras_model).__name__} is no keras.Model",
            [("next", "give the Keras model that is to be like the module")],
        )
    own = _take_module(source, module)
    twin = read_steps(keras_model)
    example = make_example(own, twin) if args is None else args
    with keep_groups_together():  # as a person writes them
        converted = convert(own, example, verify=False, **dict(options or {}))
    side = read_module_side(converted.conversion, converted.model, converted.layers)
    atoms = find_atoms(twin)
    ports = find_twin_ports(twin, converted.inputs)
    if len(converted.outputs) != len(twin.outputs):
        raise InputError(
            f"the module has {len(converted.outputs)} outputs, "
            f"and the Keras model {len(twin.outputs)}",
            [("next", "give a Keras model of the same outputs, in the module's order")],
        )
    given = {} if mapping is None else _find_places(side, atoms, read_mapping(mapping))
    return Sides(converted, side, twin, atoms, ports, given)


def _take_module(source: Any, module: nn.Module | None) -> nn.Module:
    """Return the module whose weights are meant; the caller's own stays as it is."""
    if isinstance(source, nn.Module):
        return source
    if not isinstance(source, Mapping):
        raise InputError(
            f"a {type(source).__name__} is no source of weights",
            [("next", "give an nn.Module, or a state_dict and module=, the module that it is of")],
        )
    if module is None:
        raise InputError(
            "a state_dict alone does not say what is computed with it",
            [("next", "give the module that it is of too: module=Net()")],
        )
    own = copy.deepcopy(module)
    try:
        own.load_state_dict(source)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            "the state_dict does not fit the module", [("torch", str(error).strip())]
        ) from error
    return own


def _find_places(
    side: ModuleSide, atoms: Sequence[Atom], pairs: Mapping[str, str]
) -> dict[Key, Key]:
    """Return the atoms that a mapping pairs, and the weights of atoms.

    Raises InputError for names that neither side has, and for parts of other sizes.
    """
    ours = _list_keys(side.atoms, side.name)
    theirs = _list_keys(atoms, lambda atom: atom.name)
    unknown = [name for name in pairs if name not in ours]
    unknown += [name for name in pairs.values() if name not in theirs]
    if unknown:
        raise InputError(
            f"the mapping names what is not there: {list_names(unknown)}",
            [
                ("torch", list_names(list(map(side.name, side.atoms)))),
                ("keras", list_names([atom.name for atom in atoms])),
            ],
        )
    found = {}
    for name, other in pairs.items():
        one, two = take_part(side.atoms, ours[name]), take_part(atoms, theirs[other])
        if one.family != two.family:
            raise InputError(
                f"the mapping pairs {name} with {other}",
                [("torch", f"{one.family} {one.signature[1:]}"), ("keras", f"{two.signature}")],
            )
        found[ours[name]] = theirs[other]
    return found


def _list_keys(atoms: Sequence[Atom], name: Callable[[Atom], str]) -> dict[str, Key]:
    """Return the atoms by their names, and the weights of each by "name:role"."""
    keys: dict[str, Key] = {}
    for place, atom in enumerate(atoms):
        for part in range(len(atom.slots)):
            keys.setdefault(name(take_part(atoms, (place, part))), (place, part))
    for place, atom in enumerate(atoms):
        keys[name(atom)] = place, WHOLE
    return keys


def prove_guesses(match: Match) -> None:
    """Let pairs that were guessed be proven: with them both sides give the same numbers."""
    for pair in match.pairs:
        if pair.how is How.ORDER:
            pair.how = How.PROBE
