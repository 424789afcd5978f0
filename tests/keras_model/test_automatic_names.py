from __future__ import annotations

import keras
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.keras_graph import nesting
from torch2keras.keras_model.automatic_names import count_anew


class Residual(nn.Module):
    """A convolution beside its input, in a block of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(5, 5, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.conv(x)) * x


class Net(nn.Module):
    """Two blocks, with sums of its own around them."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Residual(), Residual())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.blocks(x)
        return (y[:, :, ::2] + x[:, :, ::2]).relu()


def convert() -> keras.Model:
    return t2k.convert(Net().eval(), (torch.randn(2, 5, 11),), verify=False).model


def names(model: keras.Model) -> list[str]:
    return [operation.name for operation in model.operations]


def test_ops_have_the_names_of_their_blocks() -> None:
    first, second = convert(), convert()
    assert names(first) == names(second)
    kinds = {"add": 1, "multiply": 1}
    for block in ("blocks_0", "blocks_1"):
        assert {f"{block}_{kind}" for kind in kinds} <= set(names(first))
    assert "Net_add" in names(first)
    assert len([name for name in names(first) if name.startswith("Net_get_item")]) == 2
    plain = {operation.name for operation in first.operations if "_" not in operation.name}
    assert plain == {"x"}


def test_names_survive_a_file(tmp_path) -> None:
    model = convert()
    model.save(tmp_path / "net.keras")
    assert names(keras.saving.load_model(tmp_path / "net.keras")) == names(model)


@pytest.mark.parametrize("saved", [False, True])
def test_who_builds_on_a_model_may_add(*, saved: bool, tmp_path) -> None:
    keras.backend.clear_session()
    model = convert()
    if saved:
        model.save(tmp_path / "net.keras")
        keras.backend.clear_session()
        model = keras.saving.load_model(tmp_path / "net.keras")
    y = model.output + model.input[:, ::2]
    y = keras.ops.multiply(y, y)
    if not saved:
        y = keras.layers.ReLU()(y)
    longer = keras.Model(model.inputs, y)
    assert longer.count_params() == model.count_params()


def test_nested_models_are_named_the_same(monkeypatch) -> None:
    monkeypatch.setattr(nesting.nest_calls, "__defaults__", (3,))
    first, second = convert(), convert()
    inner = [layer for layer in first.layers if isinstance(layer, keras.Model)]
    assert inner
    for nested in inner:
        assert names(second.get_layer(nested.name)) == names(nested)


def test_keras_counts_on_past_ours() -> None:
    keras.backend.clear_session()
    assert keras.layers.Dense(2).name == "dense"
    with count_anew(["re_lu", "flatten_3"]):
        assert keras.layers.Dense(2).name == "dense"
        assert keras.layers.Dense(2).name == "dense_1"
        assert keras.layers.ReLU().name == "re_lu_1"
    assert keras.layers.Dense(2).name == "dense_2"
    assert keras.layers.ReLU().name == "re_lu_2"
    assert keras.layers.Flatten().name == "flatten_4"
