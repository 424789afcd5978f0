"""From the gradient of a Keras weight to those of the parameters that it is made of, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch

from torch2keras.conversion.record import Conversion
from torch2keras.graph.element_moves import move_elements, view_elements
from torch2keras.graph.interpreter import evaluate_node
from torch2keras.graph.ir import Constant, Node, Value
from torch2keras.keras_graph.weight import Weight

Leaves = Mapping[str, torch.Tensor]
"""Parameters in float64 that require gradients, by path; complex ones as pairs of numbers."""


def find_leaves(conversion: Conversion, weight: Weight) -> dict[str, torch.Tensor]:
    """Return copies of the trainable parameters that a Keras weight holds, or is computed from."""
    parameters = dict(conversion.module.named_parameters(remove_duplicate=False))
    leaves = {}
    for path in (*weight.constant.paths, *weight.constant.folded_from):
        parameter = parameters.get(path)
        if parameter is not None and parameter.requires_grad:
            leaves[path] = view_elements(parameter.detach()).double().requires_grad_()
    return leaves


def pull_back(
    conversion: Conversion, weight: Weight, gradient: np.ndarray | None
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the gradients of the parameters that a Keras weight holds, or is computed from.

    A parameter of several names goes by the first of them.
    """
    if gradient is None:
        return
    parameters = dict(conversion.module.named_parameters(remove_duplicate=False))
    first_names = {id(parameter): name for name, parameter in conversion.module.named_parameters()}
    leaves = find_leaves(conversion, weight)
    for path, part in pull_back_to(weight, leaves, gradient).items():
        is_pair = parameters[path].is_complex()
        whole = torch.view_as_complex(part) if is_pair else part
        yield first_names[id(parameters[path])], whole.numpy()


def pull_back_to(weight: Weight, leaves: Leaves, gradient: np.ndarray) -> dict[str, torch.Tensor]:
    """Return the gradients of those leaves that have one; `gradient` is in the weight's shape."""
    value = recompute_weight(replace(weight.constant, moves=()), leaves, {})
    if not value.requires_grad:
        return {}
    flat = torch.zeros(value.numel(), dtype=torch.float64)
    flat.index_add_(0, weight.numbers().reshape(-1), torch.from_numpy(gradient).reshape(-1))
    parts = torch.autograd.grad(
        value, list(leaves.values()), flat.reshape(value.shape), allow_unused=True
    )
    reached = zip(leaves, parts, strict=True)
    return {path: part for path, part in reached if part is not None}


def recompute_weight(
    constant: Constant, leaves: Leaves, results: dict[Node, list[torch.Tensor]]
) -> torch.Tensor:
    """Return the value of a constant that is computed from parameters, for autograd to go through.

    `results` are those of the nodes that were computed before.
    """

    def recompute_operand(value: Value) -> torch.Tensor | None:
        return recompute_weight(value, leaves, results) if isinstance(value, Constant) else None

    if constant.recipe is None:
        result = next((leaves[p] for p in constant.paths if p in leaves), constant.tensor)
    else:
        node, number = constant.recipe
        if node not in results:
            results[node] = evaluate_node(node, recompute_operand, with_gradients=True)
        result = results[node][number]
    for move in constant.moves:
        result = move(result)
    return result


def count_copies(weight: Weight, leaves: Leaves) -> int | None:
    """Return of how many parameters each element of a Keras weight is the sum.

    It is 1 for a parameter that is only rearranged or put beside others. The answer is None where
    the parameters do not all get the weight's own gradient, each element that of one place: what
    moves the weight as an optimizer moves the parameters cannot be told from its gradient then.
    """
    if weight.constant.recipe is None:
        return 1
    generator = np.random.default_rng(0)
    gradient = generator.standard_normal(weight.shape)
    parts = pull_back_to(weight, leaves, gradient)
    if set(parts) != set(leaves):
        return None
    values = np.sort(gradient.reshape(-1))
    moved = torch.cat(list(map(torch.flatten, parts.values()))).numpy()
    copies, rest = divmod(moved.size, values.size)
    if rest or not np.array_equal(np.sort(moved), np.repeat(values, copies)):
        return None
    nudged = {path: (leaf.detach() + 1).requires_grad_() for path, leaf in leaves.items()}
    again = pull_back_to(weight, nudged, gradient)
    for path, part in parts.items():
        if not torch.equal(again[path], part):  # the weight is no sum
            return None
    return copies


def map_state(weight: Weight, tensors: Leaves, copies: int) -> np.ndarray:
    """Return what a weight would be if its parameters were these tensors, for each of its copies.

    So an optimizer's state goes to Keras. The tensors are given by path.
    """
    wide = {path: view_elements(tensor.detach()).double() for path, tensor in tensors.items()}
    value = move_elements(recompute_weight(weight.constant, wide, {}), weight.moves)
    return (value / copies).numpy()
