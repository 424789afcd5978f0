"""The recorder: `ops`, `layers` and `call` look like Keras and write a KerasGraph.

A converter reads as ordinary Keras code. Keras itself says which shape and dtype the result of each
recorded call has, so that a call that Keras would refuse fails at the op that it comes from.
"""

from __future__ import annotations

import functools
import math
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
from torch2keras.keras_model.keras_settings import say_channels_last
from torch2keras.keras_model.layers import make_layer
from torch2keras.keras_model.output_spec import infer_output
from torch2keras.workarounds.add_as_bias import is_misread_as_bias

LITERAL_BYTES = 1024
"""Constants up to this size stand in the graph; larger ones are weights, and never JSON."""


current: ContextVar[Recorder] = ContextVar("recorder")


Recorded = Any
"""A Tensor, or a tuple of them."""


@dataclass(frozen=True, eq=False)
class Tensor(Operand):
    """A value that the model computes, by its number in the graph."""

    index: int
    sizes: tuple[Size, ...] | None = None
    """The stored shape, dynamic sizes as expressions, of a converter's operand; of others None."""

    @property
    def spec(self) -> keras.KerasTensor:
        """What Keras takes for the value, to tell what an op returns."""
        return keras.KerasTensor(self.shape, self.dtype)

    def with_sizes(self, sizes: Sequence[Size]) -> Tensor:
        """Return the same value with its stored shape, dynamic sizes as expressions."""
        return replace(self, sizes=tuple(sizes))

    def fill_shape(self, shape: Shape) -> Tensor:
        """Return the same value with the sizes of `shape` that Keras does not know.

        It takes a slice of a dynamic dimension for dynamic, though it be of one entry.
        """
        full = list(self.shape)
        for dim, size in enumerate(shape):
            if full[dim] is None:
                full[dim] = size
        return replace(self, shape=tuple(full))

    @property
    def is_constant(self) -> bool:
        return False

    def values(self) -> None:
        return None

    def reshape(self, *shape: int) -> Tensor:
        if shape == self.shape:
            return self
        return ops.reshape(self, shape)  # type: ignore[no-any-return]

    def transpose(self, *order: int) -> Tensor:
        if order == tuple(range(self.ndim)):
            return self
        return ops.transpose(self, order)  # type: ignore[no-any-return]

    def narrow(self, dim: int, start: int, stop: int) -> Tensor:
        if (start, stop) == (0, self.shape[dim]):
            return self
        return self[(*[slice(None)] * dim, slice(start, stop))]  # type: ignore[no-any-return]

    def flip(self, *dims: int) -> Tensor:
        return ops.flip(self, axis=_single(dims)) if dims else self

    def take(self, dim: int, places: tuple[int, ...]) -> Tensor:
        size = self.shape[dim]
        if size is not None and places == tuple(range(size)):
            return self
        return ops.take(self, list(places), axis=dim)  # type: ignore[no-any-return]

    def squeeze(self, *dims: int) -> Tensor:
        return ops.squeeze(self, axis=_single(dims)) if dims else self

    def expand_dims(self, *dims: int) -> Tensor:
        return ops.expand_dims(self, axis=_single(dims)) if dims else self

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


def _single(dims: tuple[int, ...]) -> int | tuple[int, ...]:
    """Return one dimension as a number, as a person writes it."""
    return dims[0] if len(dims) == 1 else dims


class LayerCall(LayerSpec):
    """A stock layer that a converter has configured and may call."""

    def __call__(self, *inputs: Any, **kwargs: Any) -> Recorded:
        """Record a call of the layer without weights."""
        return recorder().layer(self, inputs, kwargs, {})


class Recorder:
    """Collects calls. `origin` is the place in the user's module that is being lowered.

    `tied` are ids of the tensors that layers with different other weights share: each of these is
    held alone.
    """

    def __init__(
        self, inputs: tuple[Input, ...], float_dtype: str, tied: Collection[int] = ()
    ) -> None:
        self.inputs, self.float_dtype, self.tied = inputs, float_dtype, tied
        self.calls: list[Call] = []
        self.origin = Origin()
        self.count = 0
        self.tensors = [self._add_value(i) for i in inputs]
        """The inputs as values."""
        self._bare: dict[tuple[Any, ...], Tensor] = {}
        self._rows: dict[tuple[Any, ...], Tensor] = {}
        self._one: Tensor | None = None
        self.calls_of_one: tuple[Call, ...] = ()
        """The calls that make `one`, if any."""

    def sort_calls(self) -> list[Call]:
        """Return all calls, those first that make `one`."""
        others = [call for call in self.calls if call not in self.calls_of_one]
        return [*self.calls_of_one, *others]

    def _add_value(self, spec: Any) -> Tensor:
        """Return a new value of the shape and dtype of a KerasTensor."""
        self.count += 1
        dtype = str(keras.backend.standardize_dtype(spec.dtype))
        return Tensor(tuple(spec.shape), dtype, self.count - 1)

    def _add_call(self, call: Call, spec: Any) -> Recorded:
        """Record a call, and return its results, which `spec` describes by KerasTensors."""
        several = isinstance(spec, list | tuple)
        results = tuple(map(self._add_value, spec if several else (spec,)))
        numbers = tuple(tensor.index for tensor in results)
        self.calls.append(replace(call, outputs=numbers, origin=self.origin))
        return results if several else results[0]

    def stand_in(self, operands: Iterable[Tensor], shape: Shape, dtype: str) -> Tensor:
        """Return a value that nothing makes, for the result of a refused op on these operands."""
        refused = Call(REFUSED, _refs(tuple(operands)), {}, ())
        made: Tensor = self._add_call(refused, keras.KerasTensor(shape, dtype))
        return made

    def op(
        self,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Recorded:
        """Record a call of the stock op `function`, called `name` in the graph."""
        literal = _has_tensor([args, list(kwargs.values())])
        args = tuple(self._argument(a, literal=literal) for a in args)
        kwargs = {k: self._argument(v, literal=literal) for k, v in kwargs.items()}
        if name == "ops.add" and is_misread_as_bias(*map(_shape, args)):
            args = args[::-1]
            if is_misread_as_bias(*map(_shape, args)):
                negative = ops.negative(args[0])
                return self.op("ops.subtract", keras.ops.subtract, (args[1], negative), {})
        named = say_channels_last(function, {k: _specs(v) for k, v in kwargs.items()})
        spec = function(*_specs(args), **named)
        refs = {k: _refs(v) for k, v in kwargs.items()}
        return self._add_call(Call(name, _refs(args), refs, ()), spec)

    def layer(
        self,
        layer: LayerSpec,
        inputs: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        weights: Mapping[str, Weight],
    ) -> Recorded:
        """Record a call of a stock layer with these weights.

        Raises LoweringError where some of them are frozen or shared and others not, and they cannot
        be taken apart.
        """
        is_fixed = layer.config.get("trainable") is False
        if is_divided(weights, self.tied, is_fixed=is_fixed):
            return self._layer_in_parts(layer, inputs, kwargs, weights)
        inputs = tuple(self._argument(a, literal=_has_tensor(inputs)) for a in inputs)
        floats = [x.dtype for x in inputs if isinstance(x, Tensor) and x.is_float]
        floats += [weight.dtype for weight in weights.values() if weight.is_float]
        dtype = floats[0] if floats else self.float_dtype
        parameters = [w for attribute, w in weights.items() if not is_statistic(attribute)]
        call = Call(
            f"layers.{layer.cls}",
            _refs(inputs),
            {name: _refs(value) for name, value in kwargs.items()},
            outputs=(),
            config={key: value for key, value in layer.config.items() if key != "trainable"},
            weights=dict(weights),
            dtype=dtype,
            trainable=not is_fixed and (not parameters or any(w.trainable for w in parameters)),
        )
        return self._add_call(call, infer_output(make_layer(layer, dtype), _specs(inputs), kwargs))

    def _layer_in_parts(
        self,
        layer: LayerSpec,
        inputs: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        weights: Mapping[str, Weight],
    ) -> Recorded:
        """Record a layer that Keras cannot hold whole, and what was taken out of it as ops."""
        parts = detach_parameters(layer, weights, self.tied)
        result = self.layer(parts.layer, inputs, kwargs, parts.kept)
        for attribute in parts.detached:
            operand = parts.for_result(attribute, result.ndim)
            apply = ops.multiply if attribute == "gamma" else ops.add
            result = apply(result, operand)
        return result

    def _argument(self, argument: Any, *, literal: bool) -> Any:
        """Return a constant as the graph can hold it: written out where small, else a weight.

        `literal` is whether it may be written out: a call of constants alone would be no part of a
        Functional model.
        """
        if isinstance(argument, list | tuple):
            return type(argument)(self._argument(a, literal=literal) for a in argument)
        if not isinstance(argument, Weight):
            return argument
        is_small = math.prod(argument.shape) * 8 <= LITERAL_BYTES
        if literal and is_small and not argument.trainable:
            return Literal(argument)
        return self.as_tensor(argument)

    def as_tensor(self, weight: Weight) -> Tensor:
        """Return a constant as a value: the kernel of a Dense layer on a one, in its own shape."""
        if weight.key not in self._bare:
            full = ops.reshape(self._row(weight), weight.shape)
            self._bare[weight.key] = cast(full, weight.dtype)
        return self._bare[weight.key]

    def _row(self, weight: Weight) -> Tensor:
        """Return the elements in one row, as floats.

        A parameter that is read in several shapes is trained as one: it has one row.
        """
        key = weight.key
        if weight.trainable:
            key = id(weight.constant.tensor), weight.reshape(math.prod(weight.shape)).arrangement
        if key not in self._rows:
            size = math.prod(weight.shape)
            one = self.one(weight.dtype if weight.is_float else self._wide_dtype())
            if size == 0:  # there is no layer of no units
                return one[:, :0]  # type: ignore[no-any-return]
            dense = LayerSpec("Dense", {"units": size, "use_bias": False})
            self._rows[key] = self.layer(dense, (one,), {}, {"kernel": weight.reshape(1, size)})
        return self._rows[key]

    def _wide_dtype(self) -> str:
        """Return a float type for integers: half floats hold few of them exactly."""
        return "float64" if self.float_dtype == "float64" else "float32"

    def one(self, dtype: str) -> Tensor:
        """Return a (1, 1) tensor of one, which depends on the first input.

        So must everything in a Functional model. The calls that make it belong to no module: the
        first block that needs it is to be like the others. Raises LoweringError where the first
        input has no elements.
        """
        if self._one is None:
            first = self.tensors[0]
            if 0 in first.shape:
                raise LoweringError(
                    "a constant beside an input without elements, which it would have to be made"
                    " of",
                    [("shapes", str(first.shape)), ("next", "give an example that has elements")],
                )
            origin, before = self.origin, len(self.calls)
            self.origin = Origin()
            # Keras does not know that the first of a dynamic length is one.
            is_known = first.ndim == 2 and first.shape[1] is not None
            element = first[:1, :1] if is_known else ops.reshape(first, (-1, 1))[:1]
            self._one = ops.ones_like(element, dtype=self.float_dtype)
            self.origin, self.calls_of_one = origin, tuple(self.calls[before:])
        return cast(self._one, dtype)  # type: ignore[no-any-return]


def _has_tensor(argument: Any) -> bool:
    """Whether a value of the graph is among the arguments."""
    if isinstance(argument, list | tuple):
        return any(map(_has_tensor, argument))
    return isinstance(argument, Tensor)


def _specs(argument: Any) -> Any:
    """Return arguments as Keras takes them to tell what an op returns."""
    if isinstance(argument, Tensor):
        return argument.spec
    if isinstance(argument, Literal):
        return argument.weight.array(argument.weight.dtype)
    if isinstance(argument, list | tuple):
        return type(argument)(_specs(a) for a in argument)
    return argument


def _shape(argument: Any) -> Shape:
    """Return the shape of an argument of an op: a value, a Literal, or a number."""
    if isinstance(argument, Literal):
        return argument.weight.shape
    if isinstance(argument, Tensor):
        return argument.shape
    return tuple(np.shape(argument))


def _refs(argument: Any) -> Any:
    """Return arguments as a call holds them."""
    if isinstance(argument, Tensor):
        return Ref(argument.index)
    if isinstance(argument, list | tuple):
        return type(argument)(_refs(a) for a in argument)
    return argument


def recorder() -> Recorder:
    """Return the recorder that is being written to. Raises LookupError outside of lowering."""
    return current.get()


def float_dtype() -> str:
    """Return the dtype in which the graph computes what has no dtype of its own."""
    return recorder().float_dtype


def one(dtype: str) -> Tensor:
    """Return a (1, 1) tensor of one that depends on the inputs, to make values of constants."""
    return recorder().one(dtype)


@contextmanager
def record_to(recorder: Recorder) -> Iterator[Recorder]:
    """Let `ops`, `layers` and `call` write to a recorder."""
    token = current.set(recorder)
    try:
        yield recorder
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
    """Call a layer on inputs, with weights by the names of its attributes.

    What is no weight is an argument of the call; None stands for a weight that it does not have.
    """
    weights: dict[str, Weight] = {}
    arguments: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, Weight):
            weights[name] = value
        elif value is not None:
            arguments[name] = value
    return recorder().layer(layer, inputs, arguments, weights)


def cast(x: Any, dtype: Any) -> Any:
    """Return `x` in a dtype, by PyTorch's or Keras's name; `x` where that is None or its own."""
    if dtype is None:
        return x
    name = str(dtype).removeprefix("torch.")
    if x.dtype == name:
        return x
    result = ops.cast(x, name)
    if isinstance(x, Tensor) and x.sizes is not None:
        return result.with_sizes(x.sizes)
    return result


def as_tensor(x: Operand) -> Tensor:
    """Return the operand as a value; a constant becomes the weight of a stock layer."""
    if isinstance(x, Weight):
        return recorder().as_tensor(x)
    assert isinstance(x, Tensor)
    return x
