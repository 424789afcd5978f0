"""Parameters that forward writes to, and that are the same after each call.

Nets for EEG limit the norm of their weights so: `self.weight.data = torch.renorm(...)`. What is
written the first time is written every time, whatever the inputs are: so each call computes with
the same weights, and a model that computes them anew from what they were gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch.utils import _pytree as pytree

from torch2keras.capture.example_inputs import Example, ExampleCall
from torch2keras.runtime.isolation import isolate_module
from torch2keras.runtime.native_attributes import state_tensors, submodules

Values = Mapping[str, torch.Tensor]


def find_settled_parameters(call: ExampleCall) -> frozenset[str]:
    """Return the names of the parameters that are the same after any call of a module.

    It is called on the example, on other numbers, and on the two in a row. There are none where the
    outputs change from call to call: what is written is used before it is. Raises nothing: a module
    that does not run so has no such parameters.
    """
    other = replace(call, example=_change_numbers(call.example))
    try:
        outputs, first = _run_in_row(call)
        _, second = _run_in_row(other)
        again, twice = _run_in_row(other, call)
    except Exception:  # noqa: BLE001 - a stranger's module may refuse other numbers
        return frozenset()
    if not all(map(torch.equal, outputs, again)):
        return frozenset()
    settled = []
    for name, value in first.items():
        if torch.equal(value, second[name]) and torch.equal(value, twice[name]):
            settled.append(name)
    return frozenset(settled)


def _read(call: ExampleCall) -> Values:
    """Return copies of the parameters as they are."""
    found = state_tensors(submodules(call.module))
    parameters = {
        name: value for name, value in found.items() if isinstance(value, torch.nn.Parameter)
    }
    return {name: value.detach().clone() for name, value in parameters.items()}


def _run_in_row(*calls: ExampleCall) -> tuple[list[torch.Tensor], Values]:
    """Return the outputs of the last of several calls in a row, and the parameters after it.

    These come back as they were.
    """
    outputs: Any = None
    with isolate_module(calls[0].module, seed=0, copy_state=True), torch.no_grad():
        for call in calls:
            args, kwargs = call.example.copy_arguments()
            outputs = call.module(*args, **kwargs)
        leaves = pytree.tree_leaves(outputs)
        tensors = [leaf.clone() for leaf in leaves if isinstance(leaf, torch.Tensor)]
        return tensors, _read(calls[0])


def _change_numbers(example: Example) -> Example:
    """Return an example of the same shapes with other floats."""

    def change(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
            return leaf * -1.75 + 0.375
        return leaf

    args, kwargs = pytree.tree_map(change, (example.args, example.kwargs))
    return replace(example, args=args, kwargs=kwargs)
