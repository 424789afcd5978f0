"""A model with a fixed first dimension takes any: Keras checks all sizes of an input but that one.

(Keras 3.15.1.)
"""

from __future__ import annotations

from collections.abc import Mapping

import keras


def check_fixed_batch(model: keras.Model, shapes: Mapping[str, tuple[int | None, ...]]) -> None:
    """Let the model refuse inputs of another first size, where one is fixed.

    `shapes` are those of its inputs, by name and in their order, with the batch; a size is None
    where it is dynamic.
    """
    if any(shape and shape[0] is not None for shape in shapes.values()):
        model.input_spec = [
            keras.InputSpec(shape=shape, name=name, allow_last_axis_squeeze=len(shape) > 1)
            for name, shape in shapes.items()
        ]
