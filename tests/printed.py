"""Runs what explain prints, and holds the numbers to PyTorch's by the project's own metric."""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from torch2keras.explanation.result import Explanation
from torch2keras.verification.metric import numerics


def draw_state(layer: nn.Module) -> nn.Module:
    """Give a layer weights as after some training; variances stay positive."""
    for name, tensor in layer.state_dict().items():
        if "var" in name:
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point():
            tensor.add_(torch.randn_like(tensor), alpha=0.3)
    return layer.eval()


def run_as_printed(explanation: Explanation) -> dict[str, Any]:
    """Run the text, and return the names that it makes."""
    names: dict[str, Any] = {}
    exec(compile(str(explanation), "<printed>", "exec"), names)  # noqa: S102 - what is tested
    return names


def run_with(explanation: Explanation, layer: nn.Module) -> dict[str, Any]:
    """Run the text with a layer of one's own, in place of the line that constructs one."""
    tree = ast.parse(str(explanation))
    kept = []
    for node in tree.body:
        is_construction = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "layer"
        if not is_construction:
            kept.append(node)
    names: dict[str, Any] = {"layer": layer}
    exec(compile(ast.Module(kept, []), "<printed>", "exec"), names)  # noqa: S102 - what is tested
    return names


def assert_same_numbers(
    explanation: Explanation, model: Any, layer: nn.Module, inputs: Sequence[torch.Tensor]
) -> None:
    """Hold the outputs of a Keras model to those of the PyTorch layer."""
    with torch.no_grad():
        in_float32 = tensors(layer.eval()(*inputs))
        wide = [x.double() if x.is_floating_point() else x for x in inputs]
        in_float64 = tensors(copy.deepcopy(layer).double()(*wide))
    given = []
    for side, x in zip(explanation.inputs, inputs, strict=True):
        given.append(x.numpy().transpose(side.permutation))
    results = pytree.tree_leaves(model(given if len(given) > 1 else given[0]))
    for side, ours, theirs, exact in zip(
        explanation.outputs, results, in_float32, in_float64, strict=True
    ):
        stored = [array.numpy().transpose(side.permutation) for array in (theirs, exact)]
        difference = numerics(np.array(ours), *stored)
        assert not difference.reason, f"{side.name}: {difference.reason}"


def tensors(values: Any) -> list[torch.Tensor]:
    """The tensors among what a module gives."""
    return [leaf for leaf in pytree.tree_leaves(values) if isinstance(leaf, torch.Tensor)]
