"""Leaf modules: what the user registers stands in the Keras model, or is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

import torch2keras as t2k
from torch2keras.custom_ops.leaf_modules import LEAVES
from torch2keras.lower.recorder import call, layers, ops

LENGTHS = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO}


class Snake(nn.Module):
    """Along channels, with a number of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.rand(channels) + 0.5)
        self.eps = 1e-3

    def forward(self, x: Tensor) -> Tensor:
        alpha = self.alpha.reshape(1, -1, 1)
        return x + torch.sin(alpha * x) ** 2 / (alpha + self.eps)


class Gated(nn.Module):
    """Decides by numbers, so torch.export cannot take it; one input may be absent."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(5, 7)

    def forward(
        self,
        input: Tensor,  # noqa: A002 - the schema's name
        gate: Tensor | None = None,
        *,
        loud: bool = False,
    ) -> tuple[Tensor, Tensor]:
        y = self.inner(input)
        if y.abs().max().item() > 1e9 or loud:
            y = y * 0
        return y if gate is None else y * gate, y.amax(-1)


def gated_shapes(_: nn.Module, x: Tensor, gate: Tensor | None) -> tuple[Tensor, Tensor]:
    return x.new_empty(*x.shape[:-1], 7), x.new_empty(x.shape[:-1])


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    before = dict(LEAVES)

    @t2k.leaf(Snake, axes="n c *s, c -> n c *s")
    def snake(x, alpha, module, *, c):  # type: ignore[no-untyped-def]
        """A snake."""
        alpha = alpha.reshape(*(-1 if d == c else 1 for d in range(x.ndim)))
        return x + ops.square(ops.sin(x * alpha)) / ops.add(alpha, module.eps)

    @t2k.leaf(
        Gated,
        torch="... i, ... o, o i, o -> ... o, ...",
        keras="... i, ... o, i o, o -> ... o, ...",
        outputs=2,
        fake=gated_shapes,
    )
    def gated(
        input,  # noqa: A002 - as forward has it
        gate,
        inner_weight,
        inner_bias,
        module,
    ):  # type: ignore[no-untyped-def]
        """Dense, and its largest."""
        y = call(
            layers.Dense(units=inner_weight.shape[1]), input, kernel=inner_weight, bias=inner_bias
        )
        return y if gate is None else y * gate, ops.max(y, axis=-1)

    yield
    LEAVES.clear()
    LEAVES.update(before)


class Held(nn.Module):
    """Calls a leaf in some way."""

    def __init__(self, forward: Callable[..., object]) -> None:
        super().__init__()
        self.part = Gated()
        self.how = forward

    def forward(self, *x: Tensor) -> object:
        return self.how(self.part, *x)


def test_a_leaf_follows_the_layout_of_its_neighbours() -> None:
    net = nn.Sequential(nn.Conv1d(3, 7, 5), Snake(7), nn.Conv1d(7, 5, 3), Snake(5)).eval()
    converted = t2k.convert(net, (torch.randn(2, 3, 41),), dynamic_shapes=(LENGTHS,))
    assert not converted.report.transposes
    assert "forward" not in vars(net[1])
    assert all(torch.equal(t, net.state_dict()[name]) for name, t in converted.state_dict().items())
    changed = {name: t + 0.25 for name, t in net.state_dict().items()}
    converted.load_state_dict(changed)
    net.load_state_dict(changed)
    converted.verify()


@pytest.mark.parametrize(
    "how", [lambda m, x, g: m(x, g), lambda m, x, g: (m(x)[0] + g, m(x, gate=g)[1])]
)
def test_a_leaf_that_export_refuses(how: Callable[..., object]) -> None:
    converted = t2k.convert(Held(how).eval(), (torch.randn(2, 3, 5), torch.randn(2, 3, 7)))
    assert converted.verification is not None
    assert "Dense" in str(converted.report)


def test_a_wrong_converter_is_found() -> None:
    @t2k.leaf(Snake, axes="n c *s, c -> n c *s")
    def wrong(x, alpha, module, *, c):  # type: ignore[no-untyped-def]
        """Lacks a term."""
        alpha = alpha.reshape(*(-1 if d == c else 1 for d in range(x.ndim)))
        return ops.square(ops.sin(x * alpha)) / alpha

    with pytest.raises(t2k.VerificationError, match="leaf_Snake"):
        t2k.convert(nn.Sequential(Snake(3)).eval(), (torch.randn(2, 3, 11),))


def test_lost_parameters_are_refused() -> None:
    @t2k.leaf(Snake)
    def forgetful(x, module):  # type: ignore[no-untyped-def]
        """Forgets alpha."""
        return x

    with pytest.raises(t2k.InputError, match="leaves out parameters: alpha"):
        t2k.convert(nn.Sequential(Snake(3)).eval(), (torch.randn(2, 3, 11),))


def test_arguments_that_the_converter_does_not_have_are_refused() -> None:
    with pytest.raises(t2k.CaptureError, match="loud=True"):
        t2k.convert(Held(lambda m, x: m(x, loud=True)).eval(), (torch.randn(2, 5),))
