"""Habits of strange classes: a property that raises, a decorated forward, an odd `__len__`."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from strange_objects import AnswersAll, OwnError, Pair, Refusing, Result, raising

Class = type[nn.Module]
ClassHabit = Callable[[Class], Class]

CLASS_HABITS: dict[str, ClassHabit] = {}


def class_habit(function: ClassHabit) -> ClassHabit:
    CLASS_HABITS[function.__name__] = function
    return function


def subclass(cls: Class, **namespace: Any) -> Class:
    """A subclass with these members."""
    return types.new_class(cls.__name__, (cls,), {}, lambda into: into.update(namespace))


# What a module answers when it is asked for something.

for _name in (
    "config",
    "device",
    "dtype",
    "name",
    "hparams",
    "device_type",
    "is_leaf",
    "padding",
    "training_step",
    "base_model",
    "module",
    "_orig_mod",
    "logits",
    "num_parameters",
    "use_cache",
    "shape",
    "ndim",
    "weight_g",
):
    CLASS_HABITS[f"property {_name} raises"] = lambda cls, name=_name: subclass(
        cls, **{name: property(raising)}
    )


@class_habit
def getattr_answers_all(cls: Class) -> Class:
    def __getattr__(self, name: str) -> Any:  # noqa: N807
        try:
            return nn.Module.__getattr__(self, name)
        except AttributeError:
            if name.startswith("__"):
                raise
            return AnswersAll()

    return subclass(cls, __getattr__=__getattr__)


@class_habit
def getattr_raises_another_error(cls: Class) -> Class:
    def __getattr__(self, name: str) -> Any:  # noqa: N807
        try:
            return nn.Module.__getattr__(self, name)
        except AttributeError:
            raise KeyError(name) from None

    return subclass(cls, __getattr__=__getattr__)


@class_habit
def property_with_side_effects(cls: Class) -> Class:
    def count(self) -> int:
        held = self.__dict__
        held["asked"] = held.get("asked", 0) + 1
        return held["asked"]

    return subclass(cls, config=property(count), extra=property(count))


@class_habit
def setattr_refuses(cls: Class) -> Class:
    def __setattr__(self, name: str, value: Any) -> None:  # noqa: N807
        if getattr(self, "closed", False) and name != "training":
            raise OwnError(name)
        nn.Module.__setattr__(self, name, value)

    def __init__(self) -> None:  # noqa: N807
        cls.__init__(self)
        self.__dict__["closed"] = True

    return subclass(cls, __setattr__=__setattr__, __init__=__init__)


SPECIAL: dict[str, Any] = {
    "__len__": lambda self: 0,
    "__bool__": lambda self: False,
    "__eq__": lambda self, other: torch.ones(2) == 1,
    "__iter__": raising,
    "__contains__": raising,
    "__repr__": raising,
    "__str__": raising,
    "__deepcopy__": raising,
    "__copy__": raising,
    "__reduce__": raising,
    "__reduce_ex__": raising,
    "__getstate__": raising,
    "__dir__": raising,
    "__format__": raising,
    "__sizeof__": raising,
    "__getitem__": raising,
    "extra_repr": raising,
    "_get_name": raising,
    "__hash__": lambda self: 7,
}
for _name, _method in SPECIAL.items():
    CLASS_HABITS[f"{_name} is odd"] = lambda cls, name=_name, method=_method: subclass(
        cls, **{name: method, **({"__hash__": nn.Module.__hash__} if name == "__eq__" else {})}
    )
for _name in ("__len__", "__bool__", "__eq__"):
    CLASS_HABITS[f"{_name} raises"] = lambda cls, name=_name: subclass(
        cls, **{name: raising, "__hash__": nn.Module.__hash__}
    )


# Methods of nn.Module that a subclass says otherwise.

for _name in (
    "train",
    "eval",
    "parameters",
    "named_parameters",
    "buffers",
    "named_buffers",
    "state_dict",
    "named_modules",
    "modules",
    "children",
    "named_children",
    "load_state_dict",
    "to",
    "float",
    "double",
    "cpu",
    "requires_grad_",
    "zero_grad",
    "apply",
    "get_submodule",
    "get_parameter",
    "_apply",
    "_named_members",
    "half",
    "type",
    "share_memory",
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_buffer",
    "add_module",
):
    CLASS_HABITS[f"{_name} raises"] = lambda cls, name=_name: subclass(cls, **{name: raising})


@class_habit
def train_keeps_the_norms(cls: Class) -> Class:
    def train(self, mode: bool = True):
        nn.Module.train(self, mode)
        for part in nn.Module.modules(self):
            if isinstance(part, nn.BatchNorm1d):
                part.eval()
        return self

    return subclass(cls, train=train)


@class_habit
def train_gives_nothing(cls: Class) -> Class:
    return subclass(cls, train=lambda self, mode=True: None)


@class_habit
def state_dict_with_a_prefix(cls: Class) -> Class:
    def state_dict(self, *args: Any, **kwargs: Any):
        held = nn.Module.state_dict(self, *args, **kwargs)
        return {f"net.{name}": value for name, value in held.items()}

    return subclass(cls, state_dict=state_dict)


@class_habit
def state_dict_with_extra_state(cls: Class) -> Class:
    return subclass(
        cls, get_extra_state=lambda self: {"version": 3}, set_extra_state=lambda self, state: None
    )


# Forwards.


def forward_like(cls: Class, change: Callable[[Any, Any], Any]) -> Class:
    """A subclass whose forward gives `change(self, result)`."""

    def forward(self, x):
        return change(self, cls.forward(self, x))

    return subclass(cls, forward=forward)


RESULTS: dict[str, Callable[[Any, Any], Any]] = {
    "forward gives a list": lambda self, y: [y, y + 1],
    "forward gives a dict": lambda self, y: {"logits": y, "none": None, "name": "net"},
    "forward gives a dict with numbers as keys": lambda self, y: {0: y, 1: y * 2},
    "forward gives a named tuple": lambda self, y: Pair(y, y.mean()),
    "forward gives a dataclass": lambda self, y: Result(y),
    "forward gives nothing": lambda self, y: None,
    "forward gives a number": lambda self, y: 3,
    "forward gives a text": lambda self, y: "logits",
    "forward gives its input back": lambda self, y: (y, self),
    "forward gives an array": lambda self, y: y.detach().numpy(),
    "forward gives a generator": lambda self, y: (part for part in (y, y)),
    "forward gives an object": lambda self, y: Refusing(),
    "forward gives nested results": lambda self, y: ({"a": [y, (y,)]}, None, 3),
    "forward raises": lambda self, y: raising(),
    "forward raises StopIteration": lambda self, y: next(iter(())),
    "forward raises KeyError": lambda self, y: {}["missing"],
    "forward asserts": lambda self, y: (_ for _ in ()).throw(AssertionError("no")),
    "forward divides by zero": lambda self, y: y / (1 // 0),
    "forward recurses": lambda self, y: type(self).forward(self, y),
    "forward warns": lambda self, y: warnings.warn("careful", stacklevel=1) or y,
    "forward prints": lambda self, y: print("in forward") or y,  # noqa: T201 - as strangers do
    "forward counts": lambda self, y: (
        self.__dict__.__setitem__("n", self.__dict__.get("n", 0) + 1) or y
    ),
    "forward makes an attribute": lambda self, y: self.__dict__.__setitem__("last", y) or y,
    "forward branches on a value": lambda self, y: y if y.sum() > 0 else -y,
    "forward branches on a size": lambda self, y: y if y.shape[0] > 8 else -y,
    "forward asks for an item": lambda self, y: y * y.sum().item(),
    "forward draws": lambda self, y: y + torch.randn_like(y),
    "forward formats a tensor": lambda self, y: (f"{y}", y)[1],
    "forward sorts": lambda self, y: y.sort(dim=-1).values,
    "forward uses data": lambda self, y: y.data + 1,
    "forward detaches": lambda self, y: y.detach(),
    "forward goes through NumPy": lambda self, y: torch.from_numpy(np.tanh(y.detach().numpy())),
    "forward lists": lambda self, y: torch.tensor(y.tolist()),
    "forward takes what is not zero": lambda self, y: y[y != 0],
    "forward changes the type": lambda self, y: y.half(),
    "forward makes complex numbers": lambda self, y: torch.fft.fft(y),
    "forward makes sparse tensors": lambda self, y: y.to_sparse(),
    "forward asks for gradients": lambda self, y: torch.autograd.grad(y.sum(), [self.w])[0],
    "forward gives a view of itself": lambda self, y: y.unsafe_chunk(2, -1)[0],
}
for _name, _change in RESULTS.items():
    CLASS_HABITS[_name] = lambda cls, change=_change: forward_like(cls, change)

DECORATORS: dict[str, Callable[[Any], Any]] = {
    "no_grad": torch.no_grad(),
    "inference_mode": torch.inference_mode(),
    "autocast": torch.autocast("cpu", dtype=torch.bfloat16),
    "lru_cache": lambda function: functools.lru_cache(maxsize=2)(function),
    "a wrapper without a name": lambda function: lambda *args, **kwargs: function(*args, **kwargs),
    "a wrapper that asks for keywords": lambda function: (
        lambda self, **kwargs: function(self, kwargs["x"])
    ),
    "partialmethod": lambda function: functools.partialmethod(function),
    "staticmethod": lambda function: staticmethod(function),
    "a wrapper with another signature": lambda function: functools.wraps(function)(
        lambda self, *tensors, flag=True: function(self, *tensors)
    ),
    "checkpoint": lambda function: (
        lambda self, x: torch.utils.checkpoint.checkpoint(
            lambda given: function(self, given), x, use_reentrant=True
        )
    ),
}
for _name, _decorator in DECORATORS.items():
    CLASS_HABITS[f"forward under {_name}"] = lambda cls, decorate=_decorator: subclass(
        cls, forward=decorate(cls.forward)
    )


@class_habit
def call_is_overridden(cls: Class) -> Class:
    return subclass(cls, __call__=lambda self, x: nn.Module.__call__(self, x) + 1)


@class_habit
def forward_is_a_property(cls: Class) -> Class:
    inner = cls.forward
    return subclass(cls, forward=property(lambda self: functools.partial(inner, self)))


@class_habit
def forward_is_an_object(cls: Class) -> Class:
    inner = cls.forward

    class Forward:
        def __get__(self, instance: Any, owner: Any) -> Any:
            return functools.partial(inner, instance)

    return subclass(cls, forward=Forward())


@class_habit
def init_takes_no_super(cls: Class) -> Class:
    return subclass(cls, __init__=lambda self: None)


@class_habit
def metaclass_of_its_own(cls: Class) -> Class:
    class Meta(type(cls)):  # type: ignore[misc]
        def __instancecheck__(cls, instance: Any) -> bool:
            raise OwnError("isinstance")

        def __repr__(cls) -> str:
            raise OwnError("repr")

    return Meta(cls.__name__, (cls,), {})


@class_habit
def name_of_the_class(cls: Class) -> Class:
    found = subclass(cls)
    found.__name__ = found.__qualname__ = 'Net "x"\n; import os  # \x1b[2J/λ'
    return found


@class_habit
def scripted_signature(cls: Class) -> Class:
    found = subclass(cls, forward=lambda self, x: cls.forward(self, x))
    found.forward.__signature__ = "no signature"
    return found
