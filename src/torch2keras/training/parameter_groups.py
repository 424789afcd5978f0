"""PyTorch's groups of parameters as settings of Keras variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import keras
import torch

from torch2keras.conversion.record import Conversion
from torch2keras.conversion.weights import Holder, Layers, advise_plain, find_holders
from torch2keras.errors import InputError, list_names
from torch2keras.keras_graph.weight import Weight
from torch2keras.training.optimizer_table import Formula
from torch2keras.training.torch_optimizer import Options, Setting
from torch2keras.training.weight_gradients import count_copies, find_leaves


@dataclass(frozen=True)
class Mapped:
    """A trainable Keras variable, the parameters in it, and how it moves."""

    name: str
    variable: keras.Variable
    weight: Weight
    paths: tuple[str, ...]
    setting: Setting


@dataclass(frozen=True, eq=False)
class _Group:
    """One group of an optimizer: what it is called in messages, its rate and its options."""

    name: str
    learning_rate: float
    options: Options


def map_groups(
    torch_optimizer: torch.optim.Optimizer, formula: Formula, conversion: Conversion, layers: Layers
) -> list[Mapped]:
    """Return how each trainable variable moves; rates are factors of the first group's.

    Raises InputError where the optimizer's parameters are not the module's, where one variable
    stands for parameters that move differently, and where a parameter is in several variables.
    """
    groups = _read_groups(torch_optimizer, formula)
    owners = _find_owners(torch_optimizer, groups, conversion)
    base = groups[0].learning_rate
    mapped = []
    for holder in find_holders(conversion.weight_map, layers):
        if not (holder.weight.trainable and holder.variable.trainable):
            continue
        paths = tuple(find_leaves(conversion, holder.weight))
        setting = _choose_setting(holder, paths, owners, base, formula, conversion)
        mapped.append(Mapped(holder.name, holder.variable, holder.weight, paths, setting))
    _require_held_once(mapped)
    return mapped


def _read_groups(torch_optimizer: torch.optim.Optimizer, formula: Formula) -> list[_Group]:
    groups = []
    for number, group in enumerate(torch_optimizer.param_groups):
        options = formula.read_options(group)
        name = f"group {number}"
        groups.append(_Group(name, float(group["lr"]), options))
    return groups


def _find_owners(
    torch_optimizer: torch.optim.Optimizer, groups: Sequence[_Group], conversion: Conversion
) -> dict[str, _Group]:
    """Return the group of each parameter, by each of its names."""
    names: dict[int, list[str]] = {}
    for name, parameter in conversion.own_parameters().items():
        names.setdefault(id(parameter), []).append(name)
    owners: dict[str, _Group] = {}
    strangers = 0
    for group, ours in zip(torch_optimizer.param_groups, groups, strict=True):
        for parameter in group["params"]:
            own = names.get(id(parameter), [])
            strangers += not own
            owners.update(dict.fromkeys(own, ours))
    if strangers:
        raise InputError(
            f"{strangers} parameters of this optimizer are none of the converted module's",
            [("next", "make the optimizer of module.parameters(), of the module given to convert")],
        )
    return owners


def _choose_setting(
    holder: Holder,
    paths: Sequence[str],
    owners: Mapping[str, _Group],
    base: float,
    formula: Formula,
    conversion: Conversion,
) -> Setting:
    """Return how one variable moves."""
    groups = {owners.get(path) for path in paths}
    if groups == {None}:
        return Setting(dict(formula.defaults), moves=False)
    alike = {(group.learning_rate, repr(group.options)) for group in groups if group is not None}
    if None in groups or len(alike) > 1:
        named = [f"{p} ({owners[p].name})" if p in owners else f"{p} (none)" for p in paths]
        raise InputError(
            f"{holder.name} is one variable in Keras for parameters that PyTorch moves differently",
            [
                ("which", list_names(named)),
                ("next", "put them into one group of the optimizer, or groups of equal options"),
            ],
        )
    group = next(group for group in groups if group is not None)
    copies = count_copies(holder.weight, find_leaves(conversion, holder.weight))
    if copies is None:
        raise InputError(
            f"{holder.name} is computed from {list_names(list(paths))} in PyTorch, and Keras "
            "trains the result: no optimizer moves it as PyTorch moves these",
            [("next", advise_plain(holder.paths, set(conversion.captured.program.state_dict)))],
        )
    if copies > 1 and formula.mixes_decay(group.options):
        raise InputError(
            f"{holder.name} is the sum of {list_names(list(paths))}, and weight_decay="
            f"{group.options['weight_decay']} of {formula.name} goes into the squares of their "
            "gradients, each its own",
            [("next", "put these biases into a group of their own with weight_decay=0")],
        )
    return Setting(group.options, _ratio(group.learning_rate, base), copies)


def _ratio(rate: float, base: float) -> float:
    """Return a rate as a factor of the base as Keras holds it, in `keras.config.floatx()`."""
    held = float(torch.tensor(base, dtype=getattr(torch, keras.config.floatx())))
    return rate / held if held else 1.0


def _require_held_once(mapped: Sequence[Mapped]) -> None:
    """Raise InputError where two variables hold one element: each would move by its own part."""
    holders: dict[str, list[Mapped]] = {}
    for item in mapped:
        for path in item.paths:
            holders.setdefault(path, []).append(item)
    for path, items in holders.items():
        seen = set[int]()
        for item in _distinct(items):
            numbers = set(item.weight.numbers().reshape(-1).tolist())
            if seen & numbers and item.weight.constant.recipe is None:
                names = [other.name for other in items]
                raise InputError(
                    f"{path} is one parameter in PyTorch, and in Keras {list_names(names)} hold it",
                    [
                        ("why", "training moves each of them by its own part of the gradient"),
                        ("next", "give each use in forward a parameter of its own"),
                    ],
                )
            seen |= numbers


def _distinct(items: Sequence[Mapped]) -> Iterator[Mapped]:
    known = set[int]()
    for item in items:
        if id(item.variable) not in known:
            known.add(id(item.variable))
            yield item
