"""Modules whose state_dict has other names, other objects or other values than they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.conversion.state_names import StateNames, read_state_names


class Net(nn.Module):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 5), nn.BatchNorm1d(5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x))


class Prefixed(Net):
    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {f"model.{k}": v for k, v in super().state_dict(*args, **kwargs).items()}


class PrefixedCopies(Net):
    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {f"model.{k}": v.clone() for k, v in super().state_dict(*args, **kwargs).items()}


class WithoutStatistics(Net):
    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {k: v for k, v in super().state_dict(*args, **kwargs).items() if "b." not in k}


class Extra(Net):
    def get_extra_state(self) -> dict[str, Any]:
        return {"version": 3, "names": ["x"]}

    def set_extra_state(self, state: Any) -> None:
        assert state == {"version": 3, "names": ["x"]}


class ExtraTensor(Net):
    def get_extra_state(self) -> torch.Tensor:
        return torch.arange(4)

    def set_extra_state(self, state: torch.Tensor) -> None:
        assert state.tolist() == [0, 1, 2, 3]


class Beside(Net):
    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {**super().state_dict(*args, **kwargs), "epoch": 7, "config": None}


def with_hook() -> nn.Module:
    def rename(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
        state["first.weight"] = state.pop("a.weight")

    net = Net()
    net.register_state_dict_post_hook(rename)
    return net


GOOD: dict[str, Callable[[], nn.Module]] = {
    "prefixed": Prefixed,
    "prefixed copies": PrefixedCopies,
    "left out": WithoutStatistics,
    "extra state": Extra,
    "extra state, a tensor": ExtraTensor,
    "objects beside": Beside,
    "a hook": with_hook,
}


@pytest.mark.parametrize("name", GOOD)
def test_entries_are_the_modules_own(name: str) -> None:
    module, other = GOOD[name]().eval(), GOOD[name]().eval()
    x = torch.randn(2, 3)
    converted = t2k.convert(module, x)
    assert_same(converted.state_dict(), module.state_dict())
    changed = other.state_dict()
    converted.load_state_dict(changed)
    assert_same(converted.state_dict(), changed)
    if name != "left out":
        with torch.no_grad():
            assert abs(converted(x) - other(x).numpy()).max() < 1e-6
    converted.verify()


def assert_same(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        equal = torch.equal(ours[name], value) if torch.is_tensor(value) else ours[name] == value
        assert equal, name


class Halved(Net):
    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {k: v.half() for k, v in super().state_dict(*args, **kwargs).items()}


class Raising(Net):
    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        raise KeyError("no weights today")


class NoMapping(Net):
    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return 7


BAD = {"other values": Halved, "an exception": Raising, "no mapping": NoMapping}


@pytest.mark.parametrize("name", BAD)
def test_refused_and_the_advice_works(name: str) -> None:
    module, x = BAD[name]().eval(), torch.randn(2, 3)
    converted = t2k.convert(module, x)
    converted.verify()
    for attempt in (converted.state_dict, lambda: converted.load_state_dict(Net().state_dict())):
        with pytest.raises(t2k.InputError, match=r"keep torch\.nn\.Module's own state_dict"):
            attempt()
    BAD[name].state_dict = nn.Module.state_dict
    assert_same(t2k.convert(module, x).state_dict(), module.state_dict())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"_extra_state": {"version": 4}}, "_extra_state: not what it was"),
        ({"a.weight": object()}, "a.weight: a object is no tensor"),
        ({"a.weight": torch.zeros(2)}, r"a.weight \(2,\), in the module \(5, 3\)"),
        ({"more": torch.zeros(2)}, "unknown  more"),
    ],
)
def test_what_does_not_fit(change: dict[str, Any], problem: str) -> None:
    module = Extra().eval()
    converted = t2k.convert(module, torch.randn(2, 3))
    with pytest.raises(t2k.InputError, match=problem):
        converted.load_state_dict({**module.state_dict(), **change})
    assert_same(converted.state_dict(), module.state_dict())


@pytest.mark.parametrize("given", [None, 3, [torch.zeros(3)]])
def test_no_state_dict(given: Any) -> None:
    converted = t2k.convert(Net().eval(), torch.randn(2, 3))
    with pytest.raises(t2k.InputError, match="is no state_dict"):
        converted.load_state_dict(given)


def test_a_state_dict_that_writes_leaves_the_module_alone() -> None:
    class Counting(Net):
        calls = 0

        def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            self.calls += 1
            return super().state_dict(*args, **kwargs)

    module = Counting()
    names = read_state_names(module, dict(module.named_parameters()))
    assert "calls" not in module.__dict__
    assert names.problem.startswith("no parameter or buffer: b.running_mean")


def test_ties_have_one_value() -> None:
    names = StateNames({"a": "w", "b": "w"}, order=("a", "b"))
    shapes = {"w": torch.Size([2])}
    one, two = torch.zeros(2), torch.ones(2)
    assert names.to_state({"a": one, "b": one.clone()}, shapes)["w"].tolist() == [0, 0]
    with pytest.raises(t2k.InputError, match="b: other values than another name"):
        names.to_state({"a": one, "b": two}, shapes)
