"""Checkpoints of all kinds loaded into a Converted, and into a saved model: paths and prefixes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

import torch2keras as t2k
from torch2keras.keras_model import layers as layers_module


def make_net(classes: int = 4, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5), nn.ReLU(), nn.Flatten(), nn.Linear(45, classes)
    ).eval()


NEW = make_net(seed=1)
STATE = NEW.state_dict()
X = torch.randn(2, 3, 11)


def under(prefix: str, state: Mapping[str, Any] = STATE) -> dict[str, Any]:
    return {prefix + name: value for name, value in state.items()}


def save_shards(folder: Path) -> Path:
    shards = {}
    for number, (name, tensor) in enumerate(STATE.items()):
        shards[name] = f"model-{number}.safetensors"
        save_file({name: tensor}, folder / shards[name])
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    return folder


def save_torch(saved: Any) -> Callable[[Path], Path]:
    def save(folder: Path) -> Path:
        torch.save(saved, folder / "newer.pth")
        return folder / "newer.pth"

    return save


def save_safetensors(folder: Path) -> Path:
    save_file(STATE, folder / "newer.safetensors")
    return folder / "newer.safetensors"


DOUBLED = {name: value + value for name, value in STATE.items()}

# What makes the source of a load in a folder, and what the report says of it.
SOURCES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a state_dict": (lambda _: STATE, "9 tensors of this state_dict."),
    "arrays": (lambda _: {n: t.numpy() for n, t in STATE.items()}, "9 tensors"),
    "lists": (lambda _: {n: t.tolist() for n, t in STATE.items()}, "9 tensors"),
    "DataParallel": (lambda _: under("module."), "without the prefix 'module.'"),
    "torch.compile": (lambda _: under("_orig_mod."), "'_orig_mod.' is left out"),
    "an average": (lambda _: AveragedModel(NEW).state_dict(), "Not taken: n_averaged"),
    "Lightning": (
        lambda _: {"epoch": 3, "state_dict": under("model."), "loops": {"a": 1}},
        "its entry 'state_dict', without the prefix 'model.'",
    ),
    "beside its average": (lambda _: {"model": DOUBLED, "ema": STATE}, "its entry 'ema'"),
    "a file of torch.save": (save_torch(STATE), "newer.pth."),
    "a file of Lightning": (save_torch({"epoch": 3, "state_dict": under("net.")}), "'net.'"),
    "safetensors": (save_safetensors, "newer.safetensors."),
    "a text": (lambda folder: str(save_safetensors(folder)), "newer.safetensors."),
    "shards": (save_shards, "9 tensors"),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[t2k.Converted, Path]:
    """A Converted of other weights, and its file."""
    converted = t2k.convert(make_net(), (X,))
    return converted, converted.save(tmp_path_factory.mktemp("saved") / "net.keras")


def forget(converted: t2k.Converted) -> None:
    converted.load_state_dict(make_net().state_dict())


@pytest.mark.parametrize("name", SOURCES)
def test_loaded_in_both_ways(name: str, saved: tuple[t2k.Converted, Path], tmp_path: Path) -> None:
    converted, path = saved
    make, says = SOURCES[name]
    forget(converted)
    source = make(tmp_path)
    weights = t2k.weights(path)
    for report in (converted.load_state_dict(source), weights.load(source)):
        assert report.is_complete
        assert says in str(report)
    for back in (converted.state_dict(), weights.to_state_dict()):
        for key, value in STATE.items():
            assert torch.equal(back[key], value), key
    assert np.allclose(converted(X), NEW(X).detach().numpy(), atol=1e-6)


def test_verified_with_the_weights_that_were_loaded(saved: tuple[t2k.Converted, Path]) -> None:
    converted, _ = saved
    forget(converted)
    converted.verify()
    assert converted.verification is not None
    converted.load_state_dict(under("module."))
    assert converted.verification is None
    converted.verify()
    assert converted.verification is not None
    converted.model.weights[-1].assign_add(np.ones(4, "float32"))
    assert converted.verification is None


PARTS = {name: value for name, value in STATE.items() if not name.startswith("0.")}


def test_without_strict_what_fits_is_taken(saved: tuple[t2k.Converted, Path]) -> None:
    converted, path = saved
    forget(converted)
    head = make_net(classes=7).state_dict()["4.weight"]
    given = under("module.", {**PARTS, "4.weight": head, "0.kernel": STATE["0.weight"]})
    with pytest.raises(t2k.InputError) as raised:
        converted.load_state_dict(given)
    rows = dict(raised.value.rows)
    assert rows["missing"] == "0.weight\n0.bias"
    assert rows["unknown"] == "0.kernel"
    assert rows["shapes"] == "4.weight (7, 45), in the module (4, 45)"
    for report in (
        converted.load_state_dict(given, strict=False),
        t2k.weights(path).load(given, strict=False),
    ):
        assert report.missing_keys == ("0.weight", "0.bias")
        assert report.unexpected_keys == ("0.kernel",)
        assert report.mismatched_keys == ("4.weight",)
        assert "shapes  4.weight (7, 45)" in str(report)
    back, before = converted.state_dict(), make_net().state_dict()
    for key, value in back.items():
        source = STATE if key in PARTS and key != "4.weight" else before
        assert torch.equal(value, source[key]), key
    converted.verify()


def test_the_nearest_name_is_told(saved: tuple[t2k.Converted, Path]) -> None:
    converted, _ = saved
    given = {**STATE, "4.wieght": STATE["4.weight"]}
    del given["4.weight"]
    with pytest.raises(t2k.InputError, match=r"4\.weight \(like 4\.wieght\)"):
        converted.load_state_dict(given)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("given", [{}, {"a.b": torch.ones(3)}, {"epoch": 3}])
def test_nothing_that_fits_is_an_error(
    strict: bool, given: Any, saved: tuple[t2k.Converted, Path]
) -> None:
    converted, _ = saved
    with pytest.raises(t2k.InputError, match="are not those of the module"):
        converted.load_state_dict(given, strict=strict)


def test_of_two_places_one_is_named(saved: tuple[t2k.Converted, Path]) -> None:
    converted, _ = saved
    forget(converted)
    twins = under("student.") | under("teacher.", DOUBLED)
    for given, entry in ((twins, "student"), ({"first": STATE, "second": DOUBLED}, "first")):
        with pytest.raises(t2k.InputError, match="in several places") as raised:
            converted.load_state_dict(given)
        assert entry in dict(raised.value.rows)["next"]
        converted.load_state_dict(given, entry=entry)
        assert torch.equal(converted.state_dict()["4.bias"], STATE["4.bias"])


class Tied(nn.Module):
    """Two names of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3, bias=False)
        self.b = nn.Linear(3, 3, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x).relu())


def test_one_name_of_two_is_enough(tmp_path: Path) -> None:
    module, x = Tied().eval(), torch.randn(2, 3)
    converted = t2k.convert(module, (x,))
    with torch.no_grad():
        module.a.weight.mul_(3)
    save_file({"a.weight": module.a.weight}, tmp_path / "tied.safetensors")
    assert converted.load_state_dict(tmp_path / "tied.safetensors").is_complete
    assert torch.equal(converted.state_dict()["b.weight"], module.a.weight)
    assert np.allclose(converted(x), module(x).detach().numpy(), atol=1e-6)


def test_a_write_that_fails_on_the_way_leaves_the_old_weights(
    saved: tuple[t2k.Converted, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch2keras.conversion import weights as weights_module

    converted, _ = saved
    forget(converted)
    before = [np.array(weight.value) for weight in converted.model.weights]
    *_, (last, attribute, _) = converted.conversion.weight_map.weights

    def find_variable(layer: Any, path: str) -> Any:
        variable = layers_module.find_variable(layer, path)
        return Stuck(variable) if (layer.name, path) == (last, attribute) else variable

    class Stuck:
        def __init__(self, variable: Any) -> None:
            self._variable = variable

        def __getattr__(self, name: str) -> Any:
            return getattr(self._variable, name)

        def assign(self, value: Any) -> None:
            if not np.array_equal(value, before[-1]):
                raise MemoryError

    monkeypatch.setattr(weights_module, "find_variable", find_variable)
    with pytest.raises(t2k.Torch2KerasError):
        converted.load_state_dict(STATE)
    for weight, old in zip(converted.model.weights, before, strict=True):
        assert np.array_equal(np.array(weight.value), old)
