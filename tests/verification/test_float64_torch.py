"""PyTorch code computing in float64 what it was written to compute in a narrower type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from torch2keras.verification import float64_torch
from torch2keras.verification.float64_torch import float64_arithmetic
from torch2keras.verification.reference import run, run64


@pytest.fixture(params=["shadows kept", "shadows dropped"], autouse=True)
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all room for shadows, and with none at all."""
    if request.param == "shadows dropped":
        monkeypatch.setattr(float64_torch, "LARGE", 1)
        monkeypatch.setattr(float64_torch, "MOST_SHADOWS", 0)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


class Call(nn.Module):
    """`function(self, x)`, with a parameter and a tensor that is none."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(normal(7, 7))
        self.plain = normal(7)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


@torch.jit.script
def scripted(x: Tensor) -> Tensor:
    return x.half().float() / 3.0


rms_norm = nn.RMSNorm(7)


def autocast_product(x: Tensor, weight: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return x @ weight


NARROWED: list[tuple[str, Callable[..., Tensor], Callable[..., Tensor]]] = [
    ("float", lambda m, x: x.float() / 3, lambda m, x: x / 3),
    ("to", lambda m, x: x.to(torch.bfloat16).to(torch.float32) / 3, lambda m, x: x / 3),
    ("to like", lambda m, x: (x > 0).to(m.weight) / 3, lambda m, x: (x > 0).double() / 3),
    ("type_as", lambda m, x: (x > 0).type_as(m.weight) / 3, lambda m, x: (x > 0).double() / 3),
    ("half", lambda m, x: x.half() / 3, lambda m, x: x / 3),
    ("scripted", lambda m, x: scripted(x), lambda m, x: x / 3),
    (
        "dtype of a factory",
        lambda m, x: torch.ones(7, dtype=torch.float32) / 3 + x,
        lambda m, x: 1 / 3 + x,
    ),
    ("own dtype", lambda m, x: torch.full((7,), 0.1, dtype=x.dtype) + x, lambda m, x: 0.1 + x),
    (
        "dtype of a softmax",
        lambda m, x: F.softmax(x, -1, dtype=torch.float32),
        lambda m, x: F.softmax(x, -1),
    ),
    (
        "dtype of a sum",
        lambda m, x: (x / 3).sum(-1, dtype=torch.float32),
        lambda m, x: (x / 3).sum(-1),
    ),
    (
        "range",
        lambda m, x: torch.arange(0, 1, 0.1)[:7] + x,
        lambda m, x: torch.arange(0, 1, 0.1, dtype=torch.float64)[:7] + x,
    ),
    (
        "window",
        lambda m, x: torch.hann_window(7) * x,
        lambda m, x: torch.hann_window(7, dtype=torch.float64) * x,
    ),
    (
        "quotient of integers",
        lambda m, x: torch.arange(7) / 3 + x,
        lambda m, x: torch.arange(7).double() / 3 + x,
    ),
    ("mask to float", lambda m, x: (x > 0).float() / 3, lambda m, x: (x > 0).double() / 3),
    (
        "matrix product under autocast",
        lambda m, x: autocast_product(x, m.weight),
        lambda m, x: x @ m.weight.double(),
    ),
    (
        "complex64",
        lambda m, x: torch.complex(x, x / 3).to(torch.complex64).abs(),
        lambda m, x: torch.complex(x, x / 3).abs(),
    ),
    ("spectrum", lambda m, x: torch.fft.rfft(x).abs(), lambda m, x: torch.fft.rfft(x).abs()),
    (
        "attention",
        lambda m, x: F.scaled_dot_product_attention(x, x, x),
        lambda m, x: F.softmax(x @ x.mT / 7**0.5, -1) @ x,
    ),
    (
        "grouped products",
        lambda m, x: F.grouped_mm(
            F.pad(x.flatten(0, 1), (0, 1)),
            F.pad(m.weight, (0, 1, 0, 1)).repeat(2, 1, 1),
            offs=torch.tensor([2, 6], dtype=torch.int32),
        ),
        lambda m, x: F.pad(x.flatten(0, 1) @ m.weight.double(), (0, 1)),
    ),
    ("plain attribute", lambda m, x: m.plain * x / 3, lambda m, x: m.plain.double() * x / 3),
    ("out=", lambda m, x: torch.div(x, 3, out=torch.empty(2, 3, 7)), lambda m, x: x / 3),
    # Data is what it is in float32: the exporter makes it a constant, with these very bits.
    ("tensor literal", lambda m, x: torch.tensor(0.1) * x, lambda m, x: float(np.float32(0.1)) * x),
    (
        "old tensor literal",
        lambda m, x: torch.Tensor([0.1]) * x,
        lambda m, x: float(np.float32(0.1)) * x,
    ),
    ("new_tensor", lambda m, x: x.new_tensor([0.1]) * x, lambda m, x: float(np.float32(0.1)) * x),
    (
        "array",
        lambda m, x: torch.from_numpy(np.full(7, 0.1, np.float32)) * x,
        lambda m, x: float(np.float32(0.1)) * x,
    ),
    # What depends on the type is as in float32.
    ("finfo", lambda m, x: x * torch.finfo(x.dtype).eps / 3, lambda m, x: x * 2.0**-23 / 3),
    (
        "finfo of the default",
        lambda m, x: x * torch.finfo(torch.get_default_dtype()).eps / 3,
        lambda m, x: x * 2.0**-23 / 3,
    ),
    ("branch", lambda m, x: x / 3 if x.dtype == torch.float32 else x, lambda m, x: x / 3),
    (
        "rms_norm",
        lambda m, x: F.rms_norm(x / 99, (7,)),
        lambda m, x: F.rms_norm(x / 99, (7,), eps=2.0**-23),
    ),
    ("RMSNorm", lambda m, x: rms_norm(x / 99), lambda m, x: F.rms_norm(x / 99, (7,), eps=2.0**-23)),
    (
        "nan_to_num",
        lambda m, x: (x / 0).nan_to_num() / 3,
        lambda m, x: x.sign() * torch.finfo(torch.float32).max / 3,
    ),
    ("wanted in float64", lambda m, x: x.double() / 3, lambda m, x: x / 3),
]


@pytest.mark.parametrize(
    ("function", "meant"), [pytest.param(*row[1:], id=row[0]) for row in NARROWED]
)
def test_narrower_types_are_computed_in_float64(
    function: Callable[..., Tensor], meant: Callable[..., Tensor]
) -> None:
    module, x = Call(function), normal(2, 3, 7)
    (found,) = run64(module, (x,))
    expected = meant(module, x.double()).detach().numpy()
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-300)
    (y_t,) = run(module, (x,))
    np.testing.assert_allclose(y_t, expected, rtol=0.05, atol=1e-2)


def test_float64_arithmetic_outside_a_module() -> None:
    weight, x = normal(5, 7), normal(2, 7)
    with float64_arithmetic() as widen:
        y = F.linear(x, weight)
        assert y.dtype == torch.float32, "within, it goes by the name of the type it is written for"
        assert widen(weight).dtype == torch.float32
    assert y.dtype == torch.float64
    assert weight.dtype == torch.float32
    np.testing.assert_allclose(y.numpy(), (x.double() @ weight.double().T).numpy(), rtol=1e-13)
    assert (x @ weight.T).dtype == torch.float32


def slope_of(function: Callable[[Tensor], Tensor]) -> float:
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(function(x).sum(), x)
    return float(gradient[0])


@pytest.mark.parametrize(
    "function",
    [F.hardsigmoid, nn.Hardsigmoid(), lambda x: nn.Hardsigmoid(inplace=True)(x + 0)],
    ids=["function", "layer", "in place"],
)
def test_the_slope_of_hardsigmoid_is_a_sixth_in_float64(
    function: Callable[[Tensor], Tensor],
) -> None:
    with float64_arithmetic(torch.float64):
        assert slope_of(function) == pytest.approx(1 / 6, rel=1e-15)
        x = normal(4, 5).double() * 4
        expected = ((x + 3).clamp(0, 6) / 6).numpy()
        np.testing.assert_allclose(function(x).numpy(), expected, rtol=1e-14)


def test_pytorchs_own_slope_is_still_rounded_to_float32() -> None:
    """Where this fails, `_hardsigmoid` can go."""
    assert slope_of(F.hardsigmoid) == float(np.float32(1) / np.float32(6)) != 1 / 6


class Buffers(nn.Module):
    """Writes to buffers by views of all kinds, and reads them by other ways."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(7, 7))
        self.register_buffer("rows", normal(7, 7))
        self.register_buffer("canvas", normal(7, 7))

    def forward(self, x: Tensor) -> Tensor:
        rows = self.rows.mT
        y = x @ self.weight  # makes other shadows, while a view waits
        rows[1:3] *= 3
        y = y @ self.weight.mT + self.canvas.sum()
        self.canvas[:, 2].copy_(y[0, 0])
        y = y @ self.rows @ self.weight
        return y + self.canvas[2] + rows.sum()


def test_what_is_written_to_is_read_again() -> None:
    net, x = Buffers(), normal(2, 3, 7)
    (found,) = run64(net, (x,), {})
    (meant,) = run(Buffers().double(), (x.double(),), {})
    np.testing.assert_allclose(found, meant, rtol=1e-12)


def test_large_shadows_are_not_all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(float64_torch, "LARGE", 2**10)
    monkeypatch.setattr(float64_torch, "MOST_SHADOWS", 2**12)
    net = nn.Sequential(*[nn.Linear(16, 16) for _ in range(11)])  # 2 KiB each in float64
    shadowing = float64_torch.Shadowing()
    run64(net, (normal(2, 16),), shadowing=shadowing)
    assert 0 < sum(shadowing._large.values()) <= 2**12
