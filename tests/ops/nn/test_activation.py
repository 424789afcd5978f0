"""Activations: every one of torch.nn, on wide inputs, in each float type."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

from op_case import Case, check, function, module

ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "leaky_relu 0.3": lambda x: F.leaky_relu(x, 0.3),
    "rrelu": lambda x: F.rrelu(x, 0.1, 0.4),
    "elu": F.elu,
    "elu 0.7": lambda x: F.elu(x, 0.7),
    "elu with scales": lambda x: torch.ops.aten.elu(x, 0.7, 1.3, 0.4),
    "celu": F.celu,
    "celu 0.7": lambda x: F.celu(x, 0.7),
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "softplus beta": lambda x: F.softplus(x, beta=0.7),
    "softplus threshold": lambda x: F.softplus(x, beta=2, threshold=1),
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "softshrink": F.softshrink,
    "softshrink 0.2": lambda x: F.softshrink(x, 0.2),
    "hardshrink": F.hardshrink,
    "hardshrink 0.2": lambda x: F.hardshrink(x, 0.2),
    "hardtanh": F.hardtanh,
    "hardtanh of others": lambda x: F.hardtanh(x, -0.3, 1.7),
    "hardtanh from zero": lambda x: F.hardtanh(x, 0.0, 4.0),
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "logsigmoid": F.logsigmoid,
    "threshold": lambda x: F.threshold(x, 0.1, -20.0),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
LAYERS = {
    "prelu": lambda: nn.PReLU(),
    "prelu per channel": lambda: nn.PReLU(5, init=0.3),
    "glu": lambda: nn.Sequential(nn.Conv1d(5, 10, 1), nn.GLU(1)),
    "glu along the length": lambda: nn.GLU(2),
}
CASES: dict[str, Case] = {
    **{name: function(call, (3, 7, 11)) for name, call in ACTIVATIONS.items()},
    **{name: module(make, (2, 5, 14)) for name, make in LAYERS.items()},
    "prelu of a vector": module(lambda: nn.PReLU(), (7,)),
    "prelu of a matrix": module(lambda: nn.PReLU(5), (3, 5)),
    "prelu with computed slopes": function(
        lambda x, w: F.prelu(x, torch.sigmoid(w)), (2, 3, 7), (3,)
    ),
    "prelu between convolutions": module(
        lambda: nn.Sequential(nn.Conv1d(3, 5, 3), nn.PReLU(5), nn.Conv1d(5, 7, 3), nn.PReLU()),
        (2, 3, 13),
    ),
    "prelu of images": module(
        lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.PReLU(5)), (2, 3, 7, 11)
    ),
    "glu between convolutions": module(
        lambda: nn.Sequential(nn.Conv1d(3, 10, 3), nn.GLU(1), nn.Conv1d(5, 7, 3)), (2, 3, 13)
    ),
    "glu along a dynamic length": module(
        lambda: nn.GLU(2), (2, 5, 14), dynamic_shapes=({0: Dim.AUTO, 2: Dim.DYNAMIC},)
    ),
    "of integers": function(
        lambda x: (F.relu(x), F.relu6(x), F.hardtanh(x, -2, 3), F.threshold(x, 1, 5)),
        lambda: torch.arange(-5, 8),
    ),
    "after a convolution": module(
        lambda: nn.Sequential(
            nn.Conv1d(3, 5, 3), nn.GELU(), nn.Conv1d(5, 7, 3), nn.Hardswish(), nn.Softshrink(0.3)
        ),
        (2, 3, 13),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_activation(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_every_activation_in_other_floats(dtype: torch.dtype) -> None:
    check(
        function(
            lambda x: tuple(call(x) for call in ACTIVATIONS.values()),
            lambda: torch.randn(3, 7, 11).to(dtype),
        )
    )


def test_activations_that_keras_has_as_layers_are_layers() -> None:
    converted = check(
        module(
            lambda: nn.Sequential(nn.GELU(), nn.LeakyReLU(0.2), nn.ReLU6(), nn.PReLU(3)), (2, 3, 7)
        )
    )
    assert [type(layer).__name__ for layer in converted.model.layers[1:]] == [
        "Activation",
        "LeakyReLU",
        "ReLU",
        "PReLU",
    ]
    assert converted.model.layers[-1].alpha.shape == (3, 1)


def test_random_slopes_are_refused() -> None:
    import torch2keras as t2k

    with pytest.raises(t2k.Torch2KerasError, match="rrelu"):
        check(function(lambda x: F.rrelu(x, training=True), (2, 3, 7)))
