"""Sequences (n, l, c) as images (n, 1, l, c), along whole chains of one-dimensional layers.

LiteRT convolves images alone: TensorFlow's `conv1d` expands its input and squeezes its result each
time, which takes two operators, and keeps a bias, an activation or a normalization behind it from
being part of the convolution. Here a value stays an image as long as what reads it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from torch2keras.deployment_forms.rules import one_size, rule
from torch2keras.keras_graph.graph import Call

POINTWISE_LAYERS = ("Activation", "ELU", "LeakyReLU", "ReLU", "Rescaling", "Softplus")

POINTWISE_OPS = (
    "abs", "add", "cast", "celu", "clip", "cos", "divide", "elu", "equal", "erf", "exp", "expm1",
    "floor", "gelu", "greater", "greater_equal", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "leaky_relu", "less", "less_equal", "log", "log1p", "log_sigmoid", "logical_and",
    "logical_not", "logical_or", "maximum", "minimum", "multiply", "negative", "not_equal",
    "power", "relu", "relu6", "round", "rsqrt", "selu", "sigmoid", "sign", "silu", "sin",
    "softplus", "softsign", "sqrt", "square", "subtract", "tanh", "tanh_shrink", "threshold",
    "true_divide", "where",
)  # fmt: skip
"""Functions of keras.ops that act on each element, and broadcast."""

DROPOUTS = ("AlphaDropout", "Dropout", "GaussianDropout", "SpatialDropout1D", "SpatialDropout2D")

POOLS = {
    "layers.MaxPooling1D": tf.nn.max_pool2d,
    "layers.AveragePooling1D": tf.nn.avg_pool2d,
    "layers.GlobalMaxPooling1D": tf.reduce_max,
    "layers.GlobalAveragePooling1D": tf.reduce_mean,
}
"""What pools an image."""

REDUCTIONS = ("max", "mean", "min", "var")
"""Functions of keras.ops that take an axis and `keepdims`."""


class Rank4:
    """A sequence (n, l, c) that is held as an image (n, 1, l, c)."""

    def __init__(self, image: tf.Tensor) -> None:
        self.image = image
        self._sequence: tf.Tensor | None = None

    @property
    def sequence(self) -> tf.Tensor:
        """The sequence itself, made once."""
        if self._sequence is None:
            self._sequence = tf.squeeze(self.image, 1)
        return self._sequence


def lower_rank(value: Any) -> Any:
    """Return a value as it is, a sequence for an image."""
    return value.sequence if isinstance(value, Rank4) else value


def as_image(value: Any) -> tf.Tensor:
    """Return a sequence as an image."""
    return value.image if isinstance(value, Rank4) else tf.expand_dims(value, 1)


def take_tensor(value: Any) -> Any:
    """Return the image of a sequence that is held as one, any other value as it is."""
    return value.image if isinstance(value, Rank4) else value


def hold_as(like: Any, y: tf.Tensor) -> Any:
    """Return a result of the shape of what is held for another value, held as that one is."""
    return Rank4(y) if isinstance(like, Rank4) else y


def raise_rank(value: Any) -> Any:
    """Return an operand that broadcasts against sequences as one that does against images.

    Numbers and operands of fewer dimensions do so as they are. Returns NotImplemented for one of
    more dimensions.
    """
    if isinstance(value, Rank4):
        return value.image
    rank = len(getattr(value, "shape", ()))
    if rank < 3:
        return value
    if rank > 3:
        return NotImplemented
    if isinstance(value, np.ndarray):
        return value[:, None]
    return tf.expand_dims(value, 1)


def has_images(values: Sequence[Any]) -> bool:
    """Whether a value among them is held as an image."""
    return any(isinstance(value, Rank4) for value in values)


@rule(*(f"layers.{name}" for name in POINTWISE_LAYERS))
def run_pointwise_layer(call: Call, x: Any, **kwargs: Any) -> Any:
    """A layer without weights that acts on each element."""
    if not isinstance(x, Rank4) or kwargs:
        return NotImplemented
    layer = getattr(keras.layers, call.layer.cls)(**call.config, dtype=call.dtype)
    return Rank4(layer(x.image))


@rule(*(f"layers.{name}" for name in DROPOUTS))
def drop_nothing(_call: Call, x: Any) -> Any:
    """The value itself, as nothing is trained."""
    return x


@rule(*(f"ops.{name}" for name in POINTWISE_OPS))
def run_pointwise_op(call: Call, *args: Any, **kwargs: Any) -> Any:
    """An op that acts on each element; its operands broadcast as before."""
    if has_images(tuple(kwargs.values())):
        return NotImplemented
    if not has_images(args):
        return add_plainly(*args) if call.target == "ops.add" else NotImplemented
    images = [raise_rank(value) for value in args]
    if any(image is NotImplemented for image in images):
        return NotImplemented
    function = getattr(keras.ops, call.target.removeprefix("ops."))
    return Rank4(function(*images, **kwargs))


def add_plainly(x: Any, y: Any) -> Any:
    """Return a sum as ADD: Keras makes a bias of some operands, which the converter turns wrongly.

    (TensorFlow 2.21: BiasAdd of channels first in three dimensions.)
    """
    if isinstance(x, tf.Tensor) and isinstance(y, tf.Tensor) and x.dtype == y.dtype:
        return tf.add(x, y)
    return NotImplemented


@rule("layers.MaxPooling1D", "layers.AveragePooling1D")
def pool_image(call: Call, x: Any) -> Any:
    """A pooling along the rows of an image of one row."""
    config = call.config
    function = POOLS[call.target]
    size = one_size(config["pool_size"])
    stride = one_size(config.get("strides") or size)
    return Rank4(function(as_image(x), [1, size], [1, stride], config["padding"].upper()))


@rule("layers.ZeroPadding1D")
def pad_image_with_zeros(call: Call, x: Any) -> Any:
    """Zeros before and behind the sequence; the chain begins here, as a convolution follows."""
    pads = [[0, 0], [0, 0], list(call.config["padding"]), [0, 0]]
    return Rank4(tf.pad(as_image(x), pads))


@rule("layers.Cropping1D")
def crop_image(call: Call, x: Any) -> Any:
    """The sequence without its ends."""
    if not isinstance(x, Rank4):
        return NotImplemented
    left, right = call.config["cropping"]
    return Rank4(x.image[:, :, left : x.image.shape[2] - right])


@rule("layers.UpSampling1D")
def repeat_columns(call: Call, x: Any) -> Any:
    """Each element several times."""
    return Rank4(repeat_pixels(as_image(x), 1, one_size(call.config["size"])))


def repeat_pixels(image: tf.Tensor, down: int, right: int) -> tf.Tensor:
    """Return an image with each pixel so often down and right, in operators that XNNPACK has.

    As many down as right, or one down: as channels, which become pixels.
    """
    batch, height, width, channels = image.shape
    copies = tf.concat([image] * (down * right), -1)
    if down > 1:
        return tf.nn.depth_to_space(copies, down)
    return tf.reshape(copies, [batch, height, width * right, channels])


@rule("ops.concatenate")
def join_images(_call: Call, parts: Any, axis: int = 0) -> Any:
    """Images side by side."""
    if not has_images(parts) or any(len(lower_shape(part)) != 3 for part in parts):
        return NotImplemented
    return Rank4(tf.concat([as_image(part) for part in parts], image_axis(axis)))


@rule("ops.pad")
def pad_image(_call: Call, x: Any, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Any:
    """Padding by a constant, or mirrored at the ends."""
    if mode == "reflect":
        return mirror_ends(x, pad_width)
    if not isinstance(x, Rank4) or mode != "constant":
        return NotImplemented
    widths = [list(pair) for pair in pad_width]
    widths.insert(1, [0, 0])
    value = kwargs.get("constant_values") or 0
    return Rank4(tf.pad(x.image, widths, constant_values=value))


def mirror_ends(x: Any, pad_width: Any) -> Any:
    """Take elements by their places: LiteRT's MIRROR_PAD is 25 times as slow as its GATHER."""
    for axis, (before, after) in enumerate(pad_width):
        if not before and not after:
            continue
        size = lower_shape(x)[axis]
        places = np.pad(np.arange(size, dtype="int32"), (before, after), mode="reflect")
        if isinstance(x, Rank4):
            x = Rank4(tf.gather(x.image, places, axis=image_axis(axis)))
        else:
            x = tf.gather(x, places, axis=axis)
    return x


def slice_image(_call: Call, x: Any, index: Any) -> Any:
    """A part of the sequence, by slices alone."""
    if not isinstance(x, Rank4) or not isinstance(index, tuple):
        return NotImplemented
    if not all(isinstance(part, slice) for part in index):
        return NotImplemented
    return Rank4(x.image[(*index[:1], slice(None), *index[1:])])


@rule(*(f"ops.{name}" for name in REDUCTIONS))
def reduce_image(call: Call, x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """A reduction over dimensions of the sequence; over l it is one over the row too."""
    if not isinstance(x, Rank4) or axis is None:
        return NotImplemented
    dims = axis if isinstance(axis, list | tuple) else [axis]
    axes = list(map(image_axis, dims))
    function = getattr(keras.ops, call.target.removeprefix("ops."))
    if keepdims:
        return Rank4(function(x.image, axis=axes, keepdims=True))
    return function(x.image, axis=sorted({1, *axes}))


@rule("layers.GlobalAveragePooling1D", "layers.GlobalMaxPooling1D")
def pool_whole_image(call: Call, x: Any) -> Any:
    """The mean or the largest element of each channel."""
    if not isinstance(x, Rank4):
        return NotImplemented
    function = POOLS[call.target]
    if call.config.get("keepdims"):
        return Rank4(function(x.image, [2], keepdims=True))
    return function(x.image, [1, 2])


def lower_shape(value: Any) -> Sequence[int]:
    """Return the shape of a value, that of the sequence of an image."""
    if isinstance(value, Rank4):
        batch, _, length, channels = value.image.shape
        return batch, length, channels
    return tuple(value.shape)


def image_axis(axis: int) -> int:
    """Return where a dimension of a sequence lies in an image."""
    return (0, 2, 3)[axis]
