"""Objects that a stranger's module may hold, or give: they raise, refuse, or answer all."""

from __future__ import annotations

import collections
import io
import itertools
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn


class OwnError(Exception):
    """What a strange module raises; never what a user of the converter may see."""


def raising(*_: Any, **__: Any) -> Any:
    raise OwnError("a stranger's module was asked for something")


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
