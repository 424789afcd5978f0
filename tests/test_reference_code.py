"""The code of the reference pages runs, on the net and the files that each takes as given."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import torch2keras
from test_guides import DOCS, blocks_of


class Running(nn.Module):
    """A mean that goes on from call to call."""

    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.zeros(3))

    def forward(self, x):
        self.state = 0.9 * self.state + x.mean(0)
        return x - self.state


def make_net() -> nn.Module:
    return nn.Sequential(nn.Conv1d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(45, 4)).eval()


@pytest.fixture
def given(tmp_path, monkeypatch) -> dict[str, Any]:
    """What the pages have at hand, with files beside them."""
    monkeypatch.chdir(tmp_path)
    module, x = make_net(), torch.randn(4, 3, 11)
    converted = torch2keras.convert(module, x)
    converted.save("net.keras")
    converted.save("net.safetensors")
    save_file(make_net().state_dict(), "newer.safetensors")
    np.savez("data.npz", input=torch.randn(32, 3, 11).numpy())
    return {
        "converted": converted,
        "keras": keras,
        "keras_model": keras.models.clone_model(converted.model),
        "model": keras.saving.load_model("net.keras"),
        "module": module,
        "nn": nn,
        "t2k": torch2keras,
        "torch": torch,
        "torch2keras": torch2keras,
        "x": x,
        "y": np.array([0, 3, 1, 2]),
    }


def run_blocks(page: str, names: dict[str, Any]) -> None:
    for code, _ in blocks_of((DOCS / page).read_text(encoding="utf-8")):
        exec(compile(code, page, "exec"), names)  # noqa: S102 - our own page


@pytest.mark.parametrize("page", ["backends.md", "training.md", "twins.md"])
def test_the_code_of_a_page_runs(page, given):
    run_blocks(page, given)


def test_weights_go_there_and_back_and_are_read_without_this_package(given, tmp_path):
    run_blocks("weights.md", given)
    assert (tmp_path / "trained.pt").is_file()
    state = given["read_state"]("net.keras", keras.saving.load_model("net.keras"))
    assert {name: array.shape for name, array in state.items()} == {
        name: tuple(tensor.shape) for name, tensor in given["module"].state_dict().items()
    }


def test_state_goes_round(given):
    blocks = [torch.randn(2, 3) for _ in range(3)]
    run_blocks("capture.md", given | {"module": Running(), "x": blocks[0], "blocks": blocks})


def test_the_models_as_code_are_built(given):
    for code, _ in blocks_of((DOCS / "source.md").read_text(encoding="utf-8")):
        names: dict[str, Any] = {}
        exec(compile(code, "source.md", "exec"), names)  # noqa: S102 - our own page
        assert names["build"]().count_params() > 0


@pytest.mark.slow
def test_files_for_other_runtimes_are_run_as_the_page_says(given):
    tf, onnxruntime = pytest.importorskip("tensorflow"), pytest.importorskip("onnxruntime")
    expected = given["module"](given["x"]).detach().numpy()
    first, run_lite, quantized, run_saved, run_onnx, _ = [
        code for code, _ in blocks_of((DOCS / "deployment.md").read_text(encoding="utf-8"))
    ]
    port = given["converted"].inputs[0]
    in_keras = given | {"x": port.from_torch(given["x"][:1])}
    in_torch = given | {"x": given["x"].numpy(), "tf": tf, "onnxruntime": onnxruntime}
    for code, names in (
        (first, given),
        (run_lite, in_keras),
        (run_saved, in_torch),
        (run_onnx, in_torch),
    ):
        exec(compile(code, "deployment.md", "exec"), names)  # noqa: S102 - our own page
        if names is not given:
            np.testing.assert_allclose(names["y"], expected[: len(names["x"])], atol=1e-4)
    exec(compile(quantized, "deployment.md", "exec"), given)  # noqa: S102 - our own page
