"""The table of rules: other ways to run a call of the Keras graph on TensorFlow's tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from torch2keras.keras_graph.graph import Call

Rule = Callable[..., Any]
"""(call, *args, **kwargs) -> the call's results, or NotImplemented where it is not of its kind.

Tensors have known shapes. Those that depend on no input are NumPy arrays, and a sequence may be
`Rank4`.
"""

RULES: dict[str, Rule] = {}
"""By the target of a call."""


WeightReader = Callable[[Call], Mapping[str, np.ndarray]]
"""From a call to the weights that its rule takes, by name."""

WEIGHTS: dict[str, WeightReader] = {}
"""By the target of a call.

Its rule takes what `weights` have become as a mapping: variables, which are made before anything is
traced. A large constant would be copied each time that a graph is written, read or inlined.
"""


def rule(*targets: str) -> Callable[[Rule], Rule]:
    """Return a decorator that registers a rule for calls of these targets.

    Raises ValueError for a target that has a rule already.
    """

    def register(function: Rule) -> Rule:
        for target in targets:
            if target in RULES:
                message = f"{target} has a rule already: {RULES[target].__name__}"
                raise ValueError(message)
            RULES[target] = function
        return function

    return register


def weight_tensor(call: Call, attribute: str) -> tf.Tensor | None:
    """Return a weight of a layer in the dtype that it computes in; None where it has none."""
    if attribute not in call.weights:
        return None
    return tf.constant(call.weights[attribute].array(call.dtype), call.dtype)


def weight_reader(*targets: str) -> Callable[[WeightReader], WeightReader]:
    """Return a decorator that registers what reads the weights of calls of these targets."""

    def register(function: WeightReader) -> WeightReader:
        WEIGHTS.update(dict.fromkeys(targets, function))
        return function

    return register


def one_size(size: Any) -> int:
    """Return the size along a sequence that a layer of one dimension is configured with."""
    if isinstance(size, list | tuple):
        return int(size[0])
    return int(size)
