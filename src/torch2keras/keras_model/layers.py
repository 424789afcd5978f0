"""The Keras layers of a graph: each is made once, and filled with its weights."""

from __future__ import annotations

import gc
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from torch2keras.keras_graph.graph import Call, KerasGraph, LayerSpec, find_recurrent_layers
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.float64 import dtype_substitutes, float64_function, widen_layer
from torch2keras.keras_model.keras_settings import say_channels_last
from torch2keras.keras_model.recurrent_graphs import compile_recurrence
from torch2keras.keras_model.zero_initializers import ZeroInitializers
from torch2keras.runtime.free_memory import trim_memory

LARGE = 2**25
"""Elements of a model's weights from which on layers that are let go of are collected at once."""


def make_layer(layer: LayerSpec, dtype: str, **name: str) -> keras.Layer:
    """Return the Keras layer, with the layers within it, which are called as their classes."""
    config = dict(layer.config)
    for key, inner in layer.config.items():
        if isinstance(inner, LayerSpec):
            config[key] = make_layer(inner, dtype, name=inner.cls.lower())
    cls = getattr(keras.layers, layer.cls)
    return cls(**say_channels_last(cls, config), dtype=dtype, **name)


class Layers:
    """The layers of a graph, made when first called, each once.

    With `in_turn`, layers that are alike but for the values of their weights are one layer, which
    takes the weights of each call when it is called: making a layer takes longer than filling it.
    `dtype` is exchanged for the graph's float dtype.
    """

    def __init__(
        self, graph: KerasGraph, dtype: str | None = None, *, in_turn: bool = False
    ) -> None:
        self.graph, self.in_turn = graph, in_turn
        self.swap = dtype_substitutes(graph.float_dtype, dtype)
        self.made: dict[str, keras.Layer] = {}
        """The layers, by name, or by what they have in common where they are used in turn."""
        self.runners: dict[str, Callable[..., Any]] = {}
        """What is called for each layer on real tensors."""
        self.initializers = ZeroInitializers()
        self.training = False
        """Whether batch norms run as in training; nothing else does, dropouts stay idle."""
        self.filled: dict[str, str] = {}
        """The name of the call whose weights each layer has."""

    def __call__(self, call: Call, key: str | None = None) -> keras.Layer:
        """Return the layer of a call; `key` is what it is kept by, its name unless given."""
        key = key or call.name
        if key not in self.made:
            dtype = self.swap.get(call.dtype, call.dtype)
            layer = make_layer(call.layer, dtype, name=call.name)
            self.initializers.exchange(layer)
            if not call.trainable:
                layer.trainable = False
            if dtype == "float64":
                widen_layer(layer)
            self.made[key] = layer
            is_recurrent = bool(find_recurrent_layers([call]))
            self.runners[key] = compile_recurrence(layer) if is_recurrent else layer
        return self.made[key]

    def names(self) -> Iterator[str]:
        """Yield the names of all layers and inputs."""
        yield from (call.name for call in self.graph.calls if call.is_layer)
        yield from (i.name for i in self.graph.inputs)

    def layer_with_weights(self, call: Call) -> Callable[..., Any]:
        """Return a function that calls the layer on real tensors, filled with its weights."""
        if self.swap.get(call.dtype) == "float64":
            exact = float64_function(call)
            if exact is not None:
                return exact

        def run_layer(*args: Any, **kwargs: Any) -> Any:
            shapes = [tuple(a.shape) for a in args if hasattr(a, "shape")]
            key = _kind(call, shapes) if self.in_turn and call.weights else call.name
            layer = self(call, key)
            if call.weights and self.filled.get(key) != call.name:
                if not layer.built:
                    layer.build(*shapes)
                for attribute, weight in call.weights.items():
                    assign(find_variable(layer, attribute), weight)
                self.filled[key] = call.name
            if self.training and isinstance(layer, keras.layers.BatchNormalization):
                kwargs["training"] = True
            return self.runners[key](*args, **kwargs)

        return run_layer

    def forget(self) -> None:
        """Let go of all layers; they are made again when they are called again."""
        size = sum(math.prod(weight.shape) for _, _, weight in self.graph.weights())
        self.initializers.restore()  # it holds on to each layer
        self.made.clear()
        self.runners.clear()
        self.filled.clear()
        if size >= LARGE:
            gc.collect()  # a layer and its variables hold each other

    def load(self) -> None:
        """Copy the weights into all layers, which must be built, and give back initializers."""
        copied = 0
        for call, attribute, weight in self.graph.weights():
            assign(find_variable(self.made[call.name], attribute), weight)
            copied += math.prod(weight.shape)
            if copied >= LARGE:
                trim_memory()  # what was copied from, and the zeros that the layers began with
                copied = 0
        self.initializers.restore()


def _kind(call: Call, shapes: Sequence[tuple[int, ...]]) -> str:
    """Return all of a layer but its weights' values; it is built for the ranks of its inputs."""
    weights = {attribute: weight.shape for attribute, weight in call.weights.items()}
    return repr((call.target, call.config, call.dtype, weights, [len(s) for s in shapes]))


def walk_layers(
    model: keras.Model, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], keras.Layer]]:
    """Yield the layers of a model and of the models within it, each with the names on the way."""
    for layer in model.layers:
        way = (*path, layer.name)
        if isinstance(layer, keras.Model):
            yield from walk_layers(layer, way)
        else:
            yield way, layer


def find_variable(layer: keras.Layer, attribute: str) -> keras.Variable:
    """Return a weight of a layer; "cell.kernel" is one of a layer within it."""
    return operator.attrgetter(attribute)(layer)


def assign(to: keras.Variable, weight: Weight) -> None:
    """Copy a weight, in the variable's own dtype."""
    to.assign(weight.keras_array(keras.backend.standardize_dtype(to.dtype)))
