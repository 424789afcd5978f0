"""Products with matrices: of dense layers by constants, and those that are written as sums."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from torch2keras.deployment_forms.rank4 import lower_rank, reduce_image
from torch2keras.deployment_forms.rules import rule, weight_reader, weight_tensor
from torch2keras.keras_graph.graph import Call


@weight_reader("layers.Dense")
def read_dense(call: Call) -> dict[str, np.ndarray]:
    """Return the kernel and the bias of a layer, with a normalization's in front of it."""
    found = {}
    for name in ("kernel", "bias"):
        if name in call.weights:
            found[name] = call.weights[name].array(call.dtype)
    return fold_normalization(call, found)


def fold_normalization(call: Call, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a kernel and a bias that do what a normalization's factor and summand did before them.

    These are the weights "normalization.gamma" and "normalization.beta" of the call, if it has
    them: (x gamma + beta) K + b = x (gamma K) + (beta K + b). They are multiplied in float64.
    """
    folded = {name: array.astype("float64") for name, array in weights.items()}
    gamma = call.weights.get("normalization.gamma")
    beta = call.weights.get("normalization.beta")
    if gamma is None and beta is None:
        return weights
    if beta is not None:
        folded["bias"] = folded.get("bias", 0.0) + beta.array("float64") @ folded["kernel"]
    if gamma is not None:
        folded["kernel"] = gamma.array("float64")[:, None] * folded["kernel"]
    return folded


@rule("layers.Dense")
def multiply_channels(call: Call, x: Any, weights: Mapping[str, Any], **kwargs: Any) -> Any:
    """A product along the last axis, its bias and its activation, as Keras has them."""
    if kwargs:
        return NotImplemented
    y = keras.ops.matmul(lower_rank(x), weights["kernel"])
    if "bias" in weights:
        y = tf.add(y, weights["bias"])
    return keras.activations.get(call.config.get("activation"))(y)


@rule("layers.EinsumDense")
def multiply_and_add(call: Call, x: Any) -> Any:
    """A product along another axis than the last, and its bias as ADD (see `add_plainly`)."""
    bias = weight_tensor(call, "bias")
    if bias is None or len(bias.shape) < 2:
        return NotImplemented
    y = keras.ops.einsum(call.config["equation"], lower_rank(x), weight_tensor(call, "kernel"))
    return keras.activations.get(call.config.get("activation"))(tf.add(y, bias))


@rule("ops.sum")
def add_up(call: Call, x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """A product of matrices, or the sum of an image of one row."""
    axes = axis if isinstance(axis, list | tuple) else [axis]
    if len(axes) == 1 and axes[0] is not None:
        found = sum_product(x, axes[0], keepdims=keepdims)
        if found is not NotImplemented:
            return found
    return reduce_image(call, x, axis, keepdims=keepdims)


class Factor(NamedTuple):
    """A factor of a product that is summed along an axis."""

    tensor: tf.Tensor
    own: tuple[int, ...]
    """The axes along which it alone has more than one element."""

    def matrix(self, axis: int, size: int, *, is_left: bool) -> tuple[tf.Tensor, bool]:
        """Return it as a matrix, and whether that is to be transposed.

        A left factor has the axis of the sum behind its own, a right one in front of them.
        """
        before = bool(self.own) and self.own[0] < axis
        shape = [-1, size] if before else [size, -1]
        return tf.reshape(self.tensor, shape), before != is_left


def sum_product(x: Any, axis: int, *, keepdims: bool) -> Any:
    """Return the sum of a product along an axis as a product of matrices, if it is one.

    Each factor is repeated along axes of the other, and those of one lie before those of the other.
    NotImplemented for other sums: MUL and SUM of what a product has been repeated to take long.
    """
    if not isinstance(x, tf.Tensor) or x.dtype != tf.float32 or x.op.type != "Mul":
        return NotImplemented
    rank = x.shape.rank
    axis %= rank
    shapes = [(1,) * (rank - y.shape.rank) + tuple(y.shape) for y in x.op.inputs]
    found = []
    for tensor, shape, other in zip(x.op.inputs, shapes, reversed(shapes), strict=True):
        own = [n for n in range(rank) if n != axis and shape[n] > 1 and other[n] == 1]
        found.append(Factor(tensor, tuple(own)))
    if not splits_axes(shapes, axis, found):
        return NotImplemented
    left, right = sorted(found, key=lambda factor: factor.own)
    size = x.shape[axis]
    one, turn_one = left.matrix(axis, size, is_left=True)
    two, turn_two = right.matrix(axis, size, is_left=False)
    # Of matrices alone the converter makes FULLY_CONNECTED between two TRANSPOSE.
    y = tf.matmul(one[None], two[None], transpose_a=turn_one, transpose_b=turn_two)
    after = [length for n, length in enumerate(x.shape) if n != axis]
    if keepdims:
        after.insert(axis, 1)
    return tf.reshape(y, after)


def splits_axes(shapes: Sequence[tuple[int, ...]], axis: int, factors: Sequence[Factor]) -> bool:
    """Whether two factors share the axis of the sum alone, and have their own in one piece each."""
    if any(shape[axis] == 1 for shape in shapes):
        return False
    left, right = sorted(factors, key=lambda factor: factor.own)
    if not left.own or not right.own or left.own[-1] > right.own[0]:
        return False
    for factor, shape in zip(factors, shapes, strict=True):
        mine = math.prod(shape[n] for n in factor.own) * shape[axis]
        is_torn = factor.own[0] < axis < factor.own[-1]
        if mine != math.prod(shape) or is_torn:
            return False
    return True
