"""Everything that a module may hold is as it was, whatever its forward does to it."""

from __future__ import annotations

import copy
import logging
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from torch2keras.runtime.module_state import Held, note_modules
from torch2keras.runtime.native_attributes import submodules


class Stubborn(list):
    """A list that refuses to be changed or looked at, but by `list` itself."""

    def refuse(self, *_: Any) -> Any:
        raise AssertionError

    clear = extend = __iter__ = __len__ = __setitem__ = refuse


class Frozen(OrderedDict):
    """As the configs of diffusers: written once, then closed, but not to `OrderedDict` itself."""

    def __setitem__(self, key: str, value: Any) -> None:
        raise AssertionError

    update = clear = __setitem__


@dataclass
class Statistics:
    count: int = 0
    sums: dict[str, list[int]] = field(default_factory=lambda: {"a": [1]})


class Slots:
    __slots__ = ("empty", "filled", "values")

    def __init__(self) -> None:
        self.filled, self.values = 3, [5]


class Pair(NamedTuple):
    first: list[int]
    second: dict[str, int]


class Raising:
    """Raises at every question."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)

    def __len__(self) -> int:
        raise AssertionError

    def __bool__(self) -> bool:
        raise AssertionError

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    __hash__ = None  # type: ignore[assignment]


def frozen() -> Frozen:
    made = Frozen()
    OrderedDict.__setitem__(made, "a", [1])
    return made


def change_slots(held: Slots) -> None:
    held.values.append(7)
    held.empty = 1
    del held.filled


def change_statistics(held: Statistics) -> None:
    held.count += 1
    held.sums["a"].append(2)
    held.extra = 5


# What is held in `module.held`, how forward changes it, and a view of it to compare.
HELD: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "list": (lambda: [3, 5], lambda held: held.append(7), list),
    "order of a list": (lambda: [3, 5, 7], lambda held: held.reverse(), list),
    "dict": (lambda: {"a": 1, "b": 2}, lambda held: (held.pop("a"), held.update(c=3)), dict),
    "order of a dict": (lambda: {"a": 1, "b": 2}, lambda held: held.update(a=held.pop("a")), list),
    "lists in dicts in lists": (
        lambda: [{"a": [[3], {"b": [5]}]}],
        lambda held: held[0]["a"][1]["b"].append(7),
        copy.deepcopy,
    ),
    "lists in a tuple": (lambda: ([3], ([5],)), lambda held: held[1][0].append(7), copy.deepcopy),
    "named tuple": (lambda: Pair([3], {}), lambda held: held.second.update(a=1), copy.deepcopy),
    "set": (lambda: {3, 5}, lambda held: held.add(7), set),
    "deque": (lambda: deque([3, 5], maxlen=2), lambda held: held.append(7), list),
    "defaultdict": (lambda: defaultdict(list, a=[1]), lambda held: held["b"].append(2), dict),
    "Counter": (lambda: Counter("aab"), lambda held: held.update("bc"), dict),
    "OrderedDict": (
        lambda: OrderedDict(a=1, b=2),
        lambda held: held.move_to_end("a"),
        lambda held: list(held.items()),
    ),
    "list with methods of its own": (
        lambda: Stubborn([3]),
        lambda held: list.append(held, 5),
        lambda held: list(list.__iter__(held)),
    ),
    "mapping that is closed": (
        frozen,
        lambda held: (OrderedDict.__setitem__(held, "b", 2), held["a"].append(2)),
        lambda held: copy.deepcopy(list(held.items())),
    ),
    "array": (
        lambda: np.array([3.0, np.nan, 5.0]),
        lambda held: held.__setitem__(0, 7.0),
        lambda held: held.tobytes(),
    ),
    "array in a dict": (
        lambda: {"a": np.arange(5)},
        lambda held: held["a"].sort(axis=0) or held["a"].__imul__(2),
        lambda held: held["a"].tolist(),
    ),
    "tensor": (lambda: torch.ones(5), lambda held: held.mul_(3), Tensor.tolist),
    "bits of a tensor": (
        lambda: torch.tensor([0.0, torch.nan]),
        lambda held: held.neg_(),
        lambda held: held.numpy().tobytes(),
    ),
    "view of a tensor": (
        lambda: torch.ones(3, 5)[:, 1],
        lambda held: held._base.mul_(3),
        lambda held: held._base.tolist(),
    ),
    "tensors in a dict in a list": (
        lambda: [{"a": torch.zeros(3, dtype=torch.long)}],
        lambda held: held[0]["a"].add_(1),
        lambda held: held[0]["a"].tolist(),
    ),
    "tensor with another memory": (
        lambda: torch.ones(5),
        lambda held: setattr(held, "data", torch.zeros(7)),
        lambda held: (held.tolist(), held.data_ptr()),
    ),
    "tensor with gradient": (
        lambda: torch.ones(5, requires_grad=True) * 2,
        lambda held: held.detach().mul_(3),
        Tensor.tolist,
    ),
    "module in a list": (
        lambda: [nn.BatchNorm1d(5)],
        lambda held: (held[0].running_mean.add_(1), setattr(held[0], "eps", 3)),
        lambda held: (held[0].running_mean.tolist(), held[0].eps),
    ),
    "lazy module in a list": (
        lambda: [nn.LazyConv1d(5, 3)],
        lambda held: held[0](torch.ones(2, 3, 11)),
        lambda held: (type(held[0]), held[0].in_channels, type(held[0].weight), repr(held[0])),
    ),
    "namespace": (
        lambda: types.SimpleNamespace(a=[1]),
        lambda held: (held.a.append(2), setattr(held, "b", 3)),
        repr,
    ),
    "object of the author's": (Statistics, change_statistics, lambda held: str(vars(held))),
    "object with slots": (
        Slots,
        change_slots,
        lambda held: {name: repr(getattr(held, name, "empty")) for name in Slots.__slots__},
    ),
    "itself": (
        list,
        lambda held: held.append(held),
        len,
    ),
    "what raises at every question": (
        lambda: [Raising(), [3]],
        lambda held: held[1].append(5),
        lambda held: list(held[1]),
    ),
}


class Net(nn.Module):
    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held = held


def note_module(module: nn.Module, *, copy_state: bool = False) -> list[Held]:
    return note_modules(submodules(module), copy_state=copy_state)


def restore(notes: list[Held]) -> None:
    for held in notes:
        held.restore()


@pytest.mark.filterwarnings("ignore:Lazy modules")
@pytest.mark.parametrize("name", HELD)
def test_what_forward_changes_is_put_back(name: str) -> None:
    build, change, view = HELD[name]
    net = Net(build())
    held, before, notes = net.held, view(net.held), note_module(net)
    change(net.held)
    assert view(net.held) != before
    net.held = None
    restore(notes)
    assert net.held is held
    assert view(held) == before


def test_attributes_come_back_in_their_order() -> None:
    net = Net(3)
    net.other, before = 5, None
    before = list(vars(net).items())
    notes = note_module(net)
    del net.held
    net.new, net.other, net.held = 1, 2, 4
    restore(notes)
    assert list(vars(net).items()) == before


def test_hooks_parts_and_buffers_come_back() -> None:
    net = nn.Sequential(nn.BatchNorm1d(5), nn.ReLU())
    mean, relu, notes = net[0].running_mean, net[1], note_module(net)
    net[0].running_mean = torch.ones(5)
    net[0].register_buffer("more", torch.ones(1))
    net.register_forward_hook(lambda *_: None)
    net[1] = nn.Tanh()
    net.append(nn.GELU())
    restore(notes)
    assert net[0].running_mean is mean
    assert (list(net[0]._buffers), len(net._forward_hooks), len(net), net[1]) == (
        ["running_mean", "running_var", "num_batches_tracked"], 0, 2, relu,
    )  # fmt: skip


@pytest.mark.parametrize("copy_state", [False, True])
def test_values_of_parameters_and_buffers_come_back_where_asked(copy_state: bool) -> None:
    net = nn.BatchNorm1d(5)
    notes = note_module(net, copy_state=copy_state)
    with torch.no_grad():
        net.weight.mul_(3)
        net.running_mean.add_(7)
    restore(notes)
    assert net.weight.tolist() == [1.0 if copy_state else 3.0] * 5
    assert net.running_mean.tolist() == [0.0 if copy_state else 7.0] * 5


def test_a_parameter_gets_its_memory_back_in_any_case() -> None:
    net = nn.Linear(3, 5)
    address, version, notes = net.weight.data_ptr(), net.weight._version, note_module(net)
    net.weight.data = torch.zeros(5, 3)
    restore(notes)
    assert (net.weight.data_ptr(), net.weight._version) == (address, version)
    assert net.weight.any()


def test_untouched_tensors_keep_their_version() -> None:
    net = Net(torch.ones(5))
    notes = note_module(net, copy_state=True)
    version = net.held._version
    restore(notes)
    assert net.held._version == version


def test_tensors_that_share_memory_are_copied_once() -> None:
    whole = torch.zeros(1000, 1000)
    notes = note_module(Net([whole[i] for i in range(1000)]))
    copies = [held for held in notes if type(held).__name__ == "_HeldStorage"]
    assert len(copies) == 1


def test_objects_of_others_are_left_alone() -> None:
    class Handler(logging.Handler):
        pass

    net = Net([logging.getLogger("torch2keras.test_module_state"), Counter, types])
    notes = note_module(net)
    net.held[0].level, handlers = 7, net.held[0].handlers
    handlers.append(Handler())
    restore(notes)
    assert net.held[0].level == 7
    handlers.clear()


def test_a_long_chain_is_walked() -> None:
    chain: list[Any] = []
    for _ in range(10_000):
        chain = [chain]
    net = Net(chain)
    notes = note_module(net)
    chain.append(3)
    restore(notes)
    assert len(net.held) == 1


def test_what_cannot_be_written_is_left() -> None:
    fixed = np.arange(3)
    fixed.flags.writeable = False
    objects = np.array([object(), None])
    net = Net([fixed, objects, torch.ones(3, device="meta"), torch.eye(3).to_sparse(), object()])
    before = list(net.held)
    restore(note_module(net))
    assert all(a is b for a, b in zip(net.held, before, strict=True))
