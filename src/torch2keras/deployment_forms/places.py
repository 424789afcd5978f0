"""The place of an extreme: ARG_MAX and ARG_MIN alone.

Keras tells negative zero from zero first, by the bits of each number, for which LiteRT has no
builtin operators; PyTorch holds them for equal, as these operators do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from torch2keras.deployment_forms.rank4 import lower_rank
from torch2keras.deployment_forms.rules import rule
from torch2keras.keras_graph.graph import Call

FINDERS: Mapping[str, Callable[..., Any]] = {"ops.argmax": tf.argmax, "ops.argmin": tf.argmin}
"""By the target of a call."""


@rule(*FINDERS)
def find_first(call: Call, x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The first place of the largest or the smallest entry, an int32, along an axis or of all."""
    x = lower_rank(x)
    if axis is None:
        axis = 0
        kept = [1] * x.shape.rank
        x = tf.reshape(x, [-1])
    else:
        axis %= x.shape.rank
        kept = [*x.shape[:axis], 1, *x.shape[axis + 1 :]]
    if x.dtype in (tf.float16, tf.bfloat16):
        x = tf.cast(x, tf.float32)
    place = FINDERS[call.target](x, axis, output_type=tf.int32)
    return tf.reshape(place, kept) if keepdims else place
