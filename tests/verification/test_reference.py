"""What the module says: in its own type and in float64, with nothing left changed."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from torch2keras.capture.nominal_dtype import nominal_dtype
from torch2keras.errors import InputError
from torch2keras.verification.reference import run, run64


def seeded(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)


class Call(nn.Module):
    """`function(self, x)`, with a parameter, a buffer and state that the function may use."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(normal(7, 7))
        self.register_buffer("memory", torch.zeros(3, 7))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self.plain = normal(7)
        self.calls = 0
        self.history = [1]
        self.cache: dict[str, Any] = {"deep": [(2, [3])]}

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


class Hidden(nn.Module):
    """Modules and tensors where neither `parameters()` nor `double()` finds them."""

    def __init__(self) -> None:
        super().__init__()
        self.listed = [nn.Linear(7, 5)]
        self.held = SimpleNamespace(net=nn.Linear(5, 7))
        scale = normal(7)
        self.closure = lambda y: y * scale

    def forward(self, x: Tensor) -> Tensor:
        return self.closure(self.held.net(self.listed[0](x)))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(7, 7)
        self.two = nn.Linear(7, 7)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        self.one.weight.mul_(2)
        return self.two(self.one(x))


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.attention(x, x, x)


def materialized(module: nn.Module) -> nn.Module:
    module(normal(2, 3, 11))
    return module


# ---- the float64 run against a copy of the module made float64

DOUBLES: list[tuple[str, Callable[[], nn.Module], tuple[int, ...]]] = [
    ("conv", lambda: nn.Conv1d(3, 5, 3), (2, 3, 11)),
    ("conv without batch", lambda: nn.Conv1d(3, 5, 3, padding_mode="circular", padding=1), (3, 11)),
    ("transposed conv", lambda: nn.ConvTranspose1d(3, 5, 4, 2), (2, 3, 11)),
    ("lazy, run once", lambda: materialized(nn.LazyConv1d(5, 3)), (2, 3, 11)),
    ("batch norm", lambda: nn.BatchNorm1d(3), (2, 3, 11)),
    ("instance norm", lambda: nn.InstanceNorm1d(3, track_running_stats=True), (2, 3, 11)),
    ("group norm", lambda: nn.GroupNorm(1, 3), (2, 3, 11)),
    ("LSTM", lambda: nn.LSTM(3, 5, 2, bidirectional=True, proj_size=2), (7, 2, 3)),
    ("GRU", lambda: nn.GRU(3, 5, batch_first=True), (2, 7, 3)),
    ("RNN", lambda: nn.RNN(3, 5), (7, 2, 3)),
    ("attention", SelfAttention, (2, 7, 6)),
    ("encoder", lambda: nn.TransformerEncoderLayer(6, 2, 11, batch_first=True), (2, 7, 6)),
    (
        "weight norm, parametrized",
        lambda: parametrizations.weight_norm(nn.Conv1d(3, 5, 3)),
        (2, 3, 11),
    ),
    (
        "spectral norm, parametrized",
        lambda: parametrizations.spectral_norm(nn.Conv1d(3, 5, 3)),
        (2, 3, 11),
    ),
    ("dropout", lambda: nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.5)), (2, 3)),
    ("bilinear resize", lambda: nn.Upsample(scale_factor=2, mode="linear"), (2, 3, 11)),
    ("scripted", lambda: torch.jit.script(nn.Sequential(nn.Linear(3, 5), nn.GELU())), (2, 3)),
]


@pytest.mark.parametrize(("build", "shape"), [pytest.param(*row[1:], id=row[0]) for row in DOUBLES])
def test_float64_is_that_of_a_float64_copy(
    build: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    module, x = seeded(build), normal(*shape)
    with torch.no_grad():
        expected = copy.deepcopy(module).double().eval()(x.double())
    found = run64(module, (x,))
    flat = torch.utils._pytree.tree_leaves(expected)
    assert len(found) == len(flat)
    for array, tensor in zip(found, flat, strict=True):
        assert array.dtype == np.float64
        np.testing.assert_allclose(array, tensor.numpy(), rtol=1e-12, atol=1e-14)
        assert not np.array_equal(array, array.astype(np.float32))


@pytest.mark.parametrize("wrap", [weight_norm, spectral_norm])
def test_hook_based_norms_cannot_be_copied_but_run(wrap: Callable[[nn.Module], nn.Module]) -> None:
    module = seeded(lambda: wrap(nn.Conv1d(3, 5, 3)))
    module(normal(2, 3, 11))
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(module)
    before, state = module.weight, {name: t.clone() for name, t in module.state_dict().items()}
    x = normal(2, 3, 11)
    found = run64(module, (x,))[0]
    assert module.weight is before
    assert all(torch.equal(state[name], t) for name, t in module.state_dict().items())
    if wrap is weight_norm:
        g, v = module.weight_g.double(), module.weight_v.double()
        weight = v * (g / v.norm(dim=(1, 2), keepdim=True))
    else:
        matrix = module.weight_orig.double().flatten(1)
        weight = module.weight_orig.double() / (
            module.weight_u.double() @ matrix @ module.weight_v.double()
        )
    expected = F.conv1d(x.double(), weight, module.bias.double()).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_hidden_modules_and_closures_are_float64_too() -> None:
    module, x = seeded(Hidden), normal(2, 7)
    one, two, scale = module.listed[0], module.held.net, module.closure.__closure__[0].cell_contents
    mid = x.double() @ one.weight.double().T + one.bias.double()
    expected = (mid @ two.weight.double().T + two.bias.double()) * scale.double()
    np.testing.assert_allclose(run64(module, (x,))[0], expected.detach().numpy(), rtol=1e-13)
    assert one.weight.dtype == scale.dtype == torch.float32


@pytest.mark.parametrize("runner", [run, run64])
def test_tied_weights_stay_tied_and_writes_to_them_are_undone(
    runner: Callable[..., list[np.ndarray]],
) -> None:
    module, x = seeded(Tied), normal(2, 7)
    weight, before = module.one.weight, module.one.weight.detach().clone()
    w, b1, b2 = (t.detach().double() for t in (module.one.weight, module.one.bias, module.two.bias))
    expected = (x.double() @ (2 * w).T + b1) @ (2 * w).T + b2
    tolerance = 1e-13 if runner is run64 else 1e-5
    for _ in range(2):
        np.testing.assert_allclose(
            runner(module, (x,))[0], expected.numpy(), rtol=tolerance, atol=tolerance
        )
        assert module.one.weight is module.two.weight is weight
        assert torch.equal(weight, before)


# ---- types


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_modules(dtype: torch.dtype) -> None:
    module, x = seeded(lambda: nn.Linear(7, 5)).to(dtype), normal(2, 7, dtype=dtype)
    expected = (x.double() @ module.weight.double().T + module.bias.double()).detach().numpy()
    np.testing.assert_allclose(run64(module, (x,))[0], expected, rtol=1e-13)
    (y_t,) = run(module, (x,))
    assert y_t.dtype == (np.float16 if dtype == torch.float16 else np.float32)
    assert torch.equal(torch.from_numpy(y_t).to(dtype), module(x))
    assert nominal_dtype(module, (x,)) == dtype


def test_float64_modules_are_run_as_they_are() -> None:
    module, x = Call(lambda m, x: torch.finfo(x.dtype).eps * x).double(), normal(2, 3, 7).double()
    np.testing.assert_array_equal(run64(module, (x,))[0], run(module, (x,))[0])
    assert nominal_dtype(module, (x,)) == torch.float64


def test_integers_and_bools_stay() -> None:
    module, x = Call(lambda m, x: (x.argmax(-1), x > 0, x.sort().indices.int())), normal(2, 3, 7)
    for own, wide in zip(run(module, (x,)), run64(module, (x,)), strict=True):
        assert own.dtype == wide.dtype
        np.testing.assert_array_equal(own, wide)


# ---- nothing is left changed


def write_everywhere(module: Call, x: Tensor) -> Tensor:
    module.calls += 1
    module.history.append(2)
    module.cache["x"] = x
    module.cache["deep"][0][1].append(4)
    module.extra = x
    module.count += 1
    module.memory.copy_(x[0])
    module.memory[:, 2:].mul_(3)
    module.memory.view(-1)[0] = 5
    module.plain.add_(1)
    module.memory = module.memory + module.weight[:3].mul_(2)
    del module.function
    x.zero_()
    return module.memory / 3 + module.count + module.plain


def attributes(module: nn.Module) -> dict[str, object]:
    return {
        name: copy.copy(value) if isinstance(value, dict | list) else value
        for name, value in vars(module).items()
    }


@pytest.mark.parametrize("runner", [run, run64])
@pytest.mark.parametrize("fail", [False, True])
def test_the_module_and_its_inputs_are_as_they_were(
    runner: Callable[..., list[np.ndarray]], fail: bool
) -> None:
    def function(module: Call, x: Tensor) -> Tensor:
        result = write_everywhere(module, x)
        if fail:
            raise KeyError("as the module does")
        return result

    module, x = Call(function), normal(2, 3, 7)
    given, before = x.clone(), attributes(module)
    tensors = {
        name: t.clone() for name, t in (*module.state_dict().items(), ("plain", module.plain))
    }
    for _ in range(2):
        if fail:
            with pytest.raises(KeyError, match="as the module does"):
                runner(module, (x,))
        else:
            memory = given[0].double()
            memory[:, 2:] *= 3
            memory[0, 0] = 5
            expected = (
                (memory + 2 * tensors["weight"][:3].double()) / 3
                + 1
                + (tensors["plain"].double() + 1)
            )
            np.testing.assert_allclose(
                runner(module, (x,))[0], expected, rtol=1e-13 if runner is run64 else 1e-4
            )
        assert attributes(module) == before
        assert list(vars(module)) == list(before)
        assert module.cache == {"deep": [(2, [3])]}
        assert all(torch.equal(tensors[name], t) for name, t in module.state_dict().items())
        assert torch.equal(module.plain, tensors["plain"])
        assert torch.equal(x, given)


@pytest.mark.parametrize("runner", [run, run64])
@pytest.mark.parametrize("fail", [False, True])
def test_global_state_is_as_it_was(runner: Callable[..., list[np.ndarray]], fail: bool) -> None:
    def function(_: Call, x: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        torch.set_grad_enabled(True)
        noise = torch.rand(7) + random.random() + np.random.rand()  # noqa: NPY002
        torch.manual_seed(99)
        if fail:
            raise KeyError("as the module does")
        return x + noise

    def state() -> list[object]:
        numbers = np.random.get_state()  # noqa: NPY002
        flags = (
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.backends.mha.get_fastpath_enabled(),
        )
        return [
            torch.get_rng_state().tolist(),
            random.getstate(),
            numbers[1].tolist(),
            numbers[2:],
            flags,
        ]

    module, before = Call(function), state()
    for _ in range(2):
        if fail:
            with pytest.raises(KeyError, match="as the module does"):
                runner(module, (normal(2, 3, 7),))
        else:
            runner(module, (normal(2, 3, 7),))
        assert state() == before


def test_training_flags_are_restored_one_by_one() -> None:
    class Merging(nn.Module):
        def train(self, mode: bool = True) -> nn.Module:
            raise AssertionError("a module may do anything here")

    net = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3), nn.Dropout(0.5), Merging())
    net[1].training = False
    net[3].forward = lambda x: x
    x = normal(2, 3)
    np.testing.assert_allclose(run(net, (x,))[0], x.numpy(), rtol=1e-4)
    np.testing.assert_allclose(
        run64(net, (x,))[0], x.double().numpy() / (1 + 1e-5) ** 0.5, rtol=1e-13
    )
    assert [part.training for part in net.modules()] == [True, True, False, True, True]


def test_random_numbers_start_from_the_seed() -> None:
    module, x = Call(lambda _, x: torch.rand(7)), normal(2, 3, 7)
    assert np.array_equal(run(module, (x,), seed=3), run(module, (x,), seed=3))
    assert not np.array_equal(run(module, (x,), seed=3), run(module, (x,), seed=4))


# ---- what goes in and comes out


def test_structures_are_flattened_and_keywords_taken() -> None:
    class Net(nn.Module):
        def forward(
            self, pair: tuple[Tensor, Tensor], *, scale: Tensor, factor: int
        ) -> dict[str, Any]:
            return {"b": [pair[0] * scale * factor, None, 3], "a": (pair[1],)}

    x, y, scale = normal(2, 3), normal(5), normal(3)
    for runner in (run, run64):
        found = runner(Net(), ((x, y),), {"scale": scale, "factor": 2})
        np.testing.assert_allclose(found[0], (x * scale * 2).numpy(), rtol=1e-6)
        np.testing.assert_array_equal(found[1], y.numpy())
        assert len(found) == 2


def test_arrays_are_copies() -> None:
    module = Call(lambda m, x: (m.memory, x))
    for runner in (run, run64):
        x = torch.ones(3)
        memory, same = runner(module, (x,))
        memory += 1
        same += 1
        assert module.memory.sum() == 0
        assert x.sum() == 3


def test_a_lazy_module_is_refused() -> None:
    with pytest.raises(InputError, match=r"not initialised: 0\.weight") as caught:
        run(nn.Sequential(nn.LazyConv1d(5, 3)), (normal(2, 3, 11),))
    assert "run one forward call first" in str(caught.value)


class GivesNumpy(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x * 2, x.numpy() * 3, x.numpy().sum(), "no number"


@pytest.mark.parametrize("runner", [run, run64])
def test_arrays_and_numbers_of_numpy_are_outputs(runner: Callable[..., list[np.ndarray]]) -> None:
    x = torch.arange(5.0)
    doubled, tripled, total = runner(GivesNumpy(), (x,))
    np.testing.assert_array_equal(doubled, 2 * x)
    np.testing.assert_array_equal(tripled, 3 * x)
    assert total == 10
