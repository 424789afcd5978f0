"""A saved model is stock Keras: it runs on every backend, without PyTorch and this package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

import torch2keras as t2k

ROOT = Path(__file__).parent.parent


class Layers(nn.Module):
    """One of each kind of layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.thin = (
            nn.Conv1d(3, 8, 5, stride=2, padding=2),
            nn.Conv1d(8, 8, 3, padding="same", groups=8),
        )
        self.grouped, self.wide = (
            nn.Conv1d(8, 6, 3, groups=2),
            nn.Conv1d(6, 6, 3, dilation=2, padding=2),
        )
        self.up = nn.ConvTranspose1d(6, 5, 4, stride=2, padding=1)
        self.norms = nn.ModuleList(
            [nn.BatchNorm1d(8), nn.GroupNorm(3, 6), nn.LayerNorm(5), nn.InstanceNorm1d(5)]
        )
        self.max, self.mean = nn.MaxPool1d(2), nn.AvgPool1d(3, 2, 1)
        self.drop, self.head = nn.Dropout(), nn.Linear(5, 7)

    def forward(self, x):
        x = F.relu(self.norms[0](self.conv(x)))
        x = F.gelu(self.norms[1](self.wide(self.grouped(F.silu(self.thin(x))))))
        x = self.norms[3](self.mean(F.leaky_relu(self.up(self.max(x)))))
        return torch.softmax(self.head(self.drop(self.norms[2](x.transpose(1, 2)))), -1)


class Bare(nn.Module):
    """Parameters outside of layers, one of them frozen, and a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.positions = (
            nn.Parameter(torch.randn(5, 1)),
            nn.Parameter(torch.randn(1, 5, 17)),
        )
        self.token = nn.Parameter(torch.randn(1, 5, 1))
        self.mixed = nn.Conv1d(5, 7, 3)
        self.mixed.weight.requires_grad_(False)

    def forward(self, x):
        return self.mixed(
            torch.cat([self.token.expand(len(x), -1, -1), x * self.scale + self.positions], 2)
        )


class Outputs(nn.Module):
    """Two inputs, and outputs of several shapes and dtypes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3)

    def forward(self, x, y):
        z = self.conv(x) + y
        return {"z": z, "parts": [z.argmax(1), z.mean(2) > 0, z.flatten(1)[:, 1:-1:2]]}


class Constants(nn.Module):
    """A mask small enough to stand in the graph, a large table, and whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.arange(17) % 3 == 0)
        self.register_buffer("table", torch.randn(30, 17))
        self.register_buffer("places", torch.tensor([3, 0, 2]))

    def forward(self, x):
        y = torch.where(self.mask, x, -x).sum(1, keepdim=True) + self.table
        return y[:, self.places] * torch.arange(17)


class Spectra(nn.Module):
    """Fourier transforms there and back, in one dimension and in two, and frames of a signal."""

    def forward(self, x):
        spectrum = torch.fft.rfft2(x)
        frames = torch.stft(x[:, 0], 16, 4, window=torch.hann_window(16), return_complex=True)
        signal = torch.istft(frames, 16, 4, window=torch.hann_window(16))
        return (
            spectrum.abs(),
            torch.fft.irfft2(spectrum * 1j, s=x.shape[1:]),
            torch.fft.ifft(x).imag,
            frames.real,
            signal,
        )


with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)  # or a rare draw rounds by more than the loaders below allow
    NETS = {
        "layers": (Layers(), [(2, 3, 37)]),
        "groups": (nn.Conv1d(6, 8, 3, groups=2, padding=1), [(2, 6, 400)]),
        "bare": (Bare(), [(2, 5, 17)]),
        "outputs": (Outputs(), [(2, 3, 19), (2, 5, 17)]),
        "constants": (Constants(), [(2, 4, 17)]),
        "spectra": (Spectra(), [(2, 5, 37)]),
    }

LOAD = """
import sys, importlib.abc
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)
BLOCKED = set(sys.argv[2].split(","))
sys.meta_path.insert(0, Refuse())
import keras, numpy as np
folder = sys.argv[1]
for name in sys.argv[3:]:
    model = keras.saving.load_model(f"{folder}/{name}.keras", safe_mode=True)
    data = np.load(f"{folder}/{name}.npz")
    inputs = [data[k] for k in sorted(data) if k.startswith("in")]
    wanted = [data[k] for k in sorted(data) if k.startswith("out")]
    results = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    results = results if isinstance(results, (list, tuple)) else [results]
    assert len(results) == len(wanted), (name, len(results))
    for ours, theirs in zip(results, wanted):
        ours = keras.ops.convert_to_numpy(ours)
        assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
        largest = max(np.max(np.abs(theirs)), 1e-30)
        error = np.max(np.abs(ours.astype("float64") - theirs), initial=0) / largest
        assert error <= 1e-5, (name, error)
    for k in BLOCKED:
        assert k not in sys.modules, k
    print("same", name, keras.backend.backend())
"""

CONVERT = """
import keras, torch
from torch import nn
import torch2keras as t2k
torch.manual_seed(0)
first = nn.Conv1d(3, 8, 5, stride=2, padding=2)
net = nn.Sequential(first, nn.BatchNorm1d(8), nn.GELU(), nn.ConvTranspose1d(8, 4, 3, groups=2),
                    nn.Flatten(), nn.Linear(4 * 11, 7))
converted = t2k.convert(net, (torch.randn(2, 3, 17),))
tiers = {c.difference.tier for c in converted.verification.checks}
assert converted.verification.ok and tiers == {"S", "N"}, tiers
assert converted.model.inputs[0].dtype == "float32"
print("verified on", keras.backend.backend())
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """The nets as .keras files, with inputs and PyTorch's outputs as Keras stores them."""
    folder = tmp_path_factory.mktemp("saved")
    for name, (net, shapes) in NETS.items():
        torch.manual_seed(0)
        inputs = [torch.randn(shape) for shape in shapes]
        converted = t2k.convert(net.eval(), tuple(inputs))
        converted.save(folder / f"{name}.keras")
        with torch.no_grad():
            outputs = [
                y
                for y in torch.utils._pytree.tree_leaves(net(*inputs))
                if isinstance(y, torch.Tensor)
            ]
        given = {
            f"in{i}": p.from_torch(x)
            for i, (p, x) in enumerate(zip(converted.inputs, inputs, strict=True))
        }
        wanted = {
            f"out{i}": p.from_torch(y)
            for i, (p, y) in enumerate(zip(converted.outputs, outputs, strict=True))
        }
        np.savez(folder / f"{name}.npz", **given, **wanted)
    return folder


def run(backend: str, *arguments: str) -> str:
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_file_alone_gives_pytorchs_numbers(saved, backend) -> None:
    blocked = "torch2keras" if backend == "torch" else "torch,torch2keras"
    out = run(backend, "-c", LOAD, str(saved), blocked, *NETS)
    assert out.split() == " ".join(f"same {name} {backend}" for name in NETS).split()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_conversion_runs_on_other_backends(backend) -> None:
    assert run(backend, "-c", CONVERT).strip() == f"verified on {backend}"
