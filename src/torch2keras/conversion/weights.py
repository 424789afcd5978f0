"""Weights, both ways: a state_dict into the Keras model, and the Keras model as a state_dict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import torch

from torch2keras.conversion.folded_weights import split_weight
from torch2keras.conversion.record import Conversion
from torch2keras.errors import InputError
from torch2keras.graph.element_moves import element_numbers, move_elements
from torch2keras.graph.interpreter import recompute_constant
from torch2keras.graph.ir import Constant
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.layers import find_variable
from torch2keras.runtime.arrays import to_numpy

Layers = Mapping[str, keras.Layer]
"""The model's layers by name."""
State = Mapping[str, torch.Tensor]

REMOVE = "torch.nn.utils.parametrize.remove_parametrizations"


def state_dict(conversion: Conversion, layers: Layers, unheld: State) -> dict[str, torch.Tensor]:
    """Return the module's state_dict with the values of the Keras weights.

    `unheld` is what `load_state_dict` gave: entries that no Keras weight holds.

    The sum of two biases of a recurrent layer comes back as the first of them, if it was trained.
    Raises InputError where another folded weight (weight_norm) was: its parameters cannot be told
    from their product.
    """
    known = {**conversion.module.state_dict(), **unheld}
    result = {name: tensor.detach().clone() for name, tensor in known.items()}
    for call, attribute, weight in conversion.lowered.graph.weights():
        held = find_variable(layers[call.name], attribute)
        values = torch.from_numpy(to_numpy(held.value).copy())
        if weight.constant.recipe is None:
            for path in weight.constant.paths:
                _put(result, path, weight.numbers(), values)
        elif not torch.equal(values, _compute_values(weight, known).to(values.dtype)):
            _put_parts(result, f"{call.name}.{attribute}", weight, values, conversion)
    return result


def _put(
    state: dict[str, torch.Tensor], path: str, numbers: torch.Tensor, values: torch.Tensor
) -> None:
    """Write `values` over the elements `numbers`, counted flat, of the tensor at `path`."""
    flat = state[path].reshape(-1)
    flat[numbers.reshape(-1)] = values.reshape(-1).to(flat.dtype)
    state[path] = flat.reshape(state[path].shape)


def _put_parts(
    state: dict[str, torch.Tensor],
    name: str,
    weight: Weight,
    values: torch.Tensor,
    conversion: Conversion,
) -> None:
    """Write the parameters that a trained folded weight stands for.

    Raises InputError where they cannot be told.
    """
    parts = split_weight(weight, values, conversion.lowered.graph)
    if parts is None:
        raise InputError(
            f"{name} was changed, and is computed from "
            f"{', '.join(weight.constant.folded_from)} in PyTorch",
            [("next", f"remove the parametrization before converting ({REMOVE})")],
        )
    for source, part in parts:
        for path in source.paths:
            _put(state, path, element_numbers(tuple(source.tensor.shape), source.moves), part)


def load_state_dict(conversion: Conversion, layers: Layers, state: Mapping[str, Any]) -> State:
    """Copy a state_dict into the Keras layers, and return the entries that no Keras weight holds.

    Raises InputError, before anything is written, where names or shapes are not the module's, or
    where a value that is written into the graph as a constant is another one.
    """
    tensors = {name: torch.as_tensor(value) for name, value in state.items()}
    problems = list(_find_misfits(tensors, conversion.module.state_dict()))
    if problems:
        raise InputError(
            "the state_dict does not fit the module", [("problems", "\n".join(problems))]
        )
    _require_same_constants(conversion, tensors)
    held = set[str]()
    for call, attribute, weight in conversion.lowered.graph.weights():
        values = to_numpy(_compute_values(weight, tensors))
        find_variable(layers[call.name], attribute).assign(values)
        held.update(weight.constant.paths)
    return {name: tensor.detach().clone() for name, tensor in tensors.items() if name not in held}


def _find_misfits(state: State, own: State) -> Iterator[str]:
    """Yield a line for each entry that is missing, unknown or of another shape."""
    for name in own:
        if name not in state:
            yield f"{name}: missing"
    for name in state:
        if name not in own:
            yield f"{name}: unknown"
    for name, tensor in state.items():
        if name in own and tensor.shape != own[name].shape:
            shapes = f"shape {list(tensor.shape)}, the module has {list(own[name].shape)}"
            yield f"{name}: {shapes}"


def _compute_values(weight: Weight, state: State) -> torch.Tensor:
    """Return the values that a Keras weight has for this state, in its own order and shape."""
    return move_elements(recompute_constant(weight.constant, state), weight.moves).detach().cpu()


def _require_same_constants(conversion: Conversion, state: State) -> None:
    """Raise InputError where the state has other values for constants in the model's graph."""
    own = conversion.module.state_dict()
    for constant in _constants_in_graph(conversion):
        theirs, ours = recompute_constant(constant, state), recompute_constant(constant, own)
        if not torch.allclose(theirs, ours, rtol=0, atol=0, equal_nan=True):
            name = ", ".join(constant.paths) or constant.name
            raise InputError(
                f"{name} has other values in this state_dict, and is a constant in the Keras graph",
                [("next", "load the state_dict into the module, and convert that")],
            )


def _constants_in_graph(conversion: Conversion) -> Iterator[Constant]:
    """Yield the constants of the module's graph that no weight holds, or a literal too."""
    graph = conversion.lowered.graph
    in_weights = {id(weight.constant.tensor) for _, _, weight in graph.weights()}
    in_literals = {id(weight.constant.tensor) for weight in graph.literals()}
    values = list(conversion.graph.output_values())
    for node in conversion.graph.nodes:
        values.extend(node.operands)
    for value in values:
        if not isinstance(value, Constant):
            continue
        if id(value.tensor) not in in_weights or id(value.tensor) in in_literals:
            yield value
