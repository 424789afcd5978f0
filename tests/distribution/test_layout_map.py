"""`layout_map`: which weight goes where, and the same numbers on eight devices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import torch2keras as t2k
from divided_nets import NETS
from torch2keras.verification.metric import numerics
from torch2keras.verification.reference import run64

MESH = {"batch": 2, "model": 4}
CHILD = Path(__file__).parent.parent / "divided_child.py"

BLOCK = {
    "a/kernel": (None, "model"),
    "a/bias": ("model",),
    "b/kernel": (None, "model"),
    "b/bias": ("model",),
    "c/kernel": (None, "model"),
    "c/bias": ("model",),
    "d/kernel": ("model", None),
    "e/kernel": (None, "model"),
    "e/bias": ("model",),
    "f/kernel": ("model", None),
}
"""A block of a transformer: heads, then columns and rows; what is added behind is whole."""

OUTPUTS = (None, "model")
INPUTS = ("model", None)

DIVIDED: Mapping[str, Mapping[str, Any]] = {
    "encoder": {
        "t/embeddings": OUTPUTS,
        "p/embeddings": OUTPUTS,
        **{f"b_{number}_{path}": axes for number in range(2) for path, axes in BLOCK.items()},
        "u/kernel": OUTPUTS,
        "u/bias": ("model",),
        "w/kernel": INPUTS,
    },
    "decoder": {
        "wte/embeddings": INPUTS,
        "wpe/embeddings": OUTPUTS,
        "attn/kernel": OUTPUTS,
        "attn/bias": ("model",),
        "proj/kernel": INPUTS,
        "fc/kernel": OUTPUTS,
        "fc/bias": ("model",),
        "out/kernel": INPUTS,
    },
    "vision": {
        "patch/kernel": (None, None, None, "model"),
        "patch/bias": ("model",),
        "qkv/kernel": OUTPUTS,
        "qkv/bias": ("model",),
        "proj/kernel": INPUTS,
        "fc1/kernel": OUTPUTS,
        "fc1/bias": ("model",),
        "fc2/kernel": INPUTS,
        "head/kernel": INPUTS,
    },
    "convolutions": {
        "a/kernel": (None, None, "model"),
        "b/kernel": (None, None, "model"),
        **{
            f"{norm}/{name}": ("model",)
            for norm in ("an", "bn")
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        },
        "a/bias": ("model",),
        "b/bias": ("model",),
        "depthwise/kernel": (None, "model", None),
        "depthwise/bias": ("model",),
        "shortcut/kernel": (None, None, "model"),
        "shortcut/bias": ("model",),
        "head/kernel": INPUTS,
    },
    "recurrent": {
        "table/embeddings": OUTPUTS,
        **{
            f"{cell}/{name}": OUTPUTS
            for cell in (
                "lstm/forward_lstm/lstm_cell",
                "lstm/backward_lstm/lstm_cell",
                "gru/gru_cell",
            )
            for name in ("kernel", "recurrent_kernel")
        },
        "lstm/forward_lstm/lstm_cell/bias": ("model",),
        "lstm/backward_lstm/lstm_cell/bias": ("model",),
        "gru/gru_cell/bias": (None, "model"),
        "head/kernel": INPUTS,
    },
    "attention": {
        **{
            f"layer_self_attn/{name}/{weight}": axes
            for name in ("query", "key", "value")
            for weight, axes in (("kernel", (None, "model", None)), ("bias", ("model", None)))
        },
        "layer_self_attn/attention_output/kernel": ("model", None, None),
        "layer_linear1/kernel": OUTPUTS,
        "layer_linear1/bias": ("model",),
        "layer_linear2/kernel": INPUTS,
        "head/kernel": INPUTS,
    },
    "odd": {
        "4/kernel": OUTPUTS,
        "4/bias": ("model",),
        "6/kernel": INPUTS,
    },
}
"""The layouts of all variables that are divided."""


@pytest.fixture(scope="module")
def converted() -> Mapping[str, t2k.Converted]:
    made = {}
    for name, net in NETS.items():
        torch.manual_seed(0)
        made[name] = t2k.convert(net.module().eval(), net.data(), verify=False)
    return made


@pytest.mark.parametrize("name", NETS)
def test_weights_are_divided_by_what_the_graph_does_with_them(
    name: str, converted: Mapping[str, t2k.Converted]
) -> None:
    assert t2k.layout_map(converted[name], MESH).axes == DIVIDED[name]


def test_a_dimension_that_the_mesh_does_not_divide_is_whole_and_told(
    converted: Mapping[str, t2k.Converted],
) -> None:
    layouts = t2k.layout_map(converted["odd"], MESH)
    told = {one.path: one.how for one in layouts.variables}
    assert told["0/kernel"] == "whole: 4 divides none of 6 and 30"
    assert told["2/kernel"] == "whole: 4 divides none of 30 and 22"
    assert told["4/kernel"] == "by outputs"


def test_heads_that_the_mesh_does_not_divide_leave_kernels_divided(
    converted: Mapping[str, t2k.Converted],
) -> None:
    layouts = t2k.layout_map(converted["attention"], {"model": 8})
    assert layouts.axes["layer_linear1/kernel"] == OUTPUTS
    assert layouts.axes["layer_self_attn/query/kernel"] == ("model", None, None)
    encoder = t2k.layout_map(converted["encoder"], {"model": 16})
    assert encoder.axes["b_0_a/kernel"] in (OUTPUTS, INPUTS)


def test_the_axis_of_one_device_divides_nothing(converted: Mapping[str, t2k.Converted]) -> None:
    layouts = t2k.layout_map(converted["decoder"], {"batch": 8, "model": 1})
    assert (layouts.axes, layouts.share) == ({}, 1.0)


def test_another_axis_may_divide_the_model(converted: Mapping[str, t2k.Converted]) -> None:
    layouts = t2k.layout_map(converted["odd"], {"data": 2, "tensor": 4}, model_axis="tensor")
    assert layouts.axes["4/bias"] == ("tensor",)


def test_a_mesh_without_the_axis_is_refused(converted: Mapping[str, t2k.Converted]) -> None:
    with pytest.raises(t2k.InputError) as error:
        t2k.layout_map(converted["odd"], {"batch": 8})
    assert error.value.message == (
        "the mesh has no axis 'model'\n\n"
        "  axes     'batch'\n"
        '  next     name the one that divides the model: layout_map(..., model_axis="...")'
    )


@pytest.mark.parametrize("mesh", [8, None, ["batch"], {"model": 0}, {"model": 2.0}, {1: 2}])
def test_what_is_no_mesh_is_refused(mesh: Any, converted: Mapping[str, t2k.Converted]) -> None:
    with pytest.raises(t2k.InputError, match="is no mesh"):
        t2k.layout_map(converted["odd"], mesh)


def test_devices_of_another_backend_are_refused(converted: Mapping[str, t2k.Converted]) -> None:
    mesh = keras.distribution.DeviceMesh((1, 1), ("batch", "model"), ["cpu:0"])
    with pytest.raises(t2k.InputError, match="on JAX alone, and this is tensorflow"):
        t2k.layout_map(converted["odd"], mesh)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("encoder", "convolutions", "odd"), id="three"),
        pytest.param(tuple(NETS), id="all", marks=pytest.mark.slow),
    ],
)
def test_eight_devices_do_as_one_does(
    names: tuple[str, ...], converted: Mapping[str, t2k.Converted], tmp_path: Path
) -> None:
    """One process without PyTorch runs and trains the saved nets, whole and divided."""
    exact = {}
    for name in names:
        torch.manual_seed(1)
        x, made = NETS[name].data(), converted[name]
        made.save(tmp_path / f"{name}.keras")
        t2k.layout_map(made, MESH).save(tmp_path / f"{name}.json")
        with torch.no_grad():
            own = made.conversion.module(x).numpy()
        targets = np.random.default_rng(0).normal(size=own.shape).astype("float32")
        np.savez(tmp_path / f"{name}.npz", x=made.inputs[0].from_torch(x), targets=targets)
        exact[name] = own, run64(made.conversion.module, (x,))[0]
    environment = os.environ | {"KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(CHILD), str(tmp_path), *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["name"] for answer in answers] == list(names)
    for answer in answers:
        own, wide = exact[answer["name"]]
        outputs = np.array(answer["divided"]["outputs"], dtype="float32")
        assert numerics(outputs, own, wide).ok, answer["name"]
        require_places(answer)
        losses = answer["alone"]["losses"]
        assert len(losses) == 10
        assert losses[-1] < losses[0]
        np.testing.assert_allclose(answer["divided"]["losses"], losses, rtol=1e-5)


def require_places(answer: dict[str, Any]) -> None:
    """Each variable and its slot of the optimizer lies as the layout says."""
    alone, divided = answer["alone"], answer["divided"]
    weights = [path for path in alone["held"] if "seed_generator" not in path]
    for path in weights:  # Keras counts its generators on from model to model
        shape = alone["held"][path]
        axes = DIVIDED[answer["name"]].get(path, (None,) * len(shape))
        held = [size // (4 if axis else 1) for size, axis in zip(shape, axes, strict=True)]
        assert divided["held"][path] == held, path
        assert divided["held_after"][path] == held, path
        assert divided["slots"].get(path, held) == held, path


ON_JAX = """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
import keras, numpy as np, torch, torch2keras as t2k
converted = t2k.convert(torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 4)),
                        torch.randn(8, 8))
converted.save("net.keras")
mesh = keras.distribution.DeviceMesh((2, 4), ("batch", "model"))
parallel = keras.distribution.ModelParallel(layout_map=t2k.layout_map(converted, mesh))
with parallel.scope():
    model = keras.saving.load_model("net.keras")
    for variable in model.variables:
        print(variable.path, variable.value.sharding.shard_shape(variable.value.shape))
"""


def test_a_device_mesh_is_taken_on_jax(tmp_path: Path) -> None:
    environment = os.environ | {"KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", ON_JAX]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [
        "0/kernel (8, 4)",
        "0/bias (4,)",
        "1/kernel (4, 4)",
        "1/bias (4,)",
    ]
