"""Weights both ways: what is trained, frozen and tied, and how a checkpoint travels."""

from __future__ import annotations

import copy
from collections.abc import Callable

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

import torch2keras as t2k


class Twice(nn.Module):
    """One layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(F.relu(self.conv(x)))


class Tied(nn.Module):
    """Two layers with one weight, or one bias, or both."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 5), nn.Linear(5, 5)
        for name in names:
            setattr(self.b, name, getattr(self.a, name))

    def forward(self, x):
        return self.b(F.relu(self.a(x)))


class Bare(nn.Module):
    """Parameters outside of layers, a parameter that nothing reads, a small and a large buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.gain = nn.Parameter(torch.randn(5, 1)), nn.Parameter(torch.tensor(0.7))
        self.positions, self.token = (
            nn.Parameter(torch.randn(1, 5, 19)),
            nn.Parameter(torch.randn(1, 5, 1)),
        )
        self.unused, self.conv = nn.Parameter(torch.ones(3)), nn.Conv1d(5, 7, 3)
        self.register_buffer("small", torch.randn(5, 19))
        self.register_buffer("large", torch.randn(20, 19))

    def forward(self, x):
        y = (x * self.scale + self.positions) * self.gain + self.small
        y = torch.cat([self.token.expand(len(x), -1, -1), y], 2)
        return self.conv(y), x.sum(1, keepdim=True) + self.large


def frozen(module: nn.Module, *names: str) -> nn.Module:
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name not in names)
    return module


def two_convs() -> nn.Module:
    return nn.Sequential(nn.Conv1d(3, 5, 3), nn.Conv1d(5, 7, 3))


# the module, its input, how many of its trained scalars no Keras weight holds one for one, and
# what cannot be loaded
NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int, str]] = {
    "one layer twice": (Twice, (2, 3, 11), 0, ""),
    "tied weight": (lambda: Tied("weight"), (2, 5), 0, ""),
    "tied bias": (lambda: Tied("bias"), (2, 5), 0, ""),
    "tied layer": (lambda: Tied("weight", "bias"), (2, 5), 0, ""),
    "bare parameters": (Bare, (2, 5, 19), 3, "small"),
    "frozen layer": (lambda: frozen(two_convs(), "0.weight", "0.bias"), (2, 3, 11), 0, ""),
    "frozen kernel": (lambda: frozen(two_convs(), "0.weight"), (2, 3, 11), 0, ""),
    "frozen bias": (lambda: frozen(nn.Linear(3, 5), "bias"), (2, 3), 0, "bias"),
    "frozen gamma": (lambda: frozen(nn.LayerNorm(5), "weight"), (2, 3, 5), 0, "weight"),
    "frozen beta": (lambda: frozen(nn.BatchNorm1d(5), "bias"), (2, 5, 3), 0, "bias"),
    "grouped transposed": (
        lambda: nn.ConvTranspose1d(6, 4, 3, groups=2, stride=2),
        (2, 6, 11),
        0,
        "",
    ),
    "depthwise": (lambda: nn.Conv1d(6, 12, 3, groups=6), (2, 6, 11), 0, ""),
    "depthwise, three dimensions": (lambda: nn.Conv3d(6, 12, 3, groups=6), (2, 6, 5, 3, 7), 0, ""),
    "flatten before linear": (
        lambda: nn.Sequential(nn.Conv1d(3, 5, 3), nn.Flatten(), nn.Linear(45, 7)),
        (2, 3, 11),
        0,
        "",
    ),
    "weight norm": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 5, 3)),
        (2, 3, 11),
        5,
        "",
    ),
}


def made(name: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    build, shape, _, _ = NETS[name]
    return build().eval(), torch.randn(shape)


def moved(module: nn.Module) -> nn.Module:
    """The module with other weights and statistics."""
    other = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for tensor in (*other.parameters(), *other.buffers()):
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=generator))
    return other


def scalars(weights) -> int:
    return sum(int(np.prod(w.shape)) for w in weights)


@pytest.mark.parametrize("name", NETS)
def test_weights(name: str, tmp_path) -> None:
    module, x = made(name)
    _, _, unheld, constant = NETS[name]
    converted = t2k.convert(module, (x,))
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert scalars(converted.model.trainable_weights) == trained - unheld
    reloaded = keras.saving.load_model(converted.save(tmp_path / "net.keras"), safe_mode=True)
    assert scalars(reloaded.trainable_weights) == trained - unheld
    assert_state(converted.state_dict(), module.state_dict())
    other = moved(module)
    if constant:
        with pytest.raises(t2k.InputError, match=f"{constant} has other values"):
            converted.load_state_dict(other.state_dict())
        assert_state(converted.state_dict(), module.state_dict())
        return
    converted.load_state_dict(other.state_dict())
    assert_state(converted.state_dict(), other.state_dict())
    fresh = t2k.convert(other, (x,))
    for ours, theirs in zip(flat(converted(x)), flat(fresh(x)), strict=True):
        assert np.array_equal(ours, theirs)


def flat(outputs) -> list[np.ndarray]:
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def assert_state(ours, theirs) -> None:
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name


def test_gradient_steps_travel_back() -> None:
    module, x = made("tied weight")
    converted = t2k.convert(module, (x,))
    kernel = converted.layers["a"].kernel
    kernel.assign(np.asarray(kernel) + 1.0)
    state = converted.state_dict()
    assert torch.equal(state["a.weight"], module.a.weight + 1)
    assert torch.equal(state["b.weight"], state["a.weight"])


def test_a_trained_product_cannot_be_told_apart() -> None:
    module, x = made("weight norm")
    converted = t2k.convert(module, (x,))
    kernel = converted.layers["conv1d"].kernel
    kernel.assign(np.asarray(kernel) + 1.0)
    with pytest.raises(t2k.InputError, match="remove_parametrizations"):
        converted.state_dict()


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    module, x = made("frozen layer")
    converted = t2k.convert(module, (x,))
    wrong = {**moved(module).state_dict(), "1.bias": torch.zeros(8), "more": torch.zeros(1)}
    del wrong["0.bias"]
    with pytest.raises(t2k.InputError) as raised:
        converted.load_state_dict(wrong)
    for problem in ("0.bias: missing", "more: unknown", "1.bias: shape [8], the module has [7]"):
        assert problem in str(raised.value)
    assert_state(converted.state_dict(), module.state_dict())


def test_what_cannot_be_held_apart_is_refused() -> None:
    from torch2keras.graph.ir import Constant, TensorType
    from torch2keras.keras_graph.graph import Input
    from torch2keras.keras_graph.weight import Weight
    from torch2keras.lower.recorder import Recorder, call, layers, record_to

    def weight(*shape: int, trainable: bool) -> Weight:
        return Weight.of(
            Constant("w", TensorType(shape, torch.float32), torch.zeros(shape), ("w",), trainable)
        )

    recorder = Recorder((Input("x", (None, 7, 3), "float32"),), "float32")
    with record_to(recorder), pytest.raises(t2k.LoweringError, match="frozen and trained"):
        kernels = {
            "kernel": weight(3, 20, trainable=True),
            "recurrent_kernel": weight(5, 20, trainable=False),
        }
        call(layers.LSTM(units=5, use_bias=False), recorder.tensors[0], **kernels)
