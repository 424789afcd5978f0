"""What the tests of ops share: cases of modules and inputs, and a check that converts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import torch
from torch import nn

import torch2keras as t2k
from laws import broken_laws
from torch2keras.verification.input_sets import example_tensors


class Function(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


@dataclass(frozen=True)
class Case:
    """A module and its inputs, both made afresh.

    `transposes` is how many the converted model may have.
    """

    make: Callable[[], nn.Module]
    inputs: Callable[[], tuple[torch.Tensor, ...]]
    options: dict[str, Any] = field(default_factory=dict)
    transposes: int = 0


def module(
    make: Callable[[], nn.Module], *shapes: tuple[int, ...], transposes: int = 0, **options: Any
) -> Case:
    """A case of a module on float inputs of these shapes."""
    return Case(make, lambda: tuple(torch.randn(s) for s in shapes), options, transposes)


def function(call: Callable[..., Any], *inputs: Any, transposes: int = 0, **options: Any) -> Case:
    """A case of a function.

    An input is a shape (drawn from N(0,1)) or a function that makes a tensor.
    """
    return Case(
        lambda: Function(call),
        lambda: tuple(i() if callable(i) else torch.randn(i) for i in inputs),
        options,
        transposes,
    )


def check(case: Case, **options: Any) -> t2k.Converted:
    """Convert with verification, and compare transposes and layers."""
    torch.manual_seed(0)
    made = case.make()
    converted = t2k.convert(made, case.inputs(), **{**case.options, **options})
    assert converted.verification is not None
    assert converted.verification.ok
    assert (
        list(broken_laws(converted.conversion.graph, example_tensors(converted.conversion))) == []
    )
    assert transposes(converted) <= case.transposes
    for layer in converted.model.layers:
        assert type(layer).__module__.startswith("keras.src."), layer
        assert not isinstance(layer, keras.layers.Lambda)
    return converted


def transposes(converted: t2k.Converted) -> int:
    """How many transposes stand in the Keras graph."""
    return sum(
        c.target in ("ops.transpose", "layers.Permute")
        for c in converted.conversion.lowered.graph.calls
    )
