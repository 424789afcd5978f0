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
    "grouped, a layer each": (lambda: nn.Conv1d(6, 4, 3, groups=2), (2, 6, 400), 0, ""),
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


class Computed(nn.Module):
    """A kernel that `compute` makes of a parameter in each call."""

    def __init__(self, compute: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.compute = compute
        self.w = nn.Parameter(torch.randn(4, 4) * 0.4)

    def forward(self, x):
        return F.linear(x, self.compute(self.w))


MOVED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "transposed": lambda w: F.softplus(w).t(),
    "flipped": lambda w: torch.tanh(w).flip(0),
    "viewed": lambda w: torch.exp(w).reshape(2, 8).reshape(4, 4),
    "unsqueezed": lambda w: torch.exp(w).unsqueeze(0).squeeze(0).t(),
    "a slice": lambda w: torch.cat([torch.tanh(w), w.exp()])[2:6],
    "rolled": lambda w: torch.sigmoid(w).roll(1, 0),
    "computed of moved": lambda w: torch.tanh(w.t()).flip(1) * 2,
    "twice": lambda w: torch.exp(torch.tanh(w).t()).flip(0),
    "halves": lambda w: torch.cat(torch.tanh(w).chunk(2)[::-1]),
    "a window beside": lambda w: torch.cat([w[:1].abs(), w[1:].flip(1) * torch.ones(3, 4)]),
}


@pytest.mark.parametrize("name", MOVED)
def test_a_computed_weight_that_is_then_moved(name: str) -> None:
    torch.manual_seed(0)
    module, x = Computed(MOVED[name]).eval(), torch.randn(2, 4)
    converted = t2k.convert(module, x)
    before = converted(x)
    assert_state(converted.state_dict(), module.state_dict())
    converted.load_state_dict(module.state_dict())
    assert np.array_equal(converted(x), before)
    other = moved(module)
    converted.load_state_dict(other.state_dict())
    assert_state(converted.state_dict(), other.state_dict())
    assert np.allclose(converted(x), other(x).detach().numpy(), atol=1e-6)
    converted.verify()


def old_weight_norm(layer: nn.Module, **options: int) -> nn.Module:
    with pytest.warns(FutureWarning, match="weight_norm"):
        return nn.utils.weight_norm(layer, **options)


NORM = nn.utils.parametrizations.weight_norm

NORMED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolution": (lambda: NORM(nn.Conv1d(3, 5, 3)), (2, 3, 11)),
    "transposed": (lambda: NORM(nn.ConvTranspose1d(3, 5, 3)), (2, 3, 11)),
    "linear": (lambda: NORM(nn.Linear(3, 5)), (2, 3)),
    "another dimension": (lambda: NORM(nn.Linear(3, 5), dim=1), (2, 3)),
    "one norm": (lambda: NORM(nn.Linear(3, 5), dim=None), (2, 3)),
    "grouped": (lambda: NORM(nn.Conv2d(4, 6, 3, groups=2)), (2, 4, 7, 7)),
    "depthwise": (lambda: NORM(nn.Conv1d(4, 4, 3, groups=4)), (2, 4, 7)),
    "old": (lambda: old_weight_norm(nn.Conv1d(3, 5, 3)), (2, 3, 11)),
    "old, linear": (lambda: old_weight_norm(nn.Linear(3, 5), dim=1), (2, 3)),
    "then transposed": (lambda: NormedTransposed(), (2, 5)),
    "called twice": (lambda: CalledTwice(), (2, 3)),
    "called twice, old": (lambda: CalledTwice(old_weight_norm), (2, 3)),
    "a tower": (
        lambda: nn.Sequential(NORM(nn.Linear(3, 5)), nn.ReLU(), NORM(nn.Linear(5, 2))),
        (2, 3),
    ),
}


class NormedTransposed(nn.Module):
    """A normalized weight that is read transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.f = NORM(nn.Linear(3, 5, bias=False))

    def forward(self, x):
        return F.linear(x, self.f.weight.t())


class CalledTwice(nn.Module):
    """A layer of weight_norm that runs twice."""

    def __init__(self, norm: Callable[[nn.Module], nn.Module] = NORM) -> None:
        super().__init__()
        self.f = norm(nn.Linear(3, 3))

    def forward(self, x):
        return self.f(F.relu(self.f(x)))


def fine_tune(converted: t2k.Converted, *, zero: bool = False) -> None:
    """Change all weights, as training does."""
    generator = np.random.default_rng(0)
    for variable in converted.model.trainable_weights:
        values = np.asarray(variable)
        values = values + generator.normal(size=values.shape).astype("float32") * 0.3
        if zero and values.ndim > 1:
            values[..., 0] = 0
        variable.assign(values)


@pytest.mark.parametrize("name", NORMED)
@pytest.mark.parametrize("zero", [False, True])
def test_a_trained_normalized_weight_comes_back(name: str, *, zero: bool) -> None:
    torch.manual_seed(0)
    build, shape = NORMED[name]
    module, x = build().eval(), torch.randn(shape)
    converted = t2k.convert(module, x)
    assert_state(converted.state_dict(), module.state_dict())
    fine_tune(converted, zero=zero)
    state = converted.state_dict()
    module.load_state_dict(state)
    ours, theirs = converted(x), module(x).detach().numpy()
    if zero:
        ours, theirs = ours[np.isfinite(theirs)], theirs[np.isfinite(theirs)]
    else:
        converted.verify()
    assert np.allclose(ours, theirs, rtol=1e-6, atol=2e-6)
    again = t2k.convert(module, x, verify=False)
    for one, two in zip(converted.model.weights, again.model.weights, strict=True):
        if not zero:
            assert np.allclose(np.asarray(one), np.asarray(two), rtol=3e-7, atol=0)


class Autoencoder(nn.Module):
    """A decoder that reads the encoder's weight, or one of its own, transposed."""

    def __init__(self, *, own: bool = False) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, 6) * 0.5)
        self.v = nn.Parameter(self.w.detach().clone()) if own else None

    def forward(self, x):
        decoder = self.w if self.v is None else self.v
        return F.linear(torch.tanh(F.linear(x, self.w)), decoder.t())


def train(converted: t2k.Converted, x: torch.Tensor) -> None:
    given = converted.inputs[0].from_torch(x)
    converted.model.compile("sgd", "mse")
    converted.model.fit(given, given, epochs=3, verbose=0)


def test_copies_that_training_moved_apart() -> None:
    torch.manual_seed(0)
    module, x = Autoencoder().eval(), torch.randn(4, 6)
    converted = t2k.convert(module, x)
    assert_state(converted.state_dict(), module.state_dict())
    train(converted, x)
    with pytest.raises(
        t2k.InputError, match=r"w is one parameter .*\n?.*dense\.kernel, dense_1\.kernel"
    ):
        converted.state_dict()
    with pytest.raises(t2k.InputError, match="hold it and differ"):
        converted.verify()
    first, second = (converted.layers[name].kernel for name in ("dense", "dense_1"))
    second.assign(np.asarray(first).T)
    module.load_state_dict(converted.state_dict())
    assert np.allclose(converted(x), module(x).detach().numpy(), atol=1e-6)
    two = Autoencoder(own=True).eval()
    converted = t2k.convert(two, x)
    train(converted, x)
    two.load_state_dict(converted.state_dict())
    assert np.allclose(converted(x), two(x).detach().numpy(), atol=1e-6)


class Half(nn.Module):
    """One parameter in two layers: as it is, and computed."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 4))

    def forward(self, x):
        return F.linear(F.linear(x, self.w), torch.tanh(self.w))


def test_a_parameter_that_is_read_as_it_is_and_computed() -> None:
    module, x = Half().eval(), torch.randn(2, 4)
    converted = t2k.convert(module, x)
    converted.load_state_dict(moved(module).state_dict())
    converted.verify()
    fine_tune(converted)
    with pytest.raises(t2k.InputError, match=r"w in PyTorch|w is one parameter"):
        converted.state_dict()


def test_a_state_with_two_values_for_a_tied_parameter() -> None:
    module, x = made("tied weight")
    converted = t2k.convert(module, (x,))
    state = {**module.state_dict(), "b.weight": module.b.weight.detach() + 1}
    with pytest.raises(t2k.InputError, match=r"a\.weight and b\.weight have different values"):
        converted.load_state_dict(state)
    untied = Tied()
    untied.load_state_dict(state)
    t2k.convert(untied, (x,)).load_state_dict(state)


class Outside(nn.Module):
    """Tables that are no entries of the state_dict."""

    def __init__(self) -> None:
        super().__init__()
        self.f, self.pe = nn.Linear(4, 3), torch.randn(50, 3)
        self.register_buffer("table", torch.randn(50, 3), persistent=False)

    def forward(self, x):
        return self.f(x) + self.pe[: x.shape[1]] + self.table[: x.shape[1]]


def test_tensors_that_are_no_entries() -> None:
    module, x = Outside().eval(), torch.randn(2, 9, 4)
    auto = torch.export.Dim.AUTO
    converted = t2k.convert(module, x, dynamic_shapes=({0: auto, 1: auto},))
    assert_state(converted.state_dict(), module.state_dict())
    other = moved(module)
    converted.load_state_dict(other.state_dict())
    assert_state(converted.state_dict(), other.state_dict())
    module.load_state_dict(other.state_dict())
    assert np.allclose(converted(x), module(x).detach().numpy(), atol=1e-6)
    fine_tune(converted)
    module.load_state_dict(converted.state_dict())
    assert np.allclose(converted(x), module(x).detach().numpy(), atol=1e-6)
    (table,) = [v for v in converted.model.non_trainable_weights if v.shape == (50, 3)][:1]
    table.assign(np.zeros((50, 3), "float32"))
    with pytest.raises(t2k.InputError, match="is no entry of the state_dict"):
        converted.state_dict()


def test_bfloat16_weights_of_autocast() -> None:
    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.f = nn.Linear(4, 3)

        def forward(self, x):
            with torch.autocast("cpu", torch.bfloat16):
                return self.f(x).float()

    module, x = Cast().eval(), torch.randn(2, 4)
    converted = t2k.convert(module, x)
    assert_state(converted.state_dict(), module.state_dict())
    converted.load_state_dict(module.state_dict())
    fine_tune(converted)
    module.load_state_dict(converted.state_dict())


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    module, x = made("frozen layer")
    converted = t2k.convert(module, (x,))
    wrong = {**moved(module).state_dict(), "1.bias": torch.zeros(8), "more": torch.zeros(1)}
    del wrong["0.bias"]
    with pytest.raises(t2k.InputError) as raised:
        converted.load_state_dict(wrong)
    rows = dict(raised.value.rows)
    assert (rows["missing"], rows["unknown"]) == ("0.bias", "more")
    assert rows["shapes"] == "1.bias (8,), in the module (7,)"
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


def test_low_rank_weights_go_back_as_their_sum() -> None:
    module, x = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)).eval(), torch.randn(2, 7)
    converted = t2k.convert(module, (x,), verify=False)
    for layer in converted.model.layers:
        if isinstance(layer, keras.layers.Dense):
            layer.enable_lora(2)
            layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    before = converted.state_dict()
    module.load_state_dict(before)
    with torch.no_grad():
        assert np.allclose(converted(x), module(x), atol=1e-5)
    with pytest.raises(t2k.InputError, match="since enable_lora"):
        converted.load_state_dict(module.state_dict())
    assert_state(converted.state_dict(), before)


@pytest.mark.parametrize("mode", ["int8", "int4"])
@pytest.mark.parametrize("kind", ["dense", "embedding", "attention"])
def test_quantised_weights_are_no_longer_the_modules(kind: str, mode: str, tmp_path) -> None:
    example = torch.randn(2, 5, 6)
    module: nn.Module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    if kind == "embedding":
        module, example = (
            nn.Sequential(nn.Embedding(11, 6), nn.Linear(6, 4)),
            torch.ones(2, 5).long(),
        )
    if kind == "attention":
        module = nn.TransformerEncoderLayer(6, 2, 10, batch_first=True)
    converted = t2k.convert(module.eval(), (example,), verify=False)
    weights = t2k.weights(converted.save(tmp_path / "net.keras"))
    state = module.state_dict()
    for model in (converted.model, weights.model):
        model.quantize(mode)
    before = [np.array(variable.value) for variable in converted.model.weights]
    uses: list[Callable[[], object]] = [converted.state_dict, weights.to_state_dict]
    uses += [lambda: converted.load_state_dict(state), lambda: weights.load(state)]
    for use in (*uses, converted.verify):
        with pytest.raises(t2k.InputError, match="was quantised to int8"):
            use()
    for variable, old in zip(converted.model.weights, before, strict=True):
        assert np.array_equal(np.array(variable.value), old)
