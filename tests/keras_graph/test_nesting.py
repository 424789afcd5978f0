"""Deep graphs are nested along the module tree, so that Keras's recursion never gets too deep."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from op_case import Function
from torch2keras.graph.ir import Constant, Origin, TensorType
from torch2keras.keras_graph.graph import Call, Input, KerasGraph, Ref
from torch2keras.keras_graph.nesting import DEPTH_LIMIT, Segment, depth, nest_calls
from torch2keras.keras_graph.weight import Weight

WEIGHT = Weight.of(
    Constant("w", TensorType((1,), torch.float32), torch.zeros(1), ("w",), trainable=True)
)


def chain(*paths: str, shared: tuple[int, ...] = ()) -> KerasGraph:
    """A chain of calls, one in each of these modules; those at `shared` are one layer."""
    calls = tuple(
        Call(
            "layers.Dense" if i in shared else "ops.relu",
            (Ref(i),),
            {},
            (i + 1,),
            weights={"kernel": WEIGHT} if i in shared else {},
            name="one" if i in shared else "",
            origin=Origin(path),
        )
        for i, path in enumerate(paths)
    )
    return KerasGraph("g", (Input("x", (None, 1), "float32"),), calls, (len(paths),))


def tree(items) -> list:
    return [
        [item.path, *tree(item.items)] if isinstance(item, Segment) else item.origin.path
        for item in items
    ]


# paths of the calls, limit, the nested models
CUT = [
    (["a", "a", "b"], 3, ["a", "a", "b"]),
    (["a", "a", "b", "b"], 3, [["a", "a", "a"], ["b", "b", "b"]]),
    (["a.x", "a.x", "a.y", "b"], 3, [["a", "a.x", "a.x", "a.y"], "b"]),
    (
        ["a.x"] * 2 + ["a.y"] * 2 + ["b"],
        3,
        [["a", ["a.x", "a.x", "a.x"], ["a.y", "a.y", "a.y"]], "b"],
    ),
    (["", "a", "a", ""], 3, ["", ["a", "a", "a"], ""]),
    ([""] * 4, 3, [["part", "", ""], ["part", "", ""]]),
]


@pytest.mark.parametrize(("paths", "limit", "models"), CUT)
def test_cut(paths, limit, models) -> None:
    assert tree(nest_calls(chain(*paths), limit)) == models


def test_a_shared_layer_stays_outside() -> None:
    items = nest_calls(chain("a", "a", "a", "b", "b", "b", shared=(1, 4)), 4)
    inside = [call.name for item in items if isinstance(item, Segment) for call in item.calls()]
    assert "one" not in inside
    assert sum(isinstance(item, Call) and item.name == "one" for item in items) == 2


def test_every_call_is_kept_in_order() -> None:
    graph = chain(*[f"{i // 100}.{i // 10}" for i in range(1000)], shared=(5, 505))
    items = nest_calls(graph, 7)
    calls = [c for item in items for c in (item.calls() if isinstance(item, Segment) else (item,))]
    assert calls == list(graph.calls)
    assert depth(graph.calls) == 1000


def deepest(items) -> int:
    below = [deepest(item.items) for item in items if isinstance(item, Segment)]
    return max([depth(items), *below])


@pytest.mark.parametrize("shared", [(), (10, 900)])
def test_no_model_is_deeper_than_the_limit(shared) -> None:
    assert deepest(nest_calls(chain(*["a"] * 1000, shared=shared), 50)) <= 50


class Deep(nn.Module):
    """1200 ops in a row, with one convolution at several depths."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 3, 3, padding=1)
        self.blocks = nn.ModuleList(Function(self.block) for _ in range(3))

    def block(self, x):
        for _ in range(200):
            x = torch.tanh(x + 0.5)
        return self.conv(x)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def run_within(frames: int, action):
    """Run an action where so many frames of the stack are taken."""
    return action() if frames == 0 else run_within(frames - 1, action)


@pytest.mark.parametrize("kind", ["ops", "residual ops", "layers"])
def test_keras_takes_a_model_of_the_limit_with_frames_to_spare(kind, tmp_path) -> None:
    """What walks a model: building, predicting, saving, loading, cloning, fitting, cutting."""

    def use():
        x = inputs = keras.Input((3,))
        for number in range(DEPTH_LIMIT):
            if kind == "layers":
                x = keras.layers.Rescaling(1.0, name=f"layer_{number}")(x)
            else:
                x = keras.ops.add(x, x if kind == "residual ops" and number < 9 else 0.5)
        model = keras.Model(inputs, x)
        data = np.ones((2, 3), "float32")
        wanted = model.predict(data, verbose=0)
        model.save(tmp_path / "deep.keras")
        loaded = keras.saving.load_model(tmp_path / "deep.keras")
        clone = keras.models.clone_model(loaded)
        assert np.array_equal(clone.predict(data, verbose=0), wanted)
        loaded.compile("sgd", "mse")
        loaded.evaluate(data, wanted, verbose=0)
        return keras.Model(loaded.inputs, loaded.operations[-2].output)

    assert len(run_within(100, use).operations) == DEPTH_LIMIT


def test_a_deep_net_is_built_saved_and_reloaded(tmp_path) -> None:
    torch.manual_seed(0)
    module, x = Deep(), torch.randn(2, 3, 5)
    converted = t2k.convert(module, (x,), verify=False)
    assert len(converted.conversion.lowered.graph.calls) >= 1200
    with torch.no_grad():
        wanted = module(x).numpy()
    np.testing.assert_allclose(converted(x), wanted, rtol=1e-5, atol=1e-6)
    assert sorted(tuple(w.shape) for w in converted.model.trainable_weights) == [(3,), (3, 3, 3)]
    inner = [layer.name for layer in converted.model.layers if isinstance(layer, keras.Model)]
    assert inner
    reloaded = keras.saving.load_model(converted.save(tmp_path / "deep.keras"), safe_mode=True)
    port = converted.inputs[0]
    ours = converted.outputs[0].to_torch(reloaded(port.from_torch(x)))
    assert np.array_equal(ours, converted(x))
