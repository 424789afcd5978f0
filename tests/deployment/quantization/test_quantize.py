"""Quantised files: the better of two, refused where it is too far off."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import torch2keras as t2k
from deployment_nets import convert_net, make_net, run_by_index
from torch2keras.deployment.flatbuffer import read_litert_file
from torch2keras.deployment.quantization import quantize
from torch2keras.deployment.quantization.measure import LayerLoss
from torch2keras.deployment.quantization.quantize import QUANTIZERS, Quantized, Quantizing
from torch2keras.keras_graph.graph import Call


def test_an_int8_file_is_near_and_takes_floats(tmp_path):
    torch.manual_seed(0)
    converted = convert_net("tcn")
    path = tmp_path / "net.tflite"
    data = torch.randn(12, 4, 30)
    deployment = converted.export(path, quantize="int8", calibration=data)
    assert 30 < deployment.snr["output"] < 60
    assert deployment.notes[-1].startswith("int8 by ")
    assert deployment.inputs[0].dtype == "float32"
    module, _ = make_net("tcn")
    (port,), (out,) = converted.inputs, converted.outputs
    (found,) = run_by_index(path, [port.from_torch(data[:1])])
    expected = module(data[:1]).detach().numpy()
    error = out.to_torch(found) - expected
    assert 20 < 10 * np.log10(np.sum(expected**2) / np.sum(error**2)) < 60


@pytest.mark.parametrize("by", ["tensorflow", "ai_edge"])
def test_integer_ports_take_and_give_int8(by, tmp_path, monkeypatch):
    monkeypatch.setattr(quantize, "QUANTIZERS", {"int8": (by,)})
    torch.manual_seed(0)
    converted, data = convert_net("tcn"), torch.randn(12, 4, 30)
    path = tmp_path / "net.tflite"
    deployment = converted.export(
        path, quantize="int8", calibration=data, integer_ports=True, batch=1
    )
    (given,), (made,) = deployment.inputs, deployment.outputs
    assert (given.dtype, made.dtype) == ("int8", "int8")
    assert not {"QUANTIZE", "DEQUANTIZE"} & set(deployment.operators)
    facts = read_litert_file(path).read_file_facts()
    assert facts["inputs"][0]["scale"] == given.scale
    (port,), (out,) = converted.inputs, converted.outputs
    floats = port.from_torch(data[:1])
    stored = np.clip(np.round(floats / given.scale) + given.zero_point, -128, 127)
    (found,) = run_by_index(path, [stored.astype(np.int8)])
    assert found.dtype == np.int8
    numbers = out.to_torch((found.astype(np.float32) - made.zero_point) * made.scale)
    expected = make_net("tcn")[0](data[:1]).detach().numpy()
    error = numbers - expected
    assert 10 * np.log10(np.sum(expected**2) / np.sum(error**2)) > 20
    assert f"* (stored {'-' if given.zero_point >= 0 else '+'}" in str(deployment)


def test_ports_that_are_no_floats_stay(tmp_path):
    deployment = convert_net("tokens").export(
        tmp_path / "net.tflite", quantize="int8", integer_ports=True
    )
    assert [port.dtype for port in deployment.inputs] == ["int64", "bool"]
    assert [port.scale for port in deployment.inputs] == [None, None]
    assert [port.dtype for port in deployment.outputs] == ["int8", "int64", "bool"]


class Wave(torch.nn.Module):
    """A sine, which no quantiser has in 8 bits."""

    def forward(self, x):
        return torch.sin(x)


def test_operators_that_stay_float_are_told(tmp_path):
    converted = t2k.convert(Wave(), (torch.randn(2, 8),), verify=False)
    deployment = converted.export(tmp_path / "net.tflite", quantize="int8")
    assert deployment.notes[-2] == "Not every operator has 8 bits; these give floats: 1 SIN."


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "least"), [("float16", 60), ("dynamic", 30), ("int8", 20)])
@pytest.mark.parametrize("name", ["conv1d", "picture", "attention", "tokens"])
def test_each_mode_of_each_net(name, mode, least, tmp_path):
    deployment = convert_net(name).export(tmp_path / "net.tflite", quantize=mode)
    assert min(deployment.snr.values()) > least


@pytest.mark.slow
def test_modules_that_are_kept_bring_a_file_nearer(tmp_path):
    converted = convert_net("picture")
    plain = converted.export(tmp_path / "a.tflite", quantize="int8")
    kept = converted.export(tmp_path / "b.tflite", quantize="int8", keep_float=["head", "conv"])
    floor = converted.export(tmp_path / "c.tflite", quantize="int8", floor_db=30)
    assert kept.snr["output"] > plain.snr["output"]
    assert floor.snr["output"] >= 30


@pytest.fixture
def ratios(monkeypatch):
    """Quantisers whose ratios are given: by name, and by what is kept."""
    given: dict[str, object] = {}

    def run(self, by, keep):
        ratio = given[by]
        if isinstance(ratio, t2k.DeploymentError):
            raise ratio
        total = ratio + 10 * len(keep)
        return Quantized(self.file.pack(), by, {"output": total})

    losses = [LayerLoss("1.conv", 20.0, 9.0), LayerLoss("0.conv", 29.0, 3.0)]
    monkeypatch.setattr(Quantizing, "run", run)
    monkeypatch.setattr(Quantizing, "list_losses", lambda self, best: losses)
    return given


def export(tmp_path, **options):
    options = {"calibration": torch.randn(2, 4, 30), "quantize": "int8"} | options
    return convert_net("tcn").export(tmp_path / "net.tflite", **options)


def test_the_better_file_is_kept_and_a_failure_of_one_is_no_error(tmp_path, ratios):
    ratios.update(tensorflow=25.0, ai_edge=31.0)
    assert export(tmp_path).snr == {"output": 31.0}
    ratios.update(ai_edge=t2k.DeploymentError("its process died of SIGSEGV"))
    assert export(tmp_path).snr == {"output": 25.0}
    ratios.update(tensorflow=t2k.DeploymentError("it has no int8"))
    with pytest.raises(t2k.DeploymentError, match="no quantiser makes a file") as caught:
        export(tmp_path)
    assert dict(caught.value.rows)["ai-edge-quantizer"] == "its process died of SIGSEGV"


def test_a_file_that_is_too_far_off_is_refused_with_the_layers(tmp_path, ratios):
    ratios.update(tensorflow=-9.8, ai_edge=8.0)
    with pytest.raises(
        t2k.DeploymentError, match=r"too far from PyTorch: 8\.0 dB, below 20"
    ) as caught:
        export(tmp_path)
    rows = dict(caught.value.rows)
    assert rows["layers"].splitlines()[0] == "1.conv: 9.0 dB lost"
    assert "keep_float=['1.conv', '0.conv']" in rows["next"]
    assert list(tmp_path.iterdir()) == []


def test_a_floor_keeps_the_layers_that_lose_most(tmp_path, ratios):
    ratios.update(tensorflow=24.0, ai_edge=22.0)
    deployment = export(tmp_path, floor_db=30)
    assert deployment.snr == {"output": 32.0}
    assert "1.conv kept as floats" in deployment.notes[-1]
    assert export(tmp_path, floor_db=20).snr == {"output": 24.0}
    with pytest.raises(t2k.DeploymentError, match="below 60"):
        export(tmp_path, floor_db=60)


def test_an_unknown_module_is_refused(tmp_path):
    with pytest.raises(t2k.InputError, match="keep_float names no module 'nothing'"):
        export(tmp_path, keep_float=["nothing"])


def test_each_layer_of_a_joined_product_is_found(tmp_path):
    query = Call("forms.joined_dense", (), {"modules": ("a.q", "a.k", "a.v")}, (1,))
    task = SimpleNamespace(traced=SimpleNamespace(scopes={"a.q": query}))
    for module in ("a.q", "a.k", "a.v", "a"):
        assert quantize.find_scopes(task, [module]) == ["a.q"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quantize": "int4"}, "unknown quantize 'int4'"),
        ({"quantize": None}, "calibration is for quantised files"),
        ({"quantize": "float16"}, "not for float16"),
        ({"keep_float": "head"}, "is no list"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, options, said):
    with pytest.raises(t2k.InputError, match=said):
        export(tmp_path, **options)


def test_a_saved_model_is_not_quantised(tmp_path):
    with pytest.raises(t2k.InputError, match=r"is for \.tflite files"):
        convert_net("conv1d").export(tmp_path / "net", quantize="int8")


def test_each_mode_has_a_quantiser():
    assert all(set(names) <= set(quantize.TITLES) for names in QUANTIZERS.values())
