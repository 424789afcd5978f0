"""What a Keras model was made of, as it was at the conversion: the module may change afterwards.

A state here goes by paths, torch.export's names of parameters and buffers; `StateNames` knows the
module's own.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from torch2keras.checkpoints.checkpoint_names import WantedNames
from torch2keras.conversion.record import Conversion
from torch2keras.conversion.state_names import State, StateNames, read_state_names
from torch2keras.errors import InputError
from torch2keras.graph.element_moves import Flip, Permute, Reshape
from torch2keras.graph.interpreter import find_paths, find_sources, recompute_constant
from torch2keras.graph.ir import Constant
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.keras_graph.weight import Weight
from torch2keras.runtime.arrays import to_numpy

COPY_LIMIT = 2**20
"""Bytes; what is larger is read from the module again, if it is still the same there."""

ORDER_MOVES = (Reshape, Permute, Flip)
"""Moves that leave no element out."""


@dataclass(frozen=True)
class Kept:
    """A tensor of the module: a copy, or the module's own memory, known by its checksum."""

    tensor: torch.Tensor
    checksum: int | None = None
    """Of memory that must not have changed when it is read."""

    def read(self, name: str) -> torch.Tensor:
        """Return the tensor.

        Raises InputError where the module has written to it since.
        """
        if self.checksum is not None and checksum(self.tensor) != self.checksum:
            raise InputError(
                f"{name} is in no Keras weight, and has changed in the module since the conversion",
                [("next", "call load_state_dict with all the weights the Keras model is to have")],
            )
        return self.tensor


@dataclass(frozen=True)
class StateRecord:
    """The state behind a Keras model."""

    names: StateNames
    kept: Mapping[str, Kept]
    """What is known of each path: all of the state_dict, and other tensors that weights need."""
    held: frozenset[str]
    """The paths whose every element is in a Keras weight; what is kept of them is only a shape."""
    constants: tuple[tuple[Constant, int], ...]
    """What is written into the Keras graph, with the checksums of the values there."""
    views: Mapping[str, tuple[str, ...]]
    """A tensor that is no entry of the state_dict -> the entries whose memory it is in."""

    @property
    def paths(self) -> set[str]:
        """The paths that an entry of the state_dict gives values to."""
        return set(self.names.tensors.values())

    @property
    def shapes(self) -> dict[str, torch.Size]:
        """The shape of each path."""
        return {path: kept.tensor.shape for path, kept in self.kept.items()}

    def list_wanted(self, constants: Iterable[Constant]) -> WantedNames:
        """Return the entries of the state_dict; `constants` tell which of them are one tensor."""
        shapes: dict[str, tuple[int, ...]] = {}
        entries: dict[str, list[str]] = {}
        for name, path in self.names.tensors.items():
            shapes[name] = tuple(self.kept[path].tensor.shape)
            entries.setdefault(path, []).append(name)
        ties = list(entries.values())
        for constant in constants:
            for source in find_sources(constant):
                tied: list[str] = []
                for path in source.paths:
                    tied += entries.get(path, ())
                ties.append(tied)
        return WantedNames(shapes, ties, frozenset(self.names.extras))

    def copy_state(self, without: Container[str] = ()) -> dict[str, torch.Tensor]:
        """Return a state with the values that no Keras weight holds; the others are any."""
        state = {}
        for path, kept in self.kept.items():
            if path in without:
                continue
            if path in self.held:
                # Of a state that was read from a file only the shape is known.
                device = "cpu" if kept.tensor.is_meta else kept.tensor.device
                state[path] = torch.empty(kept.tensor.shape, dtype=kept.tensor.dtype, device=device)
            else:
                tensor = kept.read(path)
                state[path] = tensor.clone(memory_format=torch.contiguous_format)
        return state

    def round_floats(self, state: State) -> dict[str, torch.Tensor]:
        """Return a state whose floats have the module's own types, as its parameters would."""
        rounded: dict[str, torch.Tensor] = {}
        for path, tensor in state.items():
            own = self.kept[path].tensor
            are_floats = tensor.is_floating_point() and own.is_floating_point()
            rounded[path] = tensor.to(own.dtype) if are_floats else tensor
        return rounded

    def complete(self, state: State) -> dict[str, torch.Tensor]:
        """Return a state with what is kept for the paths that it lacks."""
        known = dict(state)
        for path, kept in self.kept.items():
            if path not in known:
                known[path] = kept.read(path)
        return known

    def after_load(self, state: State) -> StateRecord:
        """Return the record of a model whose weights were just taken from a state."""
        kept = dict(self.kept)
        for path, tensor in state.items():
            if path not in self.held:
                kept[path] = Kept(tensor.to(self.kept[path].tensor.dtype, copy=True))
        return replace(self, kept=kept)

    def require_same_constants(self, state: State) -> None:
        """Raise InputError where a state has other values for what is written into the graph."""
        known: dict[Any, list[torch.Tensor]] = {}
        for constant, written in self.constants:
            if checksum(recompute_constant(constant, state, known)) != written:
                raise InputError(
                    f"{name_sources(constant)} has other values in this state_dict, "
                    "and is a constant in the Keras graph",
                    [("next", "load the state_dict into the module, and convert that")],
                )

    def require_same_views(self, state: State) -> None:
        """Raise InputError where tensors outside of the state_dict would change with a state."""
        for name, entries in self.views.items():
            for path in entries:
                if checksum(state[path]) != self.kept[path].checksum:
                    raise InputError(
                        f"{name} is no entry of the state_dict, and lies in the memory of {path}, "
                        "which has other values now",
                        [("next", "load the state_dict into the module, and convert that")],
                    )


def record_state(conversion: Conversion) -> StateRecord:
    """Return the record of a conversion that was just made."""
    table: State = conversion.captured.program.state_dict
    names = read_state_names(conversion.module, table)
    own = set(names.tensors.values())
    graph = conversion.lowered.graph
    written: list[tuple[Constant, int]] = []
    sources: dict[str, torch.Tensor] = {}
    for constant in _constants_in_graph(conversion):
        written.append((constant, checksum(constant.data)))
        sources.update(_name_tensors(constant))
    computed_from: set[str] = set()
    for _, _, weight in graph.weights():
        sources.update(_name_tensors(weight.constant))
        if weight.constant.recipe is not None:
            computed_from.update(find_paths(weight.constant))
    views = _find_views(sources, table, own)
    shared = set[str]().union(*views.values())
    held = frozenset(_find_held_paths(graph) & own - shared)
    kept = {}
    for path, tensor in {**sources, **table}.items():
        is_held = path in held
        # What a computed weight is made of is known by the weight that it gives.
        is_known = is_held or (path in computed_from and path in table)
        check = path in shared or not is_known
        kept[path] = _keep(tensor.detach(), copy=not is_held, check=check)
    return StateRecord(names, kept, held, tuple(written), views)


def _name_tensors(constant: Constant) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors that a constant is computed from, by each of their names."""
    for source in find_sources(constant):
        for path in source.paths:
            yield path, source.tensor


def _keep(tensor: torch.Tensor, *, copy: bool, check: bool) -> Kept:
    """Return a copy of a small tensor, and a large one itself."""
    if copy and tensor.nbytes <= COPY_LIMIT:
        tensor = tensor.clone()
    return Kept(tensor, checksum(tensor) if check else None)


def checksum(tensor: torch.Tensor) -> int:
    """Return a number that equal tensors of one type have in common, and others nearly never."""
    return array_checksum(to_numpy(tensor))


def array_checksum(array: np.ndarray) -> int:
    """Return `checksum` of an array."""
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def name_sources(constant: Constant) -> str:
    """Return the names of the tensors that a constant is made of."""
    return ", ".join(find_paths(constant)) or constant.name


def _constants_in_graph(conversion: Conversion) -> Iterator[Constant]:
    """Yield the constants that a state gives values to and no weight holds, or a literal too."""
    graph = conversion.lowered.graph
    in_weights = {id(weight.constant.tensor) for _, _, weight in graph.weights()}
    in_literals = {id(weight.constant.tensor) for weight in graph.literals()}
    values = list(conversion.graph.output_values())
    for node in conversion.graph.nodes:
        values.extend(node.operands)
    for value in dict.fromkeys(values):
        if not isinstance(value, Constant):
            continue
        if id(value.tensor) in in_weights and id(value.tensor) not in in_literals:
            continue
        if find_paths(value):
            yield value


def _find_views(sources: State, table: State, own: set[str]) -> dict[str, tuple[str, ...]]:
    """Return the tensors outside of the state that lie in memory of entries, with these."""
    owners: dict[int, list[str]] = {}
    for path in own:
        owners.setdefault(table[path].untyped_storage().data_ptr(), []).append(path)
    views = {}
    for path, tensor in sources.items():
        entries = owners.get(tensor.untyped_storage().data_ptr())
        if entries and path not in table and tensor.numel():
            views[path] = tuple(entries)
    return views


def _find_held_paths(graph: KerasGraph) -> set[str]:
    """Return the paths whose every element is in a Keras weight."""
    holders: dict[str, list[Weight]] = {}
    for _, _, weight in graph.weights():
        if weight.constant.recipe is None:
            for path in weight.constant.paths:
                holders.setdefault(path, []).append(weight)
    return set(filter(lambda path: _hold_all(holders[path]), holders))


def _hold_all(weights: list[Weight]) -> bool:
    """Return whether these weights of one tensor have each of its elements."""
    total = weights[0].constant.tensor.numel()
    for weight in weights:
        moves = (*weight.constant.moves, *weight.moves)
        if math.prod(weight.shape) == total and all(isinstance(m, ORDER_MOVES) for m in moves):
            return True
    if sum(math.prod(weight.shape) for weight in weights) < total:
        return False
    found = np.zeros(total, dtype=bool)
    for weight in weights:
        found[weight.numbers().numpy().ravel()] = True
    return bool(found.all())
