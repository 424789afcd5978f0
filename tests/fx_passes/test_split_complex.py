"""Complex numbers: each op as PyTorch computes it, ports and buffers, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

import torch2keras as t2k
from op_case import Case, Function, check, function
from torch2keras.capture.export import capture
from torch2keras.fx_passes.split_complex import is_complex, split_complex


def numbers(*shape: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.randn(*shape, dtype=torch.complex64)


def add_both_ends(z: torch.Tensor) -> torch.Tensor:
    return z[:, :, :3, :3] + z[:, :, -3:, :3]


Z, W = numbers(3, 5, 7), numbers(3, 5, 7)
X = (3, 5, 7)

CASES: dict[str, Case] = {
    "parts": function(
        lambda z: (z.real, z.imag, torch.view_as_real(z), z.conj(), torch.conj_physical(z)), Z
    ),
    "polar form": function(
        lambda z: (z.abs(), z.angle(), torch.polar(z.abs(), z.angle()), z.sgn()), Z
    ),
    "made of parts": function(
        lambda x, y: (torch.complex(x, y), torch.view_as_complex(torch.stack([x, y], -1))), X, X
    ),
    "made of parts of two shapes": function(
        lambda x, y: (torch.complex(x, y), torch.polar(y, x)), X, (5, 1)
    ),
    "made of a number": function(
        lambda x: (1j * x, x + 2j, x - (1 - 3j), x / 2j, torch.exp(1j * x), 2 + 0j * x), X
    ),
    "sums": function(
        lambda z, w, x: (z + w, z - w, z + x, x - z, 3 - z, z + 2j, torch.add(z, w, alpha=3)),
        Z,
        W,
        X,
    ),
    "products": function(
        lambda z, w, x: (z * w, z * x, x * z, z * 2j, z * (2 + 3j), z * 2, -z), Z, W, X
    ),
    "quotients": function(
        lambda z, w, x: (z / w, z / x, x / z, z / 2j, z / 3, 2 / z, z.reciprocal()), Z, W, X
    ),
    "powers": function(lambda z: (z.square(), z**3, z**2.5, z**-1, z.sqrt(), z.rsqrt()), Z),
    "exponentials": function(lambda z: (z.exp(), z.log(), z.log2(), z.log10()), Z),
    "circular functions": function(lambda z: (z.sin(), z.cos(), z.sinh(), z.cosh()), Z),
    "sums over dimensions": function(
        lambda z: (z.sum(1), z.mean((0, 2)), z.sum(), z.cumsum(2), z.sum(-1, True)), Z
    ),
    "statistics": function(
        lambda z: (z.var(1), z.std(2), z.norm(dim=1), torch.linalg.vector_norm(z)), Z
    ),
    "shapes": function(
        lambda z: (
            z.reshape(-1, 35),
            z.mT,
            z.permute(2, 0, 1),
            z[:, None],
            z.flatten(1),
            z.movedim(0, 2),
        ),
        Z,
    ),
    "stretched": function(
        lambda z: (z[:, :1].expand(3, 2, 7), z.repeat(1, 2, 1), z.repeat_interleave(2, 1)), Z
    ),
    "taken": function(
        lambda z: (z[:, 1], z[..., 2:6:2], z[:, [3, 1, 1]], z.narrow(2, 1, 3), z.diagonal(0, 1, 2)),
        Z,
    ),
    "taken apart": function(lambda z: (*z.unbind(1), *z.split(2, 2), *z.chunk(2, 1)), Z),
    "joined": function(lambda z, x: (torch.cat([z, x], 1), torch.stack([z, z * 2], 2)), Z, X),
    "chosen": function(
        lambda z, x: (torch.where(x > 0, z, x), torch.where(x > 0, z, 0), z.masked_fill(x > 0, 1j)),
        Z,
        X,
    ),
    "padded and turned": function(
        lambda z: (
            F.pad(z, (1, 2)),
            F.pad(z, (1, 2), value=3.0),
            z.flip(1),
            z.roll(2, 2),
            z.tril(),
            z.unfold(2, 3, 2),
        ),
        Z,
    ),
    "matrix products": function(
        lambda z, w, x: (z @ w.mT, z @ w.mH, z @ (x + 0j).mT, torch.einsum("bij,bkj->bik", z, w)),
        Z,
        W,
        X,
    ),
    "linear": function(lambda z, w, b: F.linear(z, w, b), Z, numbers(2, 7), numbers(2)),
    "convolution": function(lambda z, w: F.conv1d(z, w), Z, numbers(2, 5, 3), transposes=8),
    "types": function(
        lambda z, x: (z.to(torch.complex128) + x, x.to(torch.complex64), z.type_as(z)), Z, X
    ),
    "constants": function(
        lambda z: (
            torch.ones_like(z) + z,
            torch.zeros(7, dtype=torch.cfloat) + z,
            z + torch.full((7,), 2j),
        ),
        Z,
    ),
    "questions": function(
        lambda z, w: (z == w, z != w, z.isnan(), z.isinf(), z.isfinite(), torch.isreal(z)), Z, W
    ),
    "written to": function(
        lambda z: (z.clone().mul_(2j), z.clone().index_fill_(1, torch.tensor([2]), 0)), Z
    ),
    "sizes": function(
        lambda z: z.reshape(z.shape[0], -1, 7) * z.shape[2],
        Z,
        dynamic_shapes=({0: Dim.AUTO, 1: Dim.AUTO},),
    ),
    "slices at both ends of dynamic dimensions": function(
        lambda x: add_both_ends(torch.fft.rfft2(x)).abs(),
        (2, 3, 7, 10),
        transposes=4,
        dynamic_shapes=({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},),
    ),
    "double precision": function(
        lambda z: z * z.conj(), lambda: torch.randn(3, 5, dtype=torch.complex128)
    ),
    "angle of real numbers": function(
        lambda x: (x.angle(), torch.arange(-2, 3).angle() + x[0, :, 0]), X
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_complex(name: str) -> None:
    check(CASES[name])


def test_a_graph_is_split_into_real_values_alone() -> None:
    made = capture(Function(lambda z: z * z.conj()), (Z(),))
    split = split_complex(made.graph_module, made.program.graph_signature.input_specs)
    assert any(is_complex(node.meta.get("val")) for node in made.graph_module.graph.nodes)
    assert not any(is_complex(node.meta.get("val")) for node in split.graph.nodes)


def test_a_graph_without_complex_values_is_left_alone() -> None:
    made = capture(Function(torch.sin), (torch.randn(3, 5),))
    assert split_complex(made.graph_module) is made.graph_module


def test_ports_take_and_give_complex_numbers() -> None:
    z, w = Z(), W()
    converted = t2k.convert(Function(lambda z, w: (z * w, z.real)), (z, w))
    product, real = converted(z, w.numpy())
    assert product.dtype == np.complex64
    np.testing.assert_allclose(product, (z * w).numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(real, z.real.numpy())
    assert [port.is_complex for port in (*converted.inputs, *converted.outputs)] == [
        True,
        True,
        True,
        False,
    ]
    assert converted.inputs[0].torch_shape == (None, 5, 7, 2)


class Rotary(nn.Module):
    """Rotary positions, with a buffer of complex numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("turns", torch.polar(torch.ones(11, 4), torch.rand(11, 4) * 6))
        self.query = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pairs = torch.view_as_complex(self.query(x).unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * self.turns).flatten(-2)


def test_a_complex_buffer_is_kept_in_the_state_dict() -> None:
    made = Rotary()
    converted = check(Case(lambda: made, lambda: (torch.randn(3, 11, 8),)))
    state = converted.state_dict()
    assert {name: t.dtype for name, t in state.items()} == {
        name: t.dtype for name, t in made.state_dict().items()
    }
    assert all(torch.equal(t, state[name]) for name, t in made.state_dict().items())
    state["query.weight"] *= 2
    converted.load_state_dict(state)
    assert torch.equal(converted.state_dict()["query.weight"], 2 * made.query.weight)


def test_the_gradient_of_a_spectrum_with_zeros_is_finite() -> None:
    made = nn.Sequential(nn.Linear(8, 8), Function(lambda x: torch.fft.rfft(x).abs()))
    nn.init.zeros_(made[0].bias)
    converted = t2k.convert(made, (torch.randn(3, 8),))
    import tensorflow as tf

    for x in (torch.zeros(3, 8), torch.randn(3, 8)):
        with tf.GradientTape() as tape:
            loss = keras.ops.sum(converted.model(x.numpy()))
        ours = tape.gradient(loss, converted.model.trainable_variables)
        made.zero_grad()
        made(x).sum().backward()
        np.testing.assert_allclose(
            ours[0].numpy().T, made[0].weight.grad.numpy(), rtol=1e-4, atol=1e-4
        )
        np.testing.assert_allclose(ours[1].numpy(), made[0].bias.grad.numpy(), rtol=1e-4, atol=1e-4)


class Parametric(nn.Module):
    """A function of the input and a complex parameter."""

    def __init__(self, run: Callable[..., torch.Tensor], *shape: int) -> None:
        super().__init__()
        self.run = run
        self.weight = nn.Parameter(torch.randn(*shape, dtype=torch.complex64))
        self.scale = nn.Parameter(torch.randn(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.run(x, self.weight, self.scale)


def keep_low_modes(x: torch.Tensor, weight: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """The layer of a Fourier neural operator (https://arxiv.org/abs/2010.08895)."""
    modes = weight.shape[-1]
    spectrum = torch.fft.rfft(x)
    low = torch.einsum("bix,iox->box", spectrum[:, :, :modes], weight)
    y = torch.zeros(len(x), weight.shape[1], spectrum.shape[-1], dtype=torch.cfloat)
    y[:, :, :modes] = low
    return torch.fft.irfft(y, n=x.shape[-1])


def keep_modes_of_both_signs(
    x: torch.Tensor, weight: torch.Tensor, _: torch.Tensor
) -> torch.Tensor:
    """Two dimensions: low modes of positive and of negative frequency."""
    spectrum = torch.fft.rfft2(x)
    y = torch.zeros(len(x), weight.shape[1], *spectrum.shape[2:], dtype=torch.cfloat)
    y[:, :, :2, :3] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, :2, :3], weight[..., :3])
    y[:, :, -2:, :3] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, -2:, :3], weight[..., 3:])
    return torch.fft.irfft2(y, s=x.shape[2:])


PARAMETERS: dict[str, tuple[Callable[..., torch.Tensor], tuple[int, ...], tuple[int, ...]]] = {
    "Fourier neural operator": (keep_low_modes, (3, 5, 4), (2, 3, 11)),
    "in two dimensions": (keep_modes_of_both_signs, (3, 5, 2, 6), (2, 3, 7, 10)),
    "filter of all modes": (
        lambda x, w, _: torch.fft.irfft(torch.fft.rfft(x) * w, n=11), (3, 6), (2, 3, 11)
    ),
    "conjugated": (lambda x, w, _: (x.cfloat() @ w.conj()).imag, (11, 5), (2, 3, 11)),
    "transposed": (lambda x, w, _: torch.view_as_real(x.cfloat() @ w.mT), (5, 11), (2, 3, 11)),
    "sum and absolute value": (lambda x, w, _: (x + w).abs(), (3, 1), (2, 3, 11)),
    "phase of rotations": (
        lambda x, w, s: (torch.exp(1j * s).unsqueeze(1) * w * x).real, (3, 11), (2, 3, 11)
    ),
    "its parts": (lambda x, w, _: x * w.real + torch.view_as_real(w)[..., 1], (3, 11), (2, 3, 11)),
    "powers of a state space": (
        lambda x, w, _: (x * (w.unsqueeze(1) * torch.arange(11) / 9).exp()).real, (3,), (2, 3, 11)
    ),
    "complex result": (lambda x, w, _: x * w, (3, 1), (2, 3, 11)),
    "used twice": (lambda x, w, _: ((x.cfloat() @ w) @ w.mH).real, (11, 5), (2, 3, 11)),
}  # fmt: skip


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_complex_parameter_is_a_pair_of_weights(name: str) -> None:
    run, weight, shape = PARAMETERS[name]
    torch.manual_seed(0)
    made, x = Parametric(run, *weight).eval(), torch.randn(*shape)
    converted = t2k.convert(made, (x,))
    assert converted.verify(level="gradients").ok
    assert any("The gradients of all" in note for note in converted.report.notes)
    found = converted.state_dict()
    assert {key: value.dtype for key, value in found.items()} == {
        "weight": torch.complex64,
        "scale": torch.float32,
    }
    assert all(torch.equal(value, made.state_dict()[key]) for key, value in found.items())
    other = Parametric(run, *weight).eval()
    converted.load_state_dict(other.state_dict())
    x = torch.randn(5, *shape[1:])
    np.testing.assert_allclose(converted(x), other(x).detach(), rtol=1e-4, atol=1e-5)


def test_a_trained_complex_parameter_comes_back() -> None:
    import tensorflow as tf

    torch.manual_seed(0)
    made, x = Parametric(keep_low_modes, 3, 5, 4), torch.randn(2, 3, 11)
    converted = t2k.convert(made.eval(), (x,))
    weights = converted.model.trainable_variables
    assert [sorted(weight.shape) for weight in weights] == [[3, 4, 5]] * 2
    with tf.GradientTape() as tape:
        loss = keras.ops.sum(keras.ops.square(converted.model(converted.inputs[0].from_torch(x))))
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(0.01 * gradient)
    trainer = torch.optim.SGD(made.parameters(), 0.01)
    made(x).square().sum().backward()
    trainer.step()
    found = converted.state_dict()
    torch.testing.assert_close(found["weight"], made.weight.detach(), rtol=1e-5, atol=1e-6)
    made.load_state_dict(found)
    np.testing.assert_allclose(converted(x), made(x).detach(), rtol=1e-4, atol=1e-5)
    assert converted.verify().ok


def test_complex_parameters_that_are_frozen_tied_or_not_used() -> None:
    torch.manual_seed(0)
    made = nn.ModuleList(Parametric(keep_low_modes, 3, 3, 4) for _ in range(3))
    made[1].weight = made[0].weight
    made[0].scale.requires_grad_(False)
    made[2].weight.requires_grad_(False)
    net = nn.Sequential(*made).eval()
    net.register_parameter("spare", nn.Parameter(torch.randn(7, dtype=torch.complex64)))
    x = torch.randn(2, 3, 11)
    converted = t2k.convert(net, (x,))
    assert [weight.trainable for weight in converted.model.weights].count(False) == 2
    state = converted.state_dict()
    assert all(torch.equal(state[key], value) for key, value in net.state_dict().items())
    doubled = {key: value * 2 for key, value in state.items()}
    converted.load_state_dict(doubled)
    net.load_state_dict(doubled)
    np.testing.assert_allclose(converted(x), net(x).detach(), rtol=1e-4, atol=1e-4)
    doubled["1.weight"] = doubled["1.weight"] * 1j
    with pytest.raises(t2k.InputError, match=r"different values in this state_dict"):
        converted.load_state_dict(doubled)


REFUSED = [
    (
        "no rule",
        lambda: Function(torch.tan),
        Z,
        t2k.UnsupportedOpError,
        "no rule for aten.tan.default on complex",
    ),
    (
        "power",
        lambda: Function(lambda z: z**1j),
        Z,
        t2k.UnsupportedOpError,
        "a power with the exponent 1j",
    ),
    (
        "factor",
        lambda: Function(lambda z: z.add(z, alpha=2j)),
        Z,
        t2k.UnsupportedOpError,
        "alpha=2j on complex",
    ),
]


@pytest.mark.parametrize(
    ("make", "example", "error", "match"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_refused(make, example, error, match) -> None:
    with pytest.raises(error, match=match):
        t2k.convert(make(), (example(),))
