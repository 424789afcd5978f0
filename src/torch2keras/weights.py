"""Weights, both ways: a state_dict into the Keras model, the Keras model as a state_dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from torch2keras.build import to_numpy
from torch2keras.errors import InputError
from torch2keras.interpret import recompute
from torch2keras.keras_graph import Weight
from torch2keras.moves import element_numbers, rearranged

if TYPE_CHECKING:
    from torch2keras.converted import Converted


def weight_numbers(weight: Weight) -> torch.Tensor:
    """For each element of a Keras weight its place in the flat PyTorch tensor."""
    return element_numbers(tuple(weight.constant.tensor.shape), (*weight.constant.moves, *weight.moves))


def state_dict(converted: Converted) -> dict[str, torch.Tensor]:
    """The module's state_dict with the values of the Keras weights.

    Raises InputError where a folded weight (weight_norm) was trained: its parameters cannot be told from their product.
    """
    result = {k: v.detach().clone() for k, v in converted.conversion.module.state_dict().items()}
    for call, attribute, weight in converted.conversion.lowered.graph.weights():
        variable = getattr(converted.layers[call.name], attribute)
        values = torch.from_numpy(to_numpy(variable.value).copy())
        if weight.constant.recipe is not None:
            _require_unchanged(converted, call.name, attribute, weight, values)
        numbers = weight_numbers(weight)
        for path in weight.constant.paths:
            flat = result[path].reshape(-1)
            flat[numbers.reshape(-1)] = values.reshape(-1).to(flat.dtype)
            result[path] = flat.reshape(result[path].shape)
    return result


def _require_unchanged(converted: Converted, layer: str, attribute: str, weight: Weight, values: torch.Tensor) -> None:
    if torch.equal(values, torch.from_numpy(weight.array(str(values.dtype).removeprefix("torch.")))):
        return
    raise InputError(
        f"{layer}.{attribute} was changed, and is computed from {', '.join(weight.constant.folded_from)} in PyTorch",
        [("next", "remove the parametrization before converting (torch.nn.utils.parametrize.remove_parametrizations)")],
    )


def load_state_dict(converted: Converted, state: Mapping[str, Any]) -> None:
    """Copy a state_dict into the Keras model; all names and shapes are checked before anything is written."""
    tensors = {name: torch.as_tensor(value) for name, value in state.items()}
    own = converted.conversion.module.state_dict()
    problems = [f"{n}: missing" for n in own if n not in tensors] + [f"{n}: unknown" for n in tensors if n not in own]
    problems += [
        f"{n}: shape {list(t.shape)}, the module has {list(own[n].shape)}" for n, t in tensors.items() if n in own and t.shape != own[n].shape
    ]
    if problems:
        raise InputError("the state_dict does not fit the module", [("problems", "\n".join(problems))])
    for call, attribute, weight in converted.conversion.lowered.graph.weights():
        variable = getattr(converted.layers[call.name], attribute)
        values = rearranged(recompute(weight.constant, tensors), weight.moves)
        variable.assign(values.detach().cpu().float().numpy() if values.dtype is torch.bfloat16 else values.detach().cpu().numpy())
