"""Weights, both ways: a state_dict into the Keras model, the Keras model as a state_dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import torch

from torch2keras.conversion.folded_weights import unfolded
from torch2keras.conversion.record import Conversion
from torch2keras.errors import InputError
from torch2keras.graph.element_moves import element_numbers, rearranged
from torch2keras.graph.interpreter import recompute
from torch2keras.graph.ir import Constant
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.layers import variable
from torch2keras.runtime.arrays import to_numpy

Layers = Mapping[str, keras.Layer]
State = Mapping[str, torch.Tensor]

REMOVE = "torch.nn.utils.parametrize.remove_parametrizations"


def state_dict(conversion: Conversion, layers: Layers, unheld: State) -> dict[str, torch.Tensor]:
    """The module's state_dict with the values of the Keras weights.

    `layers` are the model's by name; `unheld` is what `load_state_dict` gave.

    The sum of two biases of a recurrent layer comes back as the first of them, if it was trained. Raises InputError
    where another folded weight (weight_norm) was: its parameters cannot be told from their product.
    """
    known = {**conversion.module.state_dict(), **unheld}
    result = {name: tensor.detach().clone() for name, tensor in known.items()}
    for call, attribute, weight in conversion.lowered.graph.weights():
        held = variable(layers[call.name], attribute)
        values = torch.from_numpy(to_numpy(held.value).copy())
        if weight.constant.recipe is None:
            for path in weight.constant.paths:
                _put(result, path, weight.numbers(), values)
        elif not torch.equal(values, _values(weight, known).to(values.dtype)):
            _put_parts(result, f"{call.name}.{attribute}", weight, values, conversion)
    return result


def _put(
    state: dict[str, torch.Tensor], path: str, numbers: torch.Tensor, values: torch.Tensor
) -> None:
    """Write values at these places of a flat tensor."""
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
    """Write what a trained weight was computed from."""
    parts = unfolded(weight, values, conversion.lowered.graph)
    if parts is None:
        raise InputError(
            f"{name} was changed, and is computed from {', '.join(weight.constant.folded_from)} in PyTorch",
            [("next", f"remove the parametrization before converting ({REMOVE})")],
        )
    for source, part in parts:
        for path in source.paths:
            _put(state, path, element_numbers(tuple(source.tensor.shape), source.moves), part)


def load_state_dict(conversion: Conversion, layers: Layers, state: Mapping[str, Any]) -> State:
    """Copy a state_dict into the Keras layers; all names and shapes are checked before anything is written.

    What no Keras weight holds is returned.
    """
    tensors = {name: torch.as_tensor(value) for name, value in state.items()}
    own = conversion.module.state_dict()
    problems = [f"{n}: missing" for n in own if n not in tensors] + [
        f"{n}: unknown" for n in tensors if n not in own
    ]
    problems += [
        f"{n}: shape {list(t.shape)}, the module has {list(own[n].shape)}"
        for n, t in tensors.items()
        if n in own and t.shape != own[n].shape
    ]
    if problems:
        raise InputError(
            "the state_dict does not fit the module", [("problems", "\n".join(problems))]
        )
    _require_same_constants(conversion, tensors)
    held = set()
    for call, attribute, weight in conversion.lowered.graph.weights():
        values = _values(weight, tensors)
        held_in = variable(layers[call.name], attribute)
        held_in.assign(values.float().numpy() if values.dtype is torch.bfloat16 else values.numpy())
        held |= set(weight.constant.paths)
    return {name: tensor.detach().clone() for name, tensor in tensors.items() if name not in held}


def _values(weight: Weight, state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return rearranged(recompute(weight.constant, state), weight.moves).detach().cpu()


def _require_same_constants(conversion: Conversion, state: Mapping[str, torch.Tensor]) -> None:
    """Raise InputError where the state has other values for what is written into the model's graph."""
    weights = {id(weight.constant.tensor) for _, _, weight in conversion.lowered.graph.weights()}
    literals = {id(weight.constant.tensor) for weight in conversion.lowered.graph.literals()}
    own = conversion.module.state_dict()
    operands = (value for node in conversion.graph.nodes for value in node.operands)
    for value in (*operands, *conversion.graph.output_values()):
        if not isinstance(value, Constant) or (
            id(value.tensor) in weights and id(value.tensor) not in literals
        ):
            continue
        if not torch.allclose(
            recompute(value, state), recompute(value, own), rtol=0, atol=0, equal_nan=True
        ):
            raise InputError(
                f"{', '.join(value.paths) or value.name} has other values in this state_dict, "
                "and is a constant in the Keras graph",
                [("next", "load the state_dict into the module, and convert that")],
            )
