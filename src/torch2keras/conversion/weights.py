"""Weights, both ways: a state_dict into the Keras model, and the Keras model as a state_dict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import torch

from torch2keras.checkpoints.checkpoint_files import open_checkpoint
from torch2keras.checkpoints.checkpoint_names import LoadReport, fit_names
from torch2keras.conversion.folded_weights import is_near, split_folded
from torch2keras.conversion.state_names import State
from torch2keras.conversion.state_record import StateRecord, array_checksum, name_sources
from torch2keras.conversion.substitution import Substitution
from torch2keras.conversion.weight_map import WeightMap
from torch2keras.errors import InputError, InternalError, list_names
from torch2keras.graph.element_moves import move_elements, view_elements
from torch2keras.graph.interpreter import find_paths, find_sources
from torch2keras.graph.ir import keras_dtype
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.layers import find_variable
from torch2keras.runtime.arrays import to_numpy, to_torch

Layers = Mapping[str, keras.Layer]
"""The model's layers by name."""


@dataclass(frozen=True)
class Holder:
    """A variable of the Keras model, and the weight that it was made of."""

    name: str
    weight: Weight
    variable: Any
    """A keras.Variable; behind `enable_lora` the sum of several, as a tensor."""

    @property
    def dtype(self) -> str:
        """The variable's dtype, as Keras spells it."""
        return str(keras.backend.standardize_dtype(self.variable.dtype))

    @property
    def is_computed(self) -> bool:
        """Whether PyTorch computes the weight, and Keras has the result."""
        return self.weight.constant.recipe is not None

    @property
    def paths(self) -> list[str]:
        """The paths of all tensors that the weight is made of."""
        return find_paths(self.weight.constant)

    def values(self) -> np.ndarray:
        """Return what the variable holds; bfloat16 as float32."""
        return to_numpy(getattr(self.variable, "value", self.variable))

    def tensor(self) -> torch.Tensor:
        """Return what the variable holds in its own dtype; it may share the variable's memory."""
        return to_torch(getattr(self.variable, "value", self.variable))

    def has(self, weight: Weight) -> bool:
        """Return whether the variable holds a weight's values, to the last bit."""
        held = self.tensor()
        expected = weight.values().detach()
        if expected.dtype != held.dtype:  # rounded as it is when it is written
            expected = torch.from_numpy(weight.array(self.dtype)).to(held.dtype)
        return expected.shape == held.shape and _are_same_bits(expected, held)

    def has_nearly(self, weight: Weight) -> bool:
        """Return whether the variable holds a weight's values, but for rounding."""
        held = torch.from_numpy(np.array(self.values())).to(getattr(torch, self.dtype))
        return is_near(weight.values(), held, weight.constant)


def _are_same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two tensors of one shape and dtype are equal, a NaN to the same NaN."""
    size = one.element_size()
    as_integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}.get(size)
    if as_integers is None:
        return array_checksum(to_numpy(one)) == array_checksum(to_numpy(other))
    return torch.equal(one.contiguous().view(as_integers), other.contiguous().view(as_integers))


def state_dict(weight_map: WeightMap, layers: Layers, record: StateRecord) -> dict[str, Any]:
    """Return the module's own state_dict with the values of the Keras weights.

    Raises InputError where these are no state of the module, as `read_state` has it, and where the
    module's own state_dict is not made of its parameters and buffers.
    """
    record.names.require_known()
    return record.names.to_entries(read_state(weight_map, layers, record))


def read_state(
    weight_map: WeightMap, layers: Layers, record: StateRecord, *, without_plain: bool = False
) -> dict[str, torch.Tensor]:
    """Return the state whose weights are those of the Keras model, by paths.

    `without_plain` leaves out the tensors that one Keras weight has as they are, of its dtype: what
    these hold is a state in any case, and all of them may be as much as the model.
    The sum of two biases of a recurrent layer comes back as the first of them, if it was trained;
    a weight of weight_norm as its direction and length. Raises InputError where a trained weight is
    computed in a way that has no such inverse, and where Keras weights that are one parameter
    differ.
    """
    holders = list(find_holders(weight_map, layers))
    plain = _find_plain(holders, record) if without_plain else {}
    state = record.copy_state(without=plain)
    holders = [holder for holder in holders if plain.keys().isdisjoint(holder.paths)]
    own = set(weight_map.own)
    for holder in holders:
        if not holder.is_computed:
            _put_values(state, holder, own)
    by_tensor: dict[int, list[Holder]] = {}
    for holder in holders:
        if holder.is_computed:
            by_tensor.setdefault(id(holder.weight.constant.tensor), []).append(holder)
    for group in by_tensor.values():
        _put_folded(state, group, [h for h in holders if h not in group], own)
    _require_reproduced(holders, state)
    record.require_same_views(state)
    return state


def _find_plain(holders: Sequence[Holder], record: StateRecord) -> dict[str, Holder]:
    """Return the paths whose tensor one weight has as it is, with that weight."""
    by_path: dict[str, list[Holder]] = {}
    for holder in holders:
        for path in holder.paths:
            by_path.setdefault(path, []).append(holder)
    plain: dict[str, Holder] = {}
    for path, owners in by_path.items():
        (first, *others), known = owners, record.kept.get(path)
        if others or first.is_computed or path not in record.held or known is None:
            continue
        if keras_dtype(known.tensor.dtype) == first.dtype:
            plain[path] = first
    return {path: owner for path, owner in plain.items() if plain.keys() >= set(owner.paths)}


class Loaded(NamedTuple):
    """What came of a load."""

    record: StateRecord
    """That of the model with the new weights."""
    report: LoadReport


def load_state_dict(
    weight_map: WeightMap,
    layers: Layers,
    record: StateRecord,
    source: Any,
    *,
    strict: bool = True,
    entry: str = "",
    trust: bool = False,
) -> Loaded:
    """Copy a state_dict, or that of a file or folder, into the Keras layers.

    Without `strict` what fits is taken, and all else stays as it is. Raises InputError, before
    anything is written, where names or shapes are not the module's, where nothing fits, or where a
    value that is written into the graph as a constant is another one; and what reading a file does.
    """
    record.names.require_known()
    checkpoint = open_checkpoint(source, trust=trust)
    constants = [weight.constant for _, _, weight in weight_map.weights]
    wanted = record.list_wanted([*constants, *(constant for constant, _ in record.constants)])
    fitted = fit_names(checkpoint, wanted, entry)
    report = fitted.report
    if strict or (wanted.shapes and fitted.state.keys().isdisjoint(wanted.shapes)):
        report.require_complete(checkpoint.source)
    entries = dict(fitted.state)
    for names in wanted.ties:
        there = [name for name in names if name in entries]
        for name in names if there else ():
            entries.setdefault(name, entries[there[0]])
    given = record.round_floats(record.names.to_state(entries, record.shapes))
    if report.missing_keys or report.mismatched_keys:
        state = read_state(weight_map, layers, record) | given
    else:
        state = record.complete(given)
    given = {path: tensor for path, tensor in state.items() if path in record.paths}
    _require_equal_ties(weight_map, given)
    record.require_same_constants(state)
    record.require_same_views(state)
    _write_weights(weight_map, layers, Substitution(state))
    return Loaded(record.after_load(given), report)


def _write_weights(weight_map: WeightMap, layers: Layers, substitution: Substitution) -> None:
    """Write all weights of a state, or none of them where one cannot be written."""
    with ExitStack() as undo:
        for holder in find_holders(weight_map, layers):
            weight = substitution.weight(holder.weight)
            values = weight.array(holder.dtype)
            if not isinstance(holder.variable, keras.Variable):
                raise InputError(
                    f"{holder.name} is computed from several weights since enable_lora",
                    [("next", "load the state_dict first, and call enable_lora then")],
                )
            undo.callback(holder.variable.assign, np.array(to_numpy(holder.variable.value)))
            holder.variable.assign(values)
            if not holder.has(weight):
                raise InternalError(
                    f"{holder.name} does not hold what was just written into it",
                    [("next", "please report it with this message")],
                )
        undo.pop_all()


def find_holders(weight_map: WeightMap, layers: Layers) -> Iterator[Holder]:
    """Yield the variables of a model's layers, with the weights that they were made of.

    Raises InputError where one was quantised to integers since: a scale beside it tells its values.
    """
    for layer, attribute, weight in weight_map.weights:
        variable = find_variable(layers[layer], attribute)
        holder = Holder(f"{layer}.{attribute}", weight, variable)
        if "int" in holder.dtype and "float" in weight.dtype:
            raise InputError(
                f"{holder.name} was quantised to {holder.dtype}: it is no longer the module's",
                [("next", "call state_dict, load_state_dict and verify before model.quantize")],
            )
        yield holder


def _put_values(state: dict[str, torch.Tensor], holder: Holder, own: set[str]) -> None:
    """Write what a variable holds into the entries that it is made of."""
    paths = [path for path in holder.weight.constant.paths if path in own]
    if not paths:
        return
    values = holder.tensor()
    for path in paths:
        elements = view_elements(state[path]).view(holder.weight.constant.tensor.shape)
        place = move_elements(elements, holder.weight.all_moves)
        if place.untyped_storage().data_ptr() == elements.untyped_storage().data_ptr():
            place.copy_(values.reshape(place.shape))
        else:  # a move has made a copy: where each element stands must be told
            numbers = holder.weight.numbers().reshape(-1)
            elements.view(-1)[numbers] = values.reshape(-1).to(elements)


def _put_folded(
    state: dict[str, torch.Tensor], group: Sequence[Holder], others: Sequence[Holder], own: set[str]
) -> None:
    """Write the parameters that give a folded tensor; `group` holds parts of it.

    Raises InputError where they cannot be told.
    """
    substitution = Substitution(state)
    if all(holder.has(substitution.weight(holder.weight)) for holder in group):
        return
    constant = group[0].weight.constant
    values = [torch.from_numpy(np.array(holder.values())) for holder in group]
    target = substitution.source(constant).to(values[0].dtype, copy=True).contiguous()
    for holder, part in zip(group, values, strict=True):
        target.view(-1)[holder.weight.numbers().reshape(-1)] = part.reshape(-1).to(target)
    elsewhere = set[str]().union(*(holder.paths for holder in others))
    parts = split_folded(constant, target, state, own - elsewhere)
    if parts is None:
        raise InputError(
            f"{list_names([holder.name for holder in group])} was changed, "
            f"and is computed from {name_sources(constant)} in PyTorch",
            [
                ("why", "their values cannot be told from it"),
                ("next", advise_plain(find_paths(constant), own)),
            ],
        )
    state.update(parts)


def advise_plain(names: Sequence[str], own: set[str]) -> str:
    """Return how to convert a module so that a weight computed from `names` is a parameter."""
    for name in names:
        owner, is_parametrized, rest = f".{name}".partition(".parametrizations.")
        if is_parametrized:
            weight = rest.partition(".")[0]
            return _say_removal("parametrize.remove_parametrizations", owner[1:], weight)
        for ending, sibling, removal in _OLD_FORMS:
            base = name.removesuffix(ending)
            if base != name and base + sibling in own:
                head, _, weight = base.rpartition(".")
                return _say_removal(removal, head, weight)
    return "convert a module whose parameter is the computed weight itself, and train that"


def _say_removal(removal: str, path: str, weight: str) -> str:
    """Return the call that makes one parameter of a computed weight."""
    module = f'module.get_submodule("{path}")' if path else "module"
    return f'before converting, call torch.nn.utils.{removal}({module}, "{weight}")'


_OLD_FORMS = (
    ("_v", "_g", "remove_weight_norm"),
    ("_g", "_v", "remove_weight_norm"),
    ("_orig", "_mask", "prune.remove"),
)
"""The endings of two names, and what makes them one parameter again."""


def _require_reproduced(holders: Iterable[Holder], state: State) -> None:
    """Raise InputError where a state does not give the weights that the Keras model holds."""
    substitution = Substitution(state)
    everyone = list(holders)
    for holder in everyone:
        weight = substitution.weight(holder.weight)
        if holder.has(weight) or (holder.is_computed and holder.has_nearly(weight)):
            continue
        paths = set(holder.paths)
        sharing = [other.name for other in everyone if not paths.isdisjoint(other.paths)]
        source = name_sources(holder.weight.constant)
        if len(sharing) == 1:
            raise InputError(
                f"{holder.name} was changed, here or in the module, "
                f"and {source} is no entry of the state_dict",
                [("next", "register it as a parameter or buffer before converting")],
            )
        advice = (
            "give each use in forward a parameter of its own before converting, or write the "
            "values of one into the others"
        )
        raise InputError(
            f"{source} is one parameter in PyTorch, and in Keras "
            f"{list_names(sharing)} hold it and differ",
            [("why", "training moves each of them by its own gradient"), ("next", advice)],
        )


def _require_equal_ties(weight_map: WeightMap, state: State) -> None:
    """Raise InputError where a state has several values for what is one parameter."""
    for _, _, weight in weight_map.weights:
        for source in find_sources(weight.constant):
            first, *others = [path for path in source.paths if path in state] or [""]
            for path in others:
                if not torch.equal(state[path], state[first]):
                    raise InputError(
                        f"{first} and {path} have different values in this state_dict, "
                        "and are one parameter of the module that was converted",
                        [
                            (
                                "next",
                                "load the state_dict into a module that has two, and convert that",
                            )
                        ],
                    )
