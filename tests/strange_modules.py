"""Strange modules: small networks with one or more habits that no converter may stumble over.

A module is a base network and a few habits, drawn from one number. A habit changes the class (a property that raises, a
frozen `config`, a decorated forward, an odd `__len__`) or the instance (hooks, attributes of any kind, names of
submodules). Each habit is one that published modules have, or that Python allows an nn.Module to have.
"""

from __future__ import annotations

import collections
import functools
import io
import itertools
import threading
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

CHANNELS, LENGTH = 3, 11


class ConvNet(nn.Module):
    """Two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(CHANNELS, 5, 3, padding=1)
        self.norm = nn.BatchNorm1d(5)
        self.second = nn.Conv1d(5, 2, 3)

    def forward(self, x):
        return self.second(torch.relu(self.norm(self.first(x))))


class Tagger(nn.Module):
    """A recurrent layer and a dense one."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(CHANNELS, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.cell(x.transpose(1, 2))[0])


class Dense(nn.Module):
    """A list of layers, run in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(LENGTH, 7), nn.Linear(7, 5)])
        self.scale = nn.Parameter(torch.linspace(0.5, 2.0, 5))
        self.register_buffer("offset", torch.linspace(-1.0, 1.0, 5))

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x * self.scale + self.offset


BASES: tuple[type[nn.Module], ...] = (ConvNet, Tagger, Dense)

Class = type[nn.Module]
ClassHabit = Callable[[Class], Class]
InstanceHabit = Callable[[nn.Module], None]

CLASS_HABITS: dict[str, ClassHabit] = {}
INSTANCE_HABITS: dict[str, InstanceHabit] = {}


class OwnError(Exception):
    """What a strange module raises; never what a user of the converter may see."""


def class_habit(function: ClassHabit) -> ClassHabit:
    CLASS_HABITS[function.__name__] = function
    return function


def instance_habit(function: InstanceHabit) -> InstanceHabit:
    INSTANCE_HABITS[function.__name__] = function
    return function


def subclass(cls: Class, **namespace: Any) -> Class:
    """A subclass with these members."""
    return types.new_class(cls.__name__, (cls,), {}, lambda into: into.update(namespace))


def raising(*_: Any, **__: Any) -> Any:
    raise OwnError("a stranger's module was asked for something")


# What a module answers when it is asked for something.

for _name in (
    "config", "device", "dtype", "name", "hparams", "device_type", "is_leaf", "padding", "training_step",
    "base_model", "module", "_orig_mod", "logits", "num_parameters", "use_cache", "shape", "ndim", "weight_g",
):  # fmt: skip
    CLASS_HABITS[f"property {_name} raises"] = lambda cls, name=_name: subclass(
        cls, **{name: property(raising)}
    )


class Frozen(collections.OrderedDict):
    """A mapping that refuses to be changed, as diffusers' FrozenDict."""

    def update(self, *_: Any, **__: Any) -> None:
        raise OwnError("frozen")

    def __setitem__(self, key: Any, value: Any) -> None:
        if getattr(self, "closed", False):
            raise OwnError("frozen")
        super().__setitem__(key, value)


class Slotted:
    __slots__ = ("use_cache",)

    def __init__(self) -> None:
        self.use_cache = True


class Refusing:
    """An object that refuses every question."""

    def __getattr__(self, name: str) -> Any:
        raise OwnError(name)

    def __bool__(self) -> bool:
        raise OwnError("bool")

    def __len__(self) -> int:
        raise OwnError("len")

    def __eq__(self, other: object) -> bool:
        raise OwnError("eq")

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Any]:
        raise OwnError("iter")

    def __repr__(self) -> str:
        raise OwnError("repr")

    def __deepcopy__(self, memo: Any) -> Any:
        raise OwnError("deepcopy")

    def __copy__(self) -> Any:
        raise OwnError("copy")

    def __reduce__(self) -> Any:
        raise OwnError("reduce")


class AnswersAll:
    """An object that has every attribute, as a Mock."""

    def __getattr__(self, name: str) -> Any:
        return AnswersAll()

    def __call__(self, *_: Any, **__: Any) -> Any:
        return AnswersAll()


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass
class Result:
    """What a forward may give; torch.export takes no unregistered dataclass."""

    value: Any


class RaisingDict(dict):
    """A dictionary whose contents cannot be listed."""

    def items(self):
        raise OwnError("items")

    def copy(self):
        raise OwnError("copy")

    def __iter__(self):
        raise OwnError("iter")

    def keys(self):
        raise OwnError("keys")

    def values(self):
        raise OwnError("values")


class RaisingList(list):
    """A list that cannot be copied or listed."""

    def copy(self):
        raise OwnError("copy")

    def __iter__(self):
        raise OwnError("iter")

    def __len__(self):
        raise OwnError("len")


OBJECTS: dict[str, Callable[[], Any]] = {
    "a frozen mapping": lambda: Frozen(use_cache=True),
    "an empty frozen mapping": Frozen,
    "a mapping proxy": lambda: types.MappingProxyType({"use_cache": True}),
    "an object with slots": Slotted,
    "an object that refuses": Refusing,
    "an object that answers all": AnswersAll,
    "a namespace": lambda: types.SimpleNamespace(use_cache=True, inner=Refusing()),
    "a dictionary": lambda: {"use_cache": True, 3: "three"},
    "a dictionary that cannot be listed": lambda: RaisingDict(use_cache=True),
    "a list that cannot be listed": lambda: RaisingList([1, 2]),
    "a class": lambda: Slotted,
    "a text": lambda: "use_cache",
    "a number": lambda: 3,
    "a function": lambda: raising,
    "a generator": lambda: (n for n in range(3)),
    "a lock": threading.Lock,
    "an open file": io.StringIO,
    "an array": lambda: np.arange(3.0),
    "an array of objects": lambda: np.array([None, {}], dtype=object),
    "a tensor": lambda: torch.ones(3),
    "a tensor that needs a gradient": lambda: torch.ones(3, requires_grad=True) * 2,
    "a list of modules": lambda: [nn.Linear(3, 3)],
    "a dictionary of modules": lambda: {"a": nn.Linear(3, 3)},
    "a weak reference": lambda: weakref.ref(Slotted),
    "a deque": lambda: collections.deque([1, 2], maxlen=2),
    "a defaultdict": lambda: collections.defaultdict(list),
    "a counter": itertools.count,
    "nested containers": lambda: {"a": [{"b": [1, 2]}, (3, [4])]},
    "itself in a list": lambda: (lambda held: held.append(held) or held)([]),
    "a random generator": torch.Generator,
    "a module that was not initialised": lambda: nn.Linear.__new__(nn.Linear),
    "a context manager": nullcontext,
    "an exception": OwnError,
    "a bound method": lambda: [].append,
    "nothing": lambda: None,
}
ATTRIBUTES = ("config", "cfg", "extra", "_cache", "hparams", "padding", "past_key_values", "device")


def give(module: nn.Module, name: str, value: Any) -> None:
    """Set an attribute past what the class says of setting attributes; a module among them stays a plain attribute."""
    object.__getattribute__(module, "__dict__")[name] = value


for _attribute, (_kind, _make) in itertools.product(ATTRIBUTES, OBJECTS.items()):
    INSTANCE_HABITS[f"{_attribute} is {_kind}"] = lambda module, name=_attribute, make=_make: give(
        module, name, make()
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
    "train", "eval", "parameters", "named_parameters", "buffers", "named_buffers", "state_dict", "named_modules",
    "modules", "children", "named_children", "load_state_dict", "to", "float", "double", "cpu", "requires_grad_",
    "zero_grad", "apply", "get_submodule", "get_parameter", "_apply", "_named_members", "half", "type", "share_memory",
    "register_forward_hook", "register_forward_pre_hook", "register_buffer", "add_module",
):  # fmt: skip
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
    "forward prints": lambda self, y: print("in forward") or y,
    "forward counts": lambda self, y: self.__dict__.__setitem__("n", self.__dict__.get("n", 0) + 1) or y,
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
}  # fmt: skip
for _name, _change in RESULTS.items():
    CLASS_HABITS[_name] = lambda cls, change=_change: forward_like(cls, change)

DECORATORS: dict[str, Callable[[Any], Any]] = {
    "no_grad": torch.no_grad(),
    "inference_mode": torch.inference_mode(),
    "autocast": torch.autocast("cpu", dtype=torch.bfloat16),
    "lru_cache": lambda function: functools.lru_cache(maxsize=2)(function),
    "a wrapper without a name": lambda function: lambda *args, **kwargs: function(*args, **kwargs),
    "a wrapper that asks for keywords": lambda function: lambda self, **kwargs: function(
        self, kwargs["x"]
    ),
    "partialmethod": lambda function: functools.partialmethod(function),
    "staticmethod": lambda function: staticmethod(function),
    "a wrapper with another signature": lambda function: functools.wraps(function)(
        lambda self, *tensors, flag=True: function(self, *tensors)
    ),
    "checkpoint": lambda function: lambda self, x: torch.utils.checkpoint.checkpoint(
        lambda given: function(self, given), x, use_reentrant=True
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


# Instances.


@instance_habit
def forward_on_the_instance(module: nn.Module) -> None:
    give(module, "forward", functools.partial(type(module).forward, module))


@instance_habit
def forward_is_no_function(module: nn.Module) -> None:
    give(module, "forward", 3)


HOOKS: dict[str, Callable[[nn.Module], Any]] = {
    "a forward hook": lambda m: m.register_forward_hook(lambda *_: None),
    "a forward hook that changes": lambda m: m.register_forward_hook(lambda _, __, y: y),
    "a forward hook that raises": lambda m: m.register_forward_hook(raising),
    "a hook before forward": lambda m: m.register_forward_pre_hook(lambda _, given: given),
    "a hook with keywords": lambda m: m.register_forward_pre_hook(
        lambda _, args, kwargs: (args, kwargs), with_kwargs=True
    ),
    "a backward hook": lambda m: m.register_full_backward_hook(lambda *_: None),
    "a hook before backward": lambda m: m.register_full_backward_pre_hook(lambda *_: None),
    "a hook of the state_dict": lambda m: m._register_state_dict_hook(lambda *_: None),
    "a hook of the state_dict that raises": lambda m: m._register_state_dict_hook(raising),
    "a hook before loading": lambda m: m._register_load_state_dict_pre_hook(raising),
    "a hook of a parameter": lambda m: next(m.parameters()).register_hook(lambda g: g * 2),
    "a hook that keeps": lambda m: m.register_forward_hook(
        lambda module, _, y: module.__dict__.__setitem__("seen", y)
    ),
}
for _name, _hook in HOOKS.items():
    INSTANCE_HABITS[_name] = lambda module, hook=_hook: hook(module)

NAMES = (
    "a b", "a/b", "λ", "class", 'q"uote', "new\nline", "_hidden", "0", "a" * 300, "\x1b[2J", "{x}", "%s", "<b>", "a:b",
    "kernel", "input", "model", "__class__x", "../up", "\\", "\u202e", "😀", "-", "training_", "self",
)  # fmt: skip
for _name in NAMES:
    INSTANCE_HABITS[f"a part named {_name!r}"] = lambda module, name=_name: module._modules.update(
        {name: nn.Linear(2, 2)}
    )
    INSTANCE_HABITS[f"a buffer named {_name!r}"] = (
        lambda module, name=_name: module._buffers.update({name: torch.ones(2)})
    )


@instance_habit
def used_part_with_an_odd_name(module: nn.Module) -> None:
    for name in list(module._modules):
        part = module._modules.pop(name)
        give(module, name, part)  # still called, and no longer a part by name
        module._modules[f"{name} odd/\n"] = part


@instance_habit
def a_part_is_none(module: nn.Module) -> None:
    module._modules["absent"] = None
    module._parameters["absent_parameter"] = None
    module._buffers["absent_buffer"] = None


@instance_habit
def a_part_holds_its_parent(module: nn.Module) -> None:
    module._modules["again"] = module


@instance_habit
def a_part_is_there_twice(module: nn.Module) -> None:
    module._modules["twin"] = next(iter(module._modules.values()))


@instance_habit
def a_part_is_no_module(module: nn.Module) -> None:
    module._modules["text"] = "no module"


@instance_habit
def a_parameter_is_no_tensor(module: nn.Module) -> None:
    module._parameters["number"] = 3


@instance_habit
def training(module: nn.Module) -> None:
    nn.Module.train(module)


@instance_habit
def training_is_no_bool(module: nn.Module) -> None:
    give(module, "training", "yes")


@instance_habit
def no_training_flag(module: nn.Module) -> None:
    object.__getattribute__(module, "__dict__").pop("training", None)


STATES: dict[str, Callable[[], Any]] = {
    "of no elements": lambda: torch.ones(0),
    "of float64": lambda: torch.ones(3, dtype=torch.float64),
    "of float16": lambda: torch.ones(3, dtype=torch.float16),
    "of NaN": lambda: torch.full((3,), float("nan")),
    "on meta": lambda: torch.ones(3, device="meta"),
    "complex": lambda: torch.ones(3, dtype=torch.complex64),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    "of bools": lambda: torch.ones(3, dtype=torch.bool),
    "of bfloat16": lambda: torch.ones(3, dtype=torch.bfloat16),
    "expanded": lambda: torch.ones(1).expand(3),
    "float8": lambda: torch.ones(3).to(torch.float8_e4m3fn),
}
for _name, _make in STATES.items():
    INSTANCE_HABITS[f"a buffer {_name}"] = lambda module, make=_make: module._buffers.update(
        {"odd": make()}
    )
    INSTANCE_HABITS[f"a parameter {_name}"] = lambda module, make=_make: module._parameters.update(
        {"odd": nn.Parameter(make(), requires_grad=False)}
    )


@instance_habit
def a_lazy_part(module: nn.Module) -> None:
    module._modules["lazy"] = nn.LazyLinear(3)


@instance_habit
def weight_norm(module: nn.Module) -> None:
    for part in list(nn.Module.modules(module)):
        if isinstance(part, nn.Linear | nn.Conv1d):
            parametrizations.weight_norm(part)


@instance_habit
def a_parametrization_that_raises(module: nn.Module) -> None:
    class Raising(nn.Module):
        armed = False

        def forward(self, weight):
            return raising() if self.armed else weight

    for part in list(nn.Module.modules(module)):
        if isinstance(part, nn.Linear | nn.Conv1d):
            parametrize.register_parametrization(part, "weight", Raising())
            part.parametrizations.weight[0].armed = True


@instance_habit
def frozen(module: nn.Module) -> None:
    for parameter in nn.Module.parameters(module):
        parameter.requires_grad_(False)


@instance_habit
def shared(module: nn.Module) -> None:
    parts = [part for part in nn.Module.modules(module) if isinstance(part, nn.Linear)]
    if len(parts) > 1:
        parts[0].bias = parts[0].weight


@instance_habit
def compiled(module: nn.Module) -> None:
    nn.Module.compile(module, backend="eager")


@dataclass(frozen=True)
class Strange:
    """A base network and its habits, by name."""

    base: type[nn.Module]
    class_habits: tuple[str, ...]
    instance_habits: tuple[str, ...]

    def make(self) -> nn.Module:
        """The module, made afresh. Raises whatever the habits raise among each other."""
        torch.manual_seed(0)
        cls = self.base
        for name in self.class_habits:
            cls = CLASS_HABITS[name](cls)
        module = cls()
        if "training" in object.__getattribute__(module, "__dict__"):
            nn.Module.train(module, False)
        for name in self.instance_habits:
            INSTANCE_HABITS[name](module)
        return module


def draw_strange(seed: int) -> Strange:
    """The strange module of a number: one habit, or up to four."""
    random = Random(seed)
    count = random.choice((1, 1, 1, 2, 2, 3, 4))
    of_class = sum(random.random() < 0.5 for _ in range(count))
    return Strange(
        random.choice(BASES),
        tuple(random.sample(sorted(CLASS_HABITS), of_class)),
        tuple(random.sample(sorted(INSTANCE_HABITS), count - of_class)),
    )


def example_input() -> torch.Tensor:
    """A batch of two, for every base network."""
    return torch.randn(2, CHANNELS, LENGTH, generator=torch.Generator().manual_seed(1))
