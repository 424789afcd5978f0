"""Runs generated source code with a stand-in for Keras, and holds each call to the graph's.

The model that was verified is built call by call from a KerasGraph. Source code that makes the same
calls, with the same configurations, names and values, in the same order, builds the same model; to
compare the calls takes milliseconds, where to build a second model takes seconds.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from torch2keras.errors import InternalError
from torch2keras.keras_graph.channels import find_channels
from torch2keras.keras_graph.graph import GETITEM, Call, KerasGraph, LayerSpec, Literal, Ref
from torch2keras.keras_graph.nesting import find_segment_ports, nest_calls
from torch2keras.keras_graph.source.expressions import Array
from torch2keras.keras_graph.source.lines import (
    default_arguments,
    layer_extras,
    read_constant,
    simplify_argument,
)

BUILTINS = (enumerate, float, isinstance, len, list, range, slice, tuple)
"""What generated code uses of Python's own functions."""


def require_same_calls(source: str, graph: KerasGraph) -> None:
    """Raise InternalError where source code does not make the calls of a graph."""
    replay = _Replay(graph)
    module = ast.parse(source)
    module.body = [
        node for node in module.body if not isinstance(node, ast.Import | ast.ImportFrom)
    ]
    keras = SimpleNamespace(Input=replay.input, Model=replay.model)
    names: dict[str, Any] = {
        "__builtins__": {builtin.__name__: builtin for builtin in BUILTINS},
        "partial": partial,
        "keras": keras,
        "layers": _Layers(replay),
        "ops": _Ops(replay),
        "np": np,
    }
    exec(compile(module, "<source>", "exec"), names)  # noqa: S102 - the text is our own
    names["build"]()
    replay.finish()


class _Token:
    """A value of the graph, as source code sees it."""

    def __init__(self, replay: _Replay, index: int) -> None:
        self.replay, self.index = replay, index

    @property
    def dtype(self) -> _Token:
        """The token itself, of which an input of a nested model is to have the dtype."""
        return self

    @property
    def shape(self) -> _Shape:
        """Its shape, which may be asked for the number of channels, or given to an input."""
        return _Shape(self)

    def __getitem__(self, key: Any) -> Any:
        return self.replay.take(GETITEM, (self, key), {})


class _Shape:
    """The shape of a value: all that is known is the last size."""

    def __init__(self, token: _Token) -> None:
        self.token = token

    def __getitem__(self, place: int) -> int:
        _require(place, -1, "the place of a size")
        return self.token.replay.channels[self.token.index]


class _Layer:
    """A layer that source code has made; it is called."""

    def __init__(self, replay: _Replay, cls: str, args: Sequence[Any], kwargs: Any) -> None:
        self.replay, self.cls = replay, cls
        positional = dict(zip(default_arguments(cls), args, strict=False))
        self.config = {**positional, **kwargs}
        count = len(args) + len(kwargs)
        _require(len(self.config), count, f"the arguments of layers.{cls}, some given twice")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.replay.take(f"layers.{self.cls}", args, kwargs, self)


class _Layers:
    def __init__(self, replay: _Replay) -> None:
        self.replay = replay

    def __getattr__(self, cls: str) -> Any:
        return lambda *args, **kwargs: _Layer(self.replay, cls, args, kwargs)


class _Ops:
    def __init__(self, replay: _Replay) -> None:
        self.replay = replay

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self.replay.take(f"ops.{name}", args, kwargs)


class _Replay:
    """Compares call after call."""

    def __init__(self, graph: KerasGraph) -> None:
        self.graph = graph
        self.channels = find_channels(graph)
        self.place = 0
        self.inputs = 0
        self.made: dict[str, _Layer] = {}
        items = nest_calls(graph)
        taken = {call.name for call in graph.calls if call.is_layer}
        taken.update(port.name for port in graph.inputs)
        self.segments = list(find_segment_ports(items, graph.outputs, taken).values())
        """The nested models that are still to come, in order."""
        self.ended = False

    def input(self, shape: Any = None, **kwargs: Any) -> _Token:
        """Take an input for the graph's next, or for a nested model's own."""
        inner = kwargs.get("batch_shape")
        if isinstance(inner, _Shape):
            return inner.token
        port = self.graph.inputs[self.inputs]
        full = inner if shape is None else (None, *shape)
        given = full, kwargs.get("dtype", "float32"), kwargs["name"]
        _require(given, (tuple(port.shape), port.dtype, port.name), f"input {port.name}")
        self.inputs += 1
        return _Token(self, self.inputs - 1)

    def take(
        self, target: str, args: Sequence[Any], kwargs: Mapping[str, Any], layer: Any = None
    ) -> Any:
        """Take a call for the graph's next, and return its results."""
        if self.place == len(self.graph.calls):
            raise InternalError(f"the source code has a call of {target} too many")
        call = self.graph.calls[self.place]
        where = f"call {self.place}, {call.target} {call.name}"
        _require(target, call.target, where)
        _require(list(map(_plain, args)), list(map(_plain, call.args)), where)
        given = {key: _plain(value) for key, value in kwargs.items()}
        _require(given, {key: _plain(value) for key, value in call.kwargs.items()}, where)
        if layer is not None:
            self._compare_layers(layer, call, where)
        self.place += 1
        results = tuple(_Token(self, index) for index in call.outputs)
        return results[0] if len(results) == 1 else results

    def _compare_layers(self, layer: _Layer, call: Call, where: str) -> None:
        known = self.made.setdefault(call.name, layer)
        _require(id(known), id(layer), f"{where}, which is one layer")
        wanted = {**call.config, **layer_extras(call), "name": call.name}
        _require(_full_config(layer.cls, layer.config), _full_config(layer.cls, wanted), where)

    def model(self, inputs: Any, outputs: Any, name: str) -> Any:
        """Take the model for the graph's own, or for a nested one, which is called."""
        if self.segments:
            ports = self.segments.pop(0)
            _require(_numbers(outputs), list(ports.outputs), name)
            _require(_numbers(inputs), list(ports.inputs), name)
            _require(name, ports.name, "the name of a nested model")
            return lambda _: outputs
        _require(_numbers(outputs), list(self.graph.outputs), "outputs")
        _require(_numbers(inputs), list(range(self.inputs)), "inputs")
        _require(name, self.graph.name, "name")
        self.ended = True
        return None

    def finish(self) -> None:
        """Require that nothing was left out."""
        _require(self.place, len(self.graph.calls), "number of calls")
        _require(self.inputs, len(self.graph.inputs), "number of inputs")
        if not self.ended:
            raise InternalError("the source code makes no model")


def _numbers(tokens: Any) -> list[int]:
    """Return the numbers of the values that a model has for inputs or outputs."""
    return [token.index for token in (tokens if isinstance(tokens, list) else [tokens])]


def _full_config(cls: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arguments of a layer that differ from Keras's defaults, in one form."""
    defaults = default_arguments(cls)
    full = {}
    for key, value in config.items():
        plain = _plain_config(key, value)
        if key not in defaults or plain != _plain_config(key, defaults[key]):
            full[key] = plain
    return full


def _plain_config(key: str, value: Any) -> Any:
    if isinstance(value, LayerSpec):
        inner = {**value.config, "name": value.cls.lower()}
        return value.cls, _full_config(value.cls, inner)
    if isinstance(value, _Layer):
        return value.cls, _full_config(value.cls, value.config)
    return repr(simplify_argument(key, value))


def _plain(value: Any) -> Any:
    """Return an argument in a form that can be compared: values by number, tensors by content."""
    if isinstance(value, Literal):
        value = value.weight.array(value.weight.dtype)
    value = read_constant(value)
    if isinstance(value, _Token | Ref):
        return "value", value.index
    if isinstance(value, Array):
        return _plain(np.array(value.values, value.dtype))
    if isinstance(value, np.ndarray):
        return "array", value.dtype.name, value.shape, value.tobytes()
    if isinstance(value, list | tuple):
        return type(value).__name__, [_plain(item) for item in value]
    return repr(value)


def _require(given: Any, wanted: Any, where: str) -> None:
    if given != wanted:
        raise InternalError(
            f"the source code differs from the model at {where}",
            [("given", str(given)), ("wanted", str(wanted))],
        )
