"""The module's side of a comparison: its conversion as steps and atoms, with PyTorch's names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch2keras.conversion.record import Conversion
from torch2keras.conversion.weights import Layers
from torch2keras.graph.element_moves import describe_moves
from torch2keras.graph.interpreter import find_paths
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.layers import find_variable
from torch2keras.twins.atoms import Atom, find_atoms
from torch2keras.twins.steps import LayerGraph, LayerStep, read_steps


@dataclass(eq=False)
class ModuleSide:
    """A converted module as steps and atoms."""

    conversion: Conversion
    graph: LayerGraph
    atoms: list[Atom]
    paths: Mapping[str, str]
    """The path of the module that a layer comes from, by the layer's name."""
    weights: Mapping[int, Weight]
    """What a variable is made of, by the variable's `id`."""
    names: dict[int, str] = field(default_factory=dict)
    """The name of an atom, by its `id`: the path of its module, and which part of it."""

    def name(self, atom: Atom) -> str:
        """Return the path of the module that an atom comes from, and which part of it is meant."""
        if atom.whole is not None:
            (role,) = atom.slots
            return f"{self.names[id(atom.whole)]}:{role}"
        return self.names[id(atom)]

    def path(self, step: LayerStep) -> str:
        """Return the path of the module that a step comes from; "" for the module itself."""
        return self.paths.get(_own_name(step), "")

    def sources(self, atom: Atom, role: str) -> list[str]:
        """Return the names of the parameters and buffers that a weight is made of."""
        weight = self.weights.get(id(atom.slots[role]))
        return find_paths(weight.constant) if weight is not None else []

    def moves(self, atom: Atom, role: str) -> tuple[str, ...]:
        """Return what was done to PyTorch's tensor for Keras, move by move."""
        weight = self.weights.get(id(atom.slots[role]))
        if weight is None:
            return ()
        texts = describe_moves((*weight.constant.moves, *weight.moves))
        if weight.constant.recipe is None:
            return texts
        return f"computed from {' and '.join(find_paths(weight.constant))}", *texts


def read_module_side(conversion: Conversion, model: object, layers: Layers) -> ModuleSide:
    """Return the steps and atoms of a conversion's Keras model."""
    graph = read_steps(model)
    atoms = find_atoms(graph)
    paths: dict[str, str] = {}
    weights: dict[int, Weight] = {}
    for call in conversion.lowered.graph.calls:
        if call.is_layer:
            paths.setdefault(call.name, call.origin.path)
    for call, attribute, weight in conversion.lowered.graph.weights():
        weights[id(find_variable(layers[call.name], attribute))] = weight
    side = ModuleSide(conversion, graph, atoms, paths, weights)
    side.names = _name_atoms(side)
    return side


def _own_name(step: LayerStep) -> str:
    """Return the layer's name without those of the models that it is nested in."""
    return step.name.rpartition("/")[2]


def _name_atoms(side: ModuleSide) -> dict[int, str]:
    """Return for each atom its module's path; the layer's name where several have that."""
    plain: dict[int, str] = {}
    for atom in side.atoms:
        path = side.path(atom.step) or _own_name(atom.step)
        plain[id(atom)] = f"{path}:{atom.part}" if atom.part else path
    counts = Counter(plain.values())
    names = {}
    for atom in side.atoms:
        name = plain[id(atom)]
        if counts[name] > 1:
            own = _own_name(atom.step)
            name = f"{own}:{atom.part}" if atom.part else own
        names[id(atom)] = name
    return names
