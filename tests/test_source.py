"""A model as code: it needs Keras alone, builds the same model, and reads as if by hand."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.export import Dim

import torch2keras as t2k
from source_nets import NETS
from torch2keras.converted import Converted
from torch2keras.errors import OutputError
from torch2keras.keras_graph.source.program import write_program
from torch2keras.keras_graph.source.replay import require_same_calls

GOLDEN = Path(__file__).parent / "golden"


@cache
def convert(name: str) -> Converted:
    torch.manual_seed(0)
    net, args = NETS[name]()
    return t2k.convert(net.eval(), args, verify=False, name=name)


def load(path: Path) -> keras.Model:
    """The model that a saved file of code builds, with the weights beside it."""
    names: dict[str, Any] = {}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), names)  # noqa: S102
    model = names["build"]()
    model.load_weights(path.with_suffix(".weights.h5"))
    return model


def plain_config(model: keras.Model) -> str:
    """A model's configuration, its ops counted instead of named: the code leaves that to Keras."""
    text = json.dumps(model.get_config(), sort_keys=True, default=str)
    known: dict[str, str] = {}
    own = r'"name": "([^"]+)"'
    layers = {layer.name for layer in model.layers if not is_op(layer)}

    def rename(found: re.Match[str]) -> str:
        name = found[1]
        return (
            found[0] if name in layers else f'"name": "{known.setdefault(name, str(len(known)))}"'
        )

    return re.sub(r'\["[^"]+", ', "[", re.sub(own, rename, text))


def is_op(layer: Any) -> bool:
    return not type(layer).__module__.startswith("keras.src.layers")


def as_list(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def make_angles(count: int) -> keras.Model:
    x = inputs = keras.Input((3,), name="x")
    for _ in range(count):
        x = keras.ops.arctan2(keras.ops.logaddexp2(x, x), x)
    return keras.Model(inputs, keras.layers.Dense(2, name="a2")(x), name="angles")


def test_configurations_are_compared_without_the_names_that_keras_counts() -> None:
    first, second, other = make_angles(2), make_angles(2), make_angles(3)
    assert first.get_config() != second.get_config()
    assert plain_config(first) == plain_config(second) != plain_config(other)
    other = make_angles(2)
    other.layers[-1].name = "b2"
    assert plain_config(first) != plain_config(other)


@pytest.mark.parametrize("name", NETS)
def test_the_code_builds_the_same_model(name, tmp_path) -> None:
    converted = convert(name)
    path = converted.save(tmp_path / "net.py")
    ours = load(path)
    assert [(w.path, w.shape, w.dtype) for w in ours.weights] == [
        (w.path, w.shape, w.dtype) for w in converted.model.weights
    ]
    for left, right in zip(ours.weights, converted.model.weights, strict=True):
        assert np.array_equal(left.numpy(), right.numpy())
    assert plain_config(ours) == plain_config(converted.model)
    _, args = NETS[name]()
    given = [port.from_torch(x) for port, x in zip(converted.inputs, args, strict=True)]
    given = given[0] if len(given) == 1 else given
    for left, right in zip(as_list(ours(given)), as_list(converted.model(given)), strict=True):
        assert np.array_equal(left, right)


@pytest.mark.parametrize("name", NETS)
def test_the_folded_form_is_right_without_the_flat_one(name) -> None:
    conversion = convert(name).conversion
    text = write_program(conversion.lowered.graph, conversion.facts.classes)
    require_same_calls(text, conversion.lowered.graph)


@pytest.mark.parametrize("name", NETS)
def test_the_code_is_that_of_the_golden_file(name) -> None:
    text = convert(name).source()
    text = re.sub(r"torch2keras \S+ \(Keras \S+, PyTorch \S+\)", "torch2keras (VERSIONS)", text)
    path = GOLDEN / f"source_{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", NETS)
def test_the_code_reads_as_if_by_hand(name, tmp_path) -> None:
    text = convert(name).source()
    tree = ast.parse(text)
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= {"keras", "numpy", "functools"}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert not node.name[-1].isdigit(), node.name
        if isinstance(node, ast.Name):
            assert not re.fullmatch(r"[xyz]_?\d+", node.id)
    path = tmp_path / "net.py"
    path.write_text(text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    settings = ["--isolated", "--line-length", "100"]
    for command in (["format", "--check", "--diff"], ["check"]):
        done = subprocess.run(
            [*ruff, *command, *settings, str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_code_is_written_once_more_the_same() -> None:
    torch.manual_seed(0)
    net, args = NETS["mobile_net"]()
    again = t2k.convert(net.eval(), args, verify=False, name="mobile_net")
    assert again.source() == convert("mobile_net").source()


# net, what a user changes in its code, what becomes of a layer, what `build` is asked for
CHANGES = {
    "one block more of a TCN": (
        "tcn",
        [("range(5)", "range(6)")],
        lambda model: model.get_layer("5_conv2").dilation_rate == (32,),
        {"classes": 9},
    ),
    "more dropout": (
        "tcn",
        [("Dropout(0.1,", "Dropout(0.4,")],
        lambda model: model.get_layer("0_drop").rate == 0.4,
        {},
    ),
    "one row more of a table": (
        "mobile_net",
        [
            (
                "    ]\n    for i, row",
                "        (16, layers.ReLU, 48, 1, False),\n    ]\n    for i, row",
            )
        ],
        lambda model: model.get_layer("7_block_6").filters == 16,
        {},
    ),
    "one block more of a stage": (
        "resnet18",
        [("for i in range(2)", "for i in range(3)")],
        lambda model: model.get_layer("layer1_2_conv2").filters == 64,
        {"classes": 7},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_code_is_changed_and_trained(change, tmp_path) -> None:
    name, edits, has_changed, options = CHANGES[change]
    code = convert(name).source()
    for old, new in edits:
        assert old in code
        code = code.replace(old, new)
    names: dict[str, Any] = {}
    exec(compile(code, name, "exec"), names)  # noqa: S102
    keras.utils.set_random_seed(0)
    model = names["build"](**options)
    assert has_changed(model)
    if "classes" in options:
        assert model.output_shape == (None, options["classes"])
    shape = (4, *model.input_shape[1:])
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    target = np.zeros((4, *model.output_shape[1:]), "float32")
    model.compile(keras.optimizers.SGD(0.001), "mse")
    losses = model.fit(x, target, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_code_and_weights_are_both_replaced_or_neither(tmp_path, monkeypatch) -> None:
    converted = convert("tagger")
    path, weights = tmp_path / "net.py", tmp_path / "net.weights.h5"
    for place in (path, weights):
        place.write_text("old", encoding="utf-8")

    def fail(*_: Any) -> None:
        raise RuntimeError("No space left on device")

    monkeypatch.setattr(converted.model, "save_weights", fail)
    with pytest.raises(OutputError, match="No space left"):
        converted.save(path)
    assert [place.read_text("utf-8") for place in (path, weights)] == ["old", "old"]
    assert sorted(tmp_path.iterdir()) == [path, weights]
    monkeypatch.undo()
    converted.save(path)
    assert 'model.load_weights("net.weights.h5")' in path.read_text("utf-8")


def run(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x))


@pytest.mark.parametrize("name", ["tcn", "mobile_net", "resnet18"])
def test_a_model_with_dynamic_sizes_is_built_for_any_size(name, tmp_path) -> None:
    torch.manual_seed(0)
    net, (x,) = NETS[name]()
    dims = ({0: Dim.AUTO} | dict.fromkeys(range(2, x.ndim), Dim.AUTO),)
    converted = t2k.convert(net.eval(), (x,), verify=False, dynamic_shapes=dims)
    path = converted.save(tmp_path / "net.py")
    names: dict[str, Any] = {}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), names)  # noqa: S102
    assert plain_config(names["build"]()) == plain_config(converted.model)
    for size in (64, 97):
        sizes = (size,) * (x.ndim - 2)
        given = torch.randn(3, x.shape[1], *sizes)
        model = names["build"](input_shape=(*sizes, x.shape[1]))
        model.load_weights(path.with_suffix(".weights.h5"))
        assert model.input_shape == (None, *sizes, x.shape[1])
        with torch.no_grad():
            wanted = net(given).numpy()
        assert np.abs(run(model, given.movedim(1, -1).numpy()) - wanted).max() < 1e-4


@pytest.mark.parametrize("name", ["resnet18", "tcn", "tagger"])
def test_another_number_of_classes_leaves_all_other_weights(name, tmp_path) -> None:
    converted = convert(name)
    path = converted.save(tmp_path / "net.py")
    names: dict[str, Any] = {}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), names)  # noqa: S102
    model = names["build"](classes=7)
    with pytest.warns(UserWarning, match="could not be loaded"):
        model.load_weights(path.with_suffix(".weights.h5"), skip_mismatch=True)
    assert model.output_shape[-1] == 7
    pairs = list(zip(model.weights, converted.model.weights, strict=True))
    others = [weight.path for weight, old in pairs if weight.shape != old.shape]
    assert others == [weight.path for weight in model.weights[-2:]]
    for weight, old in pairs[:-2]:
        assert np.array_equal(weight.numpy(), old.numpy())


@pytest.mark.parametrize("name", ["tcn", "mobile_net", "encoder", "deep", "resnet50"])
def test_beside_stand_the_classes_and_the_numbers_of_their_lines(name) -> None:
    converted = convert(name)
    text = converted.source(beside=True)
    require_same_calls(text, converted.conversion.lowered.graph)
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(converted.source()))
    listed = dict(re.findall(r"(?m)^# +(\d+)  +(.*)$", text))
    numbers = re.findall(r"  # .*line (\d+)", text)
    assert set(numbers) <= set(listed)
    if name == "resnet50":
        before, _, behind = text.partition("\ndef bottleneck(")
        assert "# torchvision.models.resnet.Bottleneck, torchvision/models/resnet.py:" in before
        line = next(line for line in behind.splitlines() if '_conv1")(x)' in line)
        number = line.partition("# line ")[2]
        assert listed[number] == "out = self.conv1(x)"
