"""Weights of a saved model both ways, without the module: as the Converted itself gives them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import torch2keras as t2k

ROOT = Path(__file__).resolve().parents[3]


class Recurrent(nn.Module):
    def __init__(self, kind: Any, **options: Any) -> None:
        super().__init__()
        self.layer = kind(3, 5, batch_first=True, **options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x)[0]
        return y


class Tied(nn.Module):
    """One weight read twice, once transposed; a buffer that is none of the state_dict; a step."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 7, bias=False)
        self.register_buffer("shift", torch.randn(7), persistent=False)
        self.register_buffer("steps", torch.tensor(3))
        self.unread = nn.Parameter(torch.randn(11))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.embed(x) + self.shift) @ self.embed.weight


class Extra(nn.Linear):
    def get_extra_state(self) -> Any:
        return {"a": 1}

    def set_extra_state(self, state: Any) -> None:
        pass


def norm(layer: nn.Module) -> nn.Module:
    return parametrizations.weight_norm(layer)


# A module, and the shape of its input.
NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv": (lambda: nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5), nn.ReLU()), (2, 3, 11)),
    "groups": (lambda: nn.Conv2d(6, 4, 3, groups=2, stride=2), (2, 6, 11, 13)),
    "transposed": (lambda: nn.ConvTranspose1d(3, 5, 4, stride=2), (2, 3, 7)),
    "linear": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(33, 5)), (2, 3, 11)),
    "embedding": (lambda: nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5)), (2, 7, 3)),
    "lstm": (lambda: Recurrent(nn.LSTM, bidirectional=True, num_layers=2), (2, 7, 3)),
    "gru": (lambda: Recurrent(nn.GRU, bidirectional=True), (2, 7, 3)),
    "attention": (
        lambda: nn.TransformerEncoderLayer(6, 2, 11, batch_first=True, dropout=0.0),
        (2, 7, 6),
    ),
    "weight norm": (lambda: nn.Sequential(norm(nn.Conv1d(3, 5, 3)), nn.ReLU()), (2, 3, 11)),
    "spectral norm": (lambda: parametrizations.spectral_norm(nn.Linear(3, 5)), (2, 3)),
    "tied": (Tied, (2, 3)),
}


def make(name: str, seed: int) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(seed)
    build, shape = NETS[name]
    return build().eval(), torch.randn(*shape)


def numbers(model: keras.Model) -> list[np.ndarray]:
    return [np.asarray(variable.value) for variable in model.weights]


def assert_equal(ours: Any, theirs: Any) -> None:
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name


@pytest.fixture
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, nn.Module, Any]:
    """A Converted, its module, and the weights of its file."""
    module, x = make(request.param, 0)
    converted = t2k.convert(module, (x,), verify=False)
    return converted, module, t2k.weights(converted.save(tmp_path / "net.keras"))


@pytest.mark.parametrize("saved", NETS, indirect=True)
def test_untouched_weights_come_back_to_the_bit(saved: tuple[Any, nn.Module, Any]) -> None:
    _, module, weights = saved
    assert_equal(weights.to_state_dict(), module.state_dict())


TRAINED = [name for name in NETS if name != "spectral norm"]


@pytest.mark.parametrize("saved", TRAINED, indirect=True)
def test_trained_weights_come_back_as_from_the_converted(
    saved: tuple[Any, nn.Module, Any], tmp_path: Path
) -> None:
    converted, module, weights = saved
    copies = {id(v) for v in converted.model.trainable_variables}
    if isinstance(module, Tied):
        copies = set()  # two Keras weights of one parameter may not differ
    for one, other in zip(converted.model.weights, weights.model.weights, strict=True):
        if id(one) in copies:
            moved = np.asarray(one.value) * 1.25 + 0.5
            one.assign(moved)
            other.assign(moved)
    ours = weights.to_state_dict()
    assert_equal(ours, converted.state_dict())
    module.load_state_dict(ours)
    again = t2k.weights(weights.save(tmp_path / "trained.keras"))
    assert_equal(again.to_state_dict(), ours)


@pytest.mark.parametrize("name", NETS)
def test_another_checkpoint_is_loaded_as_by_the_converted(name: str, tmp_path: Path) -> None:
    module, x = make(name, 0)
    other, _ = make(name, 1)
    converted = t2k.convert(module, (x,), verify=False)
    weights = t2k.weights(converted.save(tmp_path / "net.keras"))
    if name == "tied":
        other.shift.copy_(module.shift)
    weights.load(other.state_dict())
    converted.load_state_dict(other.state_dict())
    for ours, theirs in zip(numbers(weights.model), numbers(converted.model), strict=True):
        assert np.array_equal(ours, theirs)
    assert_equal(weights.to_state_dict(), other.state_dict())


@pytest.mark.parametrize("saved", ["conv"], indirect=True)
def test_what_does_not_fit_is_refused_and_nothing_written(saved: tuple[Any, Any, Any]) -> None:
    _, module, weights = saved
    before = numbers(weights.model)
    state = module.state_dict()
    for wrong in (
        {},
        {**state, "0.weight": torch.zeros(5, 3, 4)},
        {**state, "extra": torch.zeros(1)},
        {name: value for name, value in state.items() if name != "0.bias"},
    ):
        with pytest.raises(t2k.InputError, match="not those of the module"):
            weights.load(wrong)
    for ours, theirs in zip(numbers(weights.model), before, strict=True):
        assert np.array_equal(ours, theirs)
    with pytest.raises(t2k.InputError, match="has no layer"):
        weights.to_state_dict(keras.Sequential([keras.layers.Dense(3)]))


def test_a_map_that_no_file_has_a_form_for_says_so(tmp_path: Path) -> None:
    converted = t2k.convert(Extra(3, 5), (torch.randn(2, 3),), verify=False)
    path = converted.save(tmp_path / "net.keras")
    assert keras.saving.load_model(path)
    with pytest.raises(t2k.InputError, match="holds no map"):
        t2k.weights(path)


def test_other_files_are_no_models_of_ours(tmp_path: Path) -> None:
    converted = t2k.convert(nn.Linear(3, 5), (torch.randn(2, 3),), verify=False)
    converted.model.save(tmp_path / "plain.keras")
    (tmp_path / "text.keras").write_text("a text")
    for name in ("plain.keras", "text.keras", "none.keras"):
        with pytest.raises(t2k.SourceError, match="no model that torch2keras has saved"):
            t2k.weights(tmp_path / name)


def rewrite(path: Path, change: Callable[[Any], None]) -> Path:
    """Change the map of a file."""
    changed = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == "torch2keras.json":
                facts = json.loads(content)
                change(facts["weights"])
                content = json.dumps(facts).encode()
            new.writestr(member, content)
    return changed


def spoil(data: Any, key: str) -> None:
    del data[key]


KEYS = ("version", "entries", "weights", "constants", "tensors", "nodes", "own", "kept", "views")


@pytest.mark.parametrize("key", KEYS)
def test_a_damaged_map_is_refused(key: str, tmp_path: Path) -> None:
    module, x = make("weight norm", 0)
    path = t2k.convert(module, (x,), verify=False).save(tmp_path / "net.keras")
    with pytest.raises(t2k.SourceError, match="cannot be read"):
        t2k.weights(rewrite(path, lambda data: spoil(data, key)))
    if key != "version":
        with pytest.raises(t2k.SourceError, match="cannot be read"):
            t2k.weights(rewrite(path, lambda data: data.update({key: 3})))


@pytest.mark.parametrize(
    "op", ["aten::from_file", "aten::add_.Tensor", "os::system", "aten::none.x", "torch2keras::x.y"]
)
def test_ops_of_a_stranger_are_not_run(op: str, tmp_path: Path) -> None:
    module, x = make("weight norm", 0)
    path = t2k.convert(module, (x,), verify=False).save(tmp_path / "net.keras")
    with pytest.raises(t2k.SourceError, match="cannot be read"):
        t2k.weights(rewrite(path, lambda data: data["nodes"][0].update(op=op)))


@pytest.mark.parametrize("name", ["conv", "gru", "lstm", "attention", "tied"])
def test_equal_conversions_are_equal_bytes(name: str, tmp_path: Path) -> None:
    files = []
    for number in range(2):
        module, x = make(name, 0)
        converted = t2k.convert(module, (x,), verify=False)
        files.append(converted.save(tmp_path / f"{number}.keras", reproducible=True))
    assert files[0].read_bytes() == files[1].read_bytes()
    assert keras.saving.load_model(files[0])
    with zipfile.ZipFile(files[0]) as archive:
        assert not archive.testzip()
        assert len(archive.namelist()) == len(set(archive.namelist()))


READER = """
import sys, numpy as np, torch, torch2keras as t2k
weights = t2k.weights(sys.argv[1])
kernel = weights.model.weights[0]
kernel.assign(np.asarray(kernel.value) + 1)
torch.save(weights.to_state_dict(), sys.argv[2])
"""


def test_in_another_process_without_the_class(tmp_path: Path) -> None:
    module, x = make("tied", 0)
    module = nn.Sequential(nn.Linear(3, 3), module)
    path = t2k.convert(module, (x,), verify=False).save(tmp_path / "net.keras")
    subprocess.run([sys.executable, "-c", READER, path, tmp_path / "state.pt"], check=True)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    expected = {**module.state_dict(), "0.weight": module[0].weight.detach() + 1}
    assert_equal(state, expected)


def test_the_reader_of_the_docs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "weights.md").read_text()
    (code,) = re.findall(r"```python\n(import json\n.*?)```", text, re.DOTALL)
    assert len(code.splitlines()) <= 40
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102 - it is our own page
    for name in ("conv", "gru", "groups", "attention", "lstm", "weight norm"):
        module, x = make(name, 0)
        path = t2k.convert(module, (x,), verify=False).save(tmp_path / "net.keras")
        capsys.readouterr()
        ours = space["read_state"](path, keras.saving.load_model(path))
        theirs = module.state_dict()
        assert list(ours) == list(theirs)
        for entry, value in theirs.items():
            assert np.array_equal(ours[entry], value.numpy()), entry
        told = "is computed" in capsys.readouterr().out
        assert told == (name in ("gru", "lstm", "weight norm"))


def test_a_map_says_what_it_is(tmp_path: Path) -> None:
    converted = t2k.convert(nn.Linear(3, 5), (torch.randn(2, 3),), verify=False)
    weights = t2k.weights(converted.save(tmp_path / "net.keras"))
    assert repr(weights) == f"<the map of 2 weights in {tmp_path / 'net.keras'}>"


@pytest.mark.parametrize("units", [5, 6])
def test_a_model_of_other_shapes_is_refused(units: int, tmp_path: Path) -> None:
    converted = t2k.convert(nn.Linear(3, 5), (torch.randn(2, 3),), verify=False)
    weights = t2k.weights(converted.save(tmp_path / "net.keras"))
    x = keras.Input((7,))
    (name,) = {layer.name for layer in weights.model.layers if layer.weights}
    other = keras.Model(x, keras.layers.Dense(units, name=name)(x))
    before = numbers(other)
    for use in (weights.to_state_dict, lambda model: weights.load(weights.to_state_dict(), model)):
        with pytest.raises(t2k.InputError, match="has no layer"):
            use(other)
    for ours, theirs in zip(numbers(other), before, strict=True):
        assert np.array_equal(ours, theirs)
