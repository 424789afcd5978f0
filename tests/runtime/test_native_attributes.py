"""What a stranger's object holds is read without a word from its class."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from torch2keras.runtime.native_attributes import (
    instance_dict,
    is_native,
    own_members,
    slot_descriptors,
    state_tensors,
    submodules,
    walk_submodules,
)


class Trap(nn.Module):
    """Raises at every question that is not asked of Python itself."""

    armed = False

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 5)
        self.alias = self.inner
        self.register_buffer("scale", torch.ones(7))
        self.nothing = None
        Trap.armed = True

    def __getattribute__(self, name: str) -> Any:
        if Trap.armed:
            raise AssertionError(name)
        return super().__getattribute__(name)


@pytest.fixture
def trap():
    yield Trap()
    Trap.armed = False


def test_a_module_that_raises_at_every_attribute_is_read(trap: Trap) -> None:
    assert list(submodules(trap)) == ["", "inner"]
    assert list(state_tensors(submodules(trap))) == ["inner.weight", "inner.bias", "scale"]
    assert list(own_members(trap, "_modules")) == ["inner", "alias"]
    assert instance_dict(trap)["training"] is True


def test_submodules_are_those_of_pytorch() -> None:
    shared = nn.ReLU()
    net = nn.Sequential(
        nn.Sequential(shared, nn.Linear(3, 5)), shared, nn.ModuleDict({"a": nn.Tanh()})
    )
    net.register_module("empty", None)
    net.append(net[0])
    assert list(submodules(net).items()) == list(net.named_modules())
    assert list(state_tensors(submodules(net)).items()) == list(net.named_parameters())


def test_shared_modules_have_all_their_paths_and_a_circle_ends() -> None:
    shared = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    module = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared, shared)})
    assert list(walk_submodules(module)) == list(module.named_modules(remove_duplicate=False))
    shared.append(module)
    paths = [path for path, _ in walk_submodules(module)]
    assert paths[:4] == ["", "a", "a.0", "a.1"]
    assert "b.1.1" in paths
    assert "a.2" not in paths


def test_tied_parameters_come_once_and_buffers_last() -> None:
    net = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 5), nn.Linear(5, 5))
    net[2].weight = net[1].weight
    wanted = [name for name, _ in (*net.named_parameters(), *net.named_buffers())]
    assert list(state_tensors(submodules(net))) == wanted


def test_modules_in_torchscript_are_found() -> None:
    net = torch.jit.script(nn.Sequential(nn.ReLU(), nn.Linear(3, 5)))
    assert list(submodules(net)) == ["", "0", "1"]


class Shadowed:
    """Has an instance dict, and says that it is another one."""

    __dict__ = property(lambda self: {"no": "this one"})  # type: ignore[assignment]


class Base:
    __slots__ = ("filled", "left_empty")


class Derived(Base):
    __slots__ = ("own",)


def test_the_dict_itself_is_given() -> None:
    held = SimpleNamespace(a=1)
    instance_dict(held)["b"] = 2
    assert held.b == 2
    assert instance_dict(Derived()) is None
    assert instance_dict(7) is None


def test_a_shadowed_dict_is_not_asked() -> None:
    assert instance_dict(Shadowed()) is None


def test_slots_of_all_bases_are_found() -> None:
    assert {slot.__name__ for slot in slot_descriptors(Derived())} == {
        "own",
        "filled",
        "left_empty",
    }
    assert not list(slot_descriptors(SimpleNamespace(a=1)))
    assert not list(slot_descriptors(iter([])))


class Liar:
    __class__ = property(lambda self: nn.Module)  # type: ignore[assignment]


def test_what_an_object_says_of_its_class_does_not_count() -> None:
    assert isinstance(Liar(), nn.Module)
    assert not is_native(Liar(), nn.Module)
    assert is_native(nn.ReLU(), nn.Module)
