"""The recorder: `ops`, `layers` and `call` look like Keras and write a KerasGraph.

A converter reads as ordinary Keras code. Each recorded call is also asked for its result's shape and dtype, by Keras
itself, so a call that Keras would refuse fails at the op that it comes from.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Origin, Size
from torch2keras.keras_graph.detach_parameters import (
    detach_parameters,
    is_divided,
    is_statistic,
)
from torch2keras.keras_graph.graph import GETITEM, REFUSED, Call, Input, LayerSpec, Literal, Ref
from torch2keras.keras_graph.operand import Operand
from torch2keras.keras_graph.weight import Shape, Weight
from torch2keras.keras_model.layers import make_layer
from torch2keras.workarounds.add_as_bias import is_misread_as_bias

LITERAL_BYTES = 1024
"""Constants up to this size stand in the graph; larger ones are non-trainable weights, never JSON."""


current: ContextVar[Recorder] = ContextVar("recorder")


Recorded = Any
"""A Tensor, or a tuple of them."""


@dataclass(frozen=True, eq=False)
class Tensor(Operand):
    """A value that the model computes, by its number in the graph."""

    index: int
    sizes: tuple[Size, ...] | None = None
    """The stored shape with dynamic sizes as expressions, of an operand that a converter is given; else None."""

    @property
    def spec(self) -> keras.KerasTensor:
        """The value as Keras takes it symbolically."""
        return keras.KerasTensor(self.shape, self.dtype)

    def with_sizes(self, sizes: Sequence[Size]) -> Tensor:
        """The same value, whose stored sizes are known, dynamic ones as expressions."""
        return replace(self, sizes=tuple(sizes))

    def fill_shape(self, shape: Shape) -> Tensor:
        """The same value, with the sizes that Keras does not know: of one entry of a dynamic dimension, say."""
        full = tuple(
            there if here is None else here for here, there in zip(self.shape, shape, strict=True)
        )
        return self if full == self.shape else replace(self, shape=full)

    @property
    def is_constant(self) -> bool:
        return False

    def values(self) -> None:
        return None

    def reshape(self, *shape: int) -> Tensor:
        return self if shape == self.shape else ops.reshape(self, shape)

    def transpose(self, *order: int) -> Tensor:
        usual = tuple(range(self.ndim))
        return self if order == usual else ops.transpose(self, order)

    def narrow(self, dim: int, start: int, stop: int) -> Tensor:
        if (start, stop) == (0, self.shape[dim]):
            return self
        return self[(*[slice(None)] * dim, slice(start, stop))]  # type: ignore[no-any-return]

    def flip(self, *dims: int) -> Tensor:
        return ops.flip(self, axis=dims) if dims else self

    def take(self, dim: int, places: tuple[int, ...]) -> Tensor:
        size = self.shape[dim]
        if size is not None and places == tuple(range(size)):
            return self
        return ops.take(self, list(places), axis=dim)  # type: ignore[no-any-return]

    def squeeze(self, *dims: int) -> Tensor:
        return ops.squeeze(self, axis=dims) if dims else self

    def expand_dims(self, *dims: int) -> Tensor:
        return ops.expand_dims(self, axis=dims) if dims else self

    def __getitem__(self, index: Any) -> Recorded:
        key = index if isinstance(index, tuple) else (index,)
        return recorder().op(GETITEM, operator.getitem, (self, key), {})

    def __add__(self, other: Any) -> Recorded:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Recorded:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Recorded:
        return ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Recorded:
        return ops.subtract(other, self)

    def __mul__(self, other: Any) -> Recorded:
        return ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Recorded:
        return ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Recorded:
        return ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Recorded:
        return ops.divide(other, self)

    def __neg__(self) -> Recorded:
        return ops.negative(self)


class LayerCall(LayerSpec):
    """A stock layer that a converter has configured and may call."""

    def __call__(self, *inputs: Any, **kwargs: Any) -> Recorded:
        """Record a call of the layer without weights."""
        return recorder().layer(self, inputs, kwargs, {})


class Recorder:
    """Collects calls. `origin` is the place in the user's module that is being lowered."""

    def __init__(
        self, inputs: tuple[Input, ...], float_dtype: str, tied: Collection[int] = ()
    ) -> None:
        self.inputs, self.float_dtype = inputs, float_dtype
        self.tied = tied
        """Ids of the tensors that layers with different other weights share: each is held alone."""
        self.calls: list[Call] = []
        self.origin = Origin()
        self.count = 0
        self.tensors = [self._new(i.shape, i.dtype) for i in inputs]
        self._bare: dict[tuple[Any, ...], Tensor] = {}
        self._rows: dict[tuple[Any, ...], Tensor] = {}
        self._one: Tensor | None = None

    def _new(self, shape: Shape, dtype: Any) -> Tensor:
        self.count += 1
        name = str(keras.backend.standardize_dtype(dtype))
        return Tensor(tuple(shape), name, self.count - 1)

    def stand_in(self, operands: Iterable[Tensor], shape: Shape, dtype: str) -> Tensor:
        """A value that nothing makes, for the result of a refused op on these operands."""
        made = self._new(shape, dtype)
        self.calls.append(
            Call(REFUSED, _refs(tuple(operands)), {}, (made.index,), origin=self.origin)
        )
        return made

    def op(
        self,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Recorded:
        """Record a call of a stock op."""
        literal = _has_tensor([args, list(kwargs.values())])
        args = tuple(self._argument(a, literal=literal) for a in args)
        kwargs = {k: self._argument(v, literal=literal) for k, v in kwargs.items()}
        if name == "ops.add" and is_misread_as_bias(*map(_shape, args)):
            if is_misread_as_bias(*map(_shape, args[::-1])):
                return self.op(
                    "ops.subtract", keras.ops.subtract, (args[0], ops.negative(args[1])), {}
                )
            args = args[::-1]
        spec = function(*_specs(args), **{k: _specs(v) for k, v in kwargs.items()})
        result, outputs = self._results(spec)
        self.calls.append(
            Call(
                name,
                _refs(args),
                {k: _refs(v) for k, v in kwargs.items()},
                outputs,
                origin=self.origin,
            )
        )
        return result

    def layer(
        self,
        layer: LayerSpec,
        inputs: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        weights: Mapping[str, Weight],
    ) -> Recorded:
        """Record a call of a stock layer with these weights.

        Raises LoweringError where some of them are frozen or shared and others not, and they cannot be taken apart.
        """
        if is_divided(weights, self.tied):
            return self._layer_in_parts(layer, inputs, kwargs, weights)
        inputs = tuple(self._argument(a, literal=_has_tensor(inputs)) for a in inputs)
        dtype = next(
            (t.dtype for t in inputs if isinstance(t, Tensor) and "float" in t.dtype),
            self.float_dtype,
        )
        spec = _output_spec(make_layer(layer, dtype), _specs(inputs), kwargs)
        result, outputs = self._results(spec)
        learnt = [w for attribute, w in weights.items() if not is_statistic(attribute)]
        trainable = not learnt or any(w.trainable for w in learnt)
        self.calls.append(
            Call(
                f"layers.{layer.cls}", _refs(inputs), dict(kwargs), outputs, layer.config, dict(weights), dtype,
                trainable,
                origin=self.origin,
            )
        )  # fmt: skip
        return result

    def _layer_in_parts(
        self,
        layer: LayerSpec,
        inputs: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        weights: Mapping[str, Weight],
    ) -> Recorded:
        """Record a layer that Keras cannot hold whole, and the parameters taken out of it as ops on its result."""
        parts = detach_parameters(layer, weights, self.tied)
        result = self.layer(parts.layer, inputs, kwargs, parts.kept)
        for attribute in parts.detached:
            operand = parts.for_result(attribute, result.ndim)
            apply = ops.multiply if attribute == "gamma" else ops.add
            result = apply(result, operand)
        return result

    def _results(self, spec: Any) -> tuple[Recorded, tuple[int, ...]]:
        if isinstance(spec, list | tuple):
            tensors = tuple(self._new(s.shape, s.dtype) for s in spec)
            return tensors, tuple(t.index for t in tensors)
        tensor = self._new(spec.shape, spec.dtype)
        return tensor, (tensor.index,)

    def _argument(self, argument: Any, *, literal: bool) -> Any:
        """A constant as the graph can hold it: written out where small, else a weight.

        `literal` is whether it may be written out: a call of constants alone would be no part of a Functional model.
        """
        if isinstance(argument, Weight):
            small = int(np.prod(argument.shape)) * 8 <= LITERAL_BYTES
            return (
                Literal(argument)
                if literal and small and not argument.trainable
                else self.bare(argument)
            )
        if isinstance(argument, list | tuple):
            return type(argument)(self._argument(a, literal=literal) for a in argument)
        return argument

    def bare(self, weight: Weight) -> Tensor:
        """A constant as a tensor: the kernel of a Dense layer on a one, so a weight of a stock layer."""
        if weight.key not in self._bare:
            full = ops.reshape(self._row(weight), weight.shape)
            self._bare[weight.key] = (
                full if "float" in weight.dtype else ops.cast(full, weight.dtype)
            )
        return self._bare[weight.key]

    def _row(self, weight: Weight) -> Tensor:
        """The elements in one row; a parameter that is read in several shapes is trained as one."""
        key = (
            (id(weight.constant.tensor), weight.numbers().numpy().tobytes())
            if weight.trainable
            else weight.key
        )
        if key not in self._rows:
            size = int(np.prod(weight.shape))
            wide = (
                "float64" if self.float_dtype == "float64" else "float32"
            )  # half floats hold few integers exactly
            one = self.one(weight.dtype if "float" in weight.dtype else wide)
            if size == 0:  # there is no layer of no units
                return one[:, :0]  # type: ignore[no-any-return]
            dense = LayerSpec("Dense", {"units": size, "use_bias": False})
            self._rows[key] = self.layer(dense, (one,), {}, {"kernel": weight.reshape(1, size)})
        return self._rows[key]

    def one(self, dtype: str) -> Tensor:
        """A (1, 1) tensor of ones that depends on the first input, as everything in a Functional model must."""
        if self._one is None:
            if 0 in self.tensors[0].shape:
                raise LoweringError(
                    "a constant beside an input without elements, which it would have to be made of",
                    [
                        ("shapes", str(self.tensors[0].shape)),
                        ("next", "give an example that has elements"),
                    ],
                )
            first = ops.reshape(self.tensors[0], (-1, 1))[:1]
            self._one = ops.ones_like(first, dtype=self.float_dtype)
        return self._one if self._one.dtype == dtype else ops.cast(self._one, dtype)


MOVES = ("Reshape", "Flatten", "Permute", "RepeatVector", "Cropping", "ZeroPadding", "UpSampling")
"""Layers that only move numbers: integers stay integers, as layers cast nothing but floats."""


def _output_spec(layer: keras.Layer, inputs: Any, kwargs: Mapping[str, Any]) -> Any:
    """Shape and dtype of a layer's result, without making its weights."""
    if isinstance(layer, keras.layers.MultiHeadAttention):  # its shapes are arguments of their own
        return layer.compute_output_spec(*inputs, **kwargs)
    shapes = [tuple(x.shape) for x in inputs if not isinstance(x, list)]
    try:
        shape = (
            layer.compute_output_shape(*shapes, **kwargs)
            if len(shapes) == 1
            else layer.compute_output_shape(shapes)
        )
    except NotImplementedError:
        return layer(*inputs, **kwargs)
    dtype = inputs[0].dtype if type(layer).__name__.startswith(MOVES) else layer.compute_dtype
    if shape and isinstance(shape[0], list | tuple):
        return [keras.KerasTensor(s, dtype) for s in shape]
    return keras.KerasTensor(shape, dtype)


def _has_tensor(argument: Any) -> bool:
    if isinstance(argument, list | tuple):
        return any(map(_has_tensor, argument))
    return isinstance(argument, Tensor)


def _specs(argument: Any) -> Any:
    """Arguments as Keras takes them symbolically."""
    if isinstance(argument, Tensor):
        return argument.spec
    if isinstance(argument, Literal):
        return argument.weight.array(argument.weight.dtype)
    if isinstance(argument, list | tuple):
        return type(argument)(_specs(a) for a in argument)
    return argument


def _shape(argument: Any) -> Shape:
    if isinstance(argument, Literal):
        return argument.weight.shape
    return argument.shape if isinstance(argument, Tensor) else np.shape(argument)


def _refs(argument: Any) -> Any:
    if isinstance(argument, Tensor):
        return Ref(argument.index)
    if isinstance(argument, list | tuple):
        return type(argument)(_refs(a) for a in argument)
    return argument


def recorder() -> Recorder:
    """The recorder that is being written to. Raises LookupError outside of lowering."""
    return current.get()


def float_dtype() -> str:
    """The dtype in which the graph that is being lowered computes what has no dtype of its own."""
    return recorder().float_dtype


def one(dtype: str) -> Tensor:
    """A (1, 1) tensor of ones that depends on the inputs, to make values of constants."""
    return recorder().one(dtype)


@contextmanager
def recording(to: Recorder) -> Iterator[Recorder]:
    """Let `ops`, `layers` and `call` write to a recorder."""
    token = current.set(to)
    try:
        yield to
    finally:
        current.reset(token)


class _Ops:
    """`ops.softmax(x)` records `keras.ops.softmax(x)`."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(keras.ops, name)

        @functools.wraps(function)
        def record(*args: Any, **kwargs: Any) -> Recorded:
            return recorder().op(f"ops.{name}", function, args, kwargs)

        record.__module__, record.__name__, record.__doc__ = (
            "keras.ops",
            name,
            f"`keras.ops.{name}`.",
        )
        return record


class _Layers:
    """`layers.ReLU()` is `keras.layers.ReLU()`, to be called."""

    def __getattr__(self, name: str) -> Callable[..., LayerCall]:
        if not hasattr(keras.layers, name):
            message = f"keras.layers has no {name}"
            raise AttributeError(message)
        return lambda **config: LayerCall(name, config)


ops = _Ops()


layers = _Layers()


def call(layer: LayerSpec, *inputs: Any, **given: Any) -> Recorded:
    """Call a layer on inputs, with weights by the names of its attributes; None for one that it does not have.

    What is no weight is an argument of the call.
    """
    weights = {k: v for k, v in given.items() if isinstance(v, Weight)}
    return recorder().layer(
        layer,
        inputs,
        {k: v for k, v in given.items() if v is not None and k not in weights},
        weights,
    )


def cast(x: Any, dtype: Any) -> Any:
    """`x` in a dtype (PyTorch's or Keras's name); unchanged where `dtype` is None or already so."""
    if dtype is None:
        return x
    name = str(dtype).removeprefix("torch.")
    if x.dtype == name:
        return x
    result = ops.cast(x, name)
    return result.with_sizes(x.sizes) if isinstance(x, Tensor) and x.sizes else result


def as_tensor(x: Operand) -> Tensor:
    """The operand as a value of the graph; a constant becomes the weight of a stock layer."""
    return recorder().bare(x) if isinstance(x, Weight) else x  # type: ignore[return-value]
