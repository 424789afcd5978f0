"""Both idioms of a causal convolution become the layer's padding; what looks like them stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

from op_case import Case, check, module

DYNAMIC = {"dynamic_shapes": ({0: Dim.AUTO, 2: Dim.AUTO},)}
CAUSAL = ["Conv1D"]


class Block(nn.Module):
    """A convolution, and what a forward does with it."""

    def __init__(
        self, forward: Callable[[nn.Module, torch.Tensor], Any], *args: Any, **kwargs: Any
    ) -> None:
        super().__init__()
        self.conv, self.call = nn.Conv1d(3, 3, *args, **kwargs), forward

    def forward(self, x: torch.Tensor) -> Any:
        return self.call(self.conv, x)


def block(
    forward: Callable[[nn.Module, torch.Tensor], Any],
    *args: Any,
    dynamic: bool = False,
    **kwargs: Any,
) -> Case:
    return module(
        lambda: Block(forward, *args, **kwargs), (2, 3, 23), **(DYNAMIC if dynamic else {})
    )


def before(conv: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return conv(F.pad(x, (4, 0)))


def behind(conv: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return conv(x)[..., :-4].contiguous()


def padded_twice_used(conv: nn.Module, x: torch.Tensor) -> torch.Tensor:
    padded = F.pad(x, (4, 0))
    return conv(padded) + padded[..., 4:]


def result_twice_used(conv: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    y = conv(x)
    return y[..., :-4], y


def layer_twice_used(conv: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return conv(F.pad(x, (4, 0))) + conv(F.pad(x, (2, 2)))


CASES: dict[str, tuple[Case, list[str]]] = {
    "zeros before": (block(before, 3, dilation=2), CAUSAL),
    "zeros before, dynamic length": (block(before, 5, dynamic=True), CAUSAL),
    "zeros before, stride": (block(before, 5, stride=3), CAUSAL),
    "cut behind": (block(behind, 3, dilation=2, padding=4), CAUSAL),
    "cut behind, dynamic length": (block(behind, 5, padding=4, dynamic=True), CAUSAL),
    "padded value used elsewhere": (block(padded_twice_used, 5), ["ZeroPadding1D", *CAUSAL]),
    "more zeros than the kernel reaches": (block(before, 4), ["ZeroPadding1D", *CAUSAL]),
    "fewer elements cut than padded": (block(behind, 7, padding=6), ["ZeroPadding1D", *CAUSAL]),
    "cut behind a stride": (block(behind, 5, padding=4, stride=2), ["ZeroPadding1D", *CAUSAL]),
    "whole result used elsewhere": (
        block(result_twice_used, 5, padding=4),
        ["ZeroPadding1D", *CAUSAL],
    ),
    "one layer, two paddings": (block(layer_twice_used, 5), ["ZeroPadding1D", *CAUSAL]),
}
FUSED = {name for name, (_, layers) in CASES.items() if layers == CAUSAL} | {
    "padded value used elsewhere"
}


@pytest.mark.parametrize("name", CASES)
def test_causal(name: str) -> None:
    case, layers = CASES[name]
    converted = check(case)
    used = [
        layer
        for layer in converted.model.layers
        if type(layer).__name__ in {"ZeroPadding1D", "Conv1D"}
    ]
    assert {type(layer).__name__ for layer in used} == set(layers)
    assert [layer.padding == "causal" for layer in used if type(layer).__name__ == "Conv1D"] == [
        name in FUSED
    ]
