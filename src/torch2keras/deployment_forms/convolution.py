"""Convolutions of images by constants; a normalization behind one is in its kernel and bias.

TensorFlow's converter would multiply the kernels too, in float32 and element by element: half of
the time that it takes for a residual net.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from torch2keras.deployment_forms.passes.normalizations import NORMALIZED
from torch2keras.deployment_forms.rank4 import Rank4, as_image
from torch2keras.deployment_forms.rules import one_size, rule, weight_reader
from torch2keras.keras_graph.graph import Call

SEQUENCES = ("Conv1D", "DepthwiseConv1D")

IMAGES = ("Conv2D", "DepthwiseConv2D")


def name_both(layers: Sequence[str]) -> list[str]:
    """Return the targets of convolutions, with a normalization and without."""
    plain = [f"layers.{layer}" for layer in layers]
    return [*plain, *map(NORMALIZED.__getitem__, plain)]


@rule(*name_both(SEQUENCES))
def convolve_row(call: Call, x: Any, weights: Mapping[str, Any], **_folded: Any) -> Any:
    """A convolution along the rows of an image of one row."""
    config = call.config
    if config.get("activation") is not None:
        return NotImplemented
    image, padding = as_image(x), config["padding"]
    stride, dilation = one_size(config["strides"]), one_size(config["dilation_rate"])
    if padding == "causal":
        reach = dilation * (one_size(config["kernel_size"]) - 1)
        image, padding = tf.pad(image, [[0, 0], [0, 0], [reach, 0], [0, 0]]), "valid"
    strides = [1, stride]
    if "Depthwise" in call.target:
        # The op wants one stride for both dimensions; along the row of one it changes nothing.
        strides = [stride, stride]
    return Rank4(multiply_windows(call, image, weights, strides, [1, dilation], padding))


@rule(*name_both(IMAGES))
def convolve_image(call: Call, x: Any, weights: Mapping[str, Any], **_folded: Any) -> Any:
    """A convolution; with stride and dilation too, which LiteRT has and Keras's layer refuses."""
    config = call.config
    strides, rates = list(config["strides"]), list(config["dilation_rate"])
    is_uneven = "Depthwise" in call.target and len(set(strides)) > 1
    if config.get("activation") is not None or is_uneven:
        return NotImplemented
    return multiply_windows(call, x, weights, strides, rates, config["padding"])


def multiply_windows(
    call: Call,
    image: tf.Tensor,
    weights: Mapping[str, Any],
    strides: Sequence[int],
    rates: Sequence[int],
    padding: str,
) -> tf.Tensor:
    """Return the convolution of an image by a kernel, and the sum with a bias."""
    function = tf.nn.conv2d
    if "Depthwise" in call.target:
        function = tf.nn.depthwise_conv2d
    y = function(image, weights["kernel"], [1, *strides, 1], padding.upper(), dilations=rates)
    return tf.nn.bias_add(y, weights["bias"]) if "bias" in weights else y


@weight_reader(*name_both([*SEQUENCES, *IMAGES]))
def read_kernel(call: Call) -> dict[str, np.ndarray]:
    """Return the kernel for images and the bias of a convolution, with a normalization's in them.

    These are multiplied in float64, and rounded once.
    """
    is_normalized = call.target in NORMALIZED.values()
    dtype = "float64" if is_normalized else call.dtype
    found = {}
    for name in ("kernel", "bias"):
        if name in call.weights:
            found[name] = call.weights[name].array(dtype)
    if is_normalized:
        factor, summand = read_normalization(call, "normalization.", call.kwargs["epsilon"])
        shape = call.weights["kernel"].shape[-1:]
        if "Depthwise" in call.target:
            shape = call.weights["kernel"].shape[-2:]
        found["kernel"] *= factor.reshape(shape)
        found["bias"] = summand + factor * found.get("bias", 0.0)
    if found["kernel"].ndim == 3:
        found["kernel"] = found["kernel"][None]
    return found


def read_normalization(call: Call, prefix: str, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Return by what a normalization multiplies each channel, and what it adds then, as float64."""
    values = {}
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        weight = call.weights.get(prefix + name)
        if weight is not None:
            values[name] = weight.array("float64")
    factor = values.get("gamma", 1.0) / np.sqrt(values["moving_variance"] + epsilon)
    return factor, values.get("beta", 0.0) - values["moving_mean"] * factor


@rule("layers.BatchNormalization")
def normalize_image(call: Call, x: Any) -> Any:
    """A factor and a summand of each channel, where no convolution takes them in."""
    if not isinstance(x, Rank4) or call.config.get("axis", -1) not in (-1, 2):
        return NotImplemented
    factor, summand = read_normalization(call, "", call.config["epsilon"])
    factors, summands = tf.constant(factor, call.dtype), tf.constant(summand, call.dtype)
    return Rank4(x.image * factors + summands)
