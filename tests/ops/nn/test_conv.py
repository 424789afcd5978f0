"""Convolutions: every documented configuration, odd and even kernels and lengths, each rank."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim
from torch.nn import utils

import torch2keras as t2k
from op_case import Case, check, function, module

BATCH = {0: Dim.AUTO}
DYNAMIC = {"dynamic_shapes": ({0: Dim.AUTO, 2: Dim.AUTO},)}
SPACE = (19, 11, 7)
Conv = type[nn.Module]


def conv(
    *args: Any,
    length: int = 19,
    batch: int | None = 2,
    cls: Conv = nn.Conv1d,
    dynamic: bool = False,
    **kwargs: Any,
) -> Case:
    """One convolution on (batch, channels, length, ...); `batch=None` is unbatched."""
    dtype = kwargs.get("dtype", torch.float32)
    rank = int(cls.__name__[-2])
    shape = (
        (args[0], length, *SPACE[1:rank])
        if batch is None
        else (batch, args[0], length, *SPACE[1:rank])
    )
    return Case(
        lambda: cls(*args, **kwargs),
        lambda: (torch.randn(shape).to(dtype),),
        DYNAMIC if dynamic else {},
    )


def computed(call: Any, *shapes: tuple[int, ...], transposes: int = 0) -> Case:
    """A function of an input of dynamic batch, and of weights of static shapes."""
    static = {"dynamic_shapes": ((BATCH, *({} for _ in shapes[1:])),)}
    return function(call, *shapes, transposes=transposes, **static)


class Sized(nn.Module):
    """The output's length is given at the call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(3, 5, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x, output_size=[18])


def twice(layer: nn.Module) -> nn.Module:
    return nn.Sequential(layer, nn.ReLU(), layer)


T1, T2, T3 = nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d
PLAIN = {
    "k5 p2 is same": conv(3, 7, 5, padding=2),
    "k5 s2 p2 is not same, even length": conv(3, 7, 5, padding=2, stride=2, length=20),
    "k5 s2 p2 is not same, odd length": conv(3, 7, 5, padding=2, stride=2),
    "k3 s3 p1": conv(3, 7, 3, padding=1, stride=3, length=20),
    "k4 p2": conv(3, 7, 4, padding=2),
    "d2 p2 is same, dynamic length": conv(3, 7, 3, padding=2, dilation=2, dynamic=True),
    "unbatched": conv(3, 7, 5, padding=2, batch=None),
    "depthwise": conv(5, 5, 3, groups=5),
    "depthwise, multiplied": conv(5, 15, 3, groups=5),
    "depthwise, stride and dilation": conv(5, 5, 3, stride=2, padding=2, dilation=2, groups=5),
    "one channel in many groups": conv(1, 7, 3),
    "groups": conv(6, 9, 3, groups=3),
    "groups, stride": conv(6, 4, 4, stride=2, padding=1, groups=2),
    "a layer a group": conv(6, 9, 4, groups=3, padding="same", length=251),
    "a layer a group, dynamic length": conv(6, 9, 4, stride=2, groups=3, padding=1, dynamic=True),
    "a layer a group, stride and dilation": conv(
        6, 4, 3, stride=2, dilation=3, padding=1, groups=2, length=341
    ),
    "a layer a group, no bias": conv(6, 4, 3, groups=2, bias=False, length=341),
    "a layer a group, unbatched": conv(6, 4, 3, groups=2, batch=None, length=341),
    **{
        f"a layer a group, {t}": conv(6, 4, 3, groups=2, length=341, dtype=t)
        for t in (torch.float16, torch.bfloat16, torch.float64)
    },
    "stride and dilation": conv(3, 7, 3, stride=2, dilation=2, padding=2),
    "stride and dilation, dynamic length": conv(
        3, 7, 3, stride=2, dilation=2, padding=2, dynamic=True
    ),
    "named same, even kernel": conv(3, 7, 4, padding="same"),
    "named same, even kernel, dilated": conv(3, 7, 4, padding="same", dilation=3),
    "named valid": conv(3, 7, 4, padding="valid", stride=2),
    "no bias": conv(3, 7, 4, bias=False),
    "kernel as long as the input": conv(3, 7, 19),
    "length 1": conv(3, 7, 3, padding=1, length=1),
    "padding wider than the kernel": conv(3, 7, 3, padding=7, length=5),
    "shared": module(lambda: twice(nn.Conv1d(3, 3, 3)), (2, 3, 11)),
    "frozen": module(lambda: nn.Conv1d(3, 5, 3).requires_grad_(False), (2, 3, 11)),
    **{
        f"{mode}, {padding}": conv(
            3, 7, 4, padding=padding, padding_mode=mode, dynamic=padding == 2
        )
        for mode in ("reflect", "replicate", "circular")
        for padding in (2, "same")
    },
    **{
        f"{t}".removeprefix("torch."): conv(3, 5, 5, padding=2, dtype=t)
        for t in (torch.float16, torch.bfloat16, torch.float64)
    },
}
SPATIAL = {
    f"{rank}-D, {name}": conv(*args, cls=getattr(nn, f"Conv{rank}d"), **kwargs)
    for rank in (2, 3)
    for name, args, kwargs in (
        ("padding", (3, 5, (4, 3, 2)[:rank]), {"stride": 2, "padding": 1}),
        ("named same", (3, 5, (4, 3, 2)[:rank]), {"padding": "same"}),
        ("depthwise, multiplied", (6, 12, 3), {"stride": 2, "padding": 1, "groups": 6}),
        (
            "depthwise, uneven stride",
            (6, 6, 3),
            {"stride": (2, 1, 1)[:rank], "padding": 1, "groups": 6},
        ),
        (
            "depthwise, dilation",
            (6, 6, (2, 3, 3)[-rank:]),
            {"padding": 2, "dilation": 2, "groups": 6, "bias": False},
        ),
        (
            "depthwise, uneven dilation",
            (6, 6, 3),
            {"padding": 1, "dilation": (3, 1, 1)[:rank], "groups": 6},
        ),
        ("groups", (6, 4, 3), {"padding": 1, "groups": 2}),
        (
            "stride and dilation",
            (3, 5, 3),
            {"stride": 2, "dilation": (1, 2, 2)[:rank], "padding": 2},
        ),
        ("circular", (3, 5, 3), {"padding": 1, "padding_mode": "circular"}),
    )
}
BLOCKS = {
    "groups of three, then of two": module(
        lambda: nn.Sequential(nn.Conv1d(6, 12, 3, groups=3), nn.Conv1d(12, 4, 3, groups=2)),
        (2, 6, 17),
    ),
    "multiplied, then groups": module(
        lambda: nn.Sequential(nn.Conv1d(6, 12, 3, groups=6), nn.Conv1d(12, 8, 3, groups=4)),
        (2, 6, 17),
    ),
}
FRAMES = {
    "3-D, depthwise, depth 1": conv(6, 12, (1, 3, 2), cls=nn.Conv3d, stride=(3, 1, 1), groups=6),
    "3-D, depthwise, dynamic depth": conv(
        6, 6, 3, cls=nn.Conv3d, padding=1, groups=6, dynamic=True
    ),
    "3-D, depthwise, unbatched": conv(6, 6, 3, cls=nn.Conv3d, groups=6, batch=None),
    **{
        f"3-D, depthwise, {t}": conv(6, 12, 3, cls=nn.Conv3d, padding=1, groups=6, dtype=t)
        for t in (torch.float16, torch.bfloat16, torch.float64)
    },
}
TRANSPOSED = {
    f"transposed k{k} s{s} p{p} op{op} d{d} g{g}{', dynamic length' * dynamic}": conv(
        6,
        12,
        k,
        cls=T1,
        stride=s,
        padding=p,
        output_padding=op,
        dilation=d,
        groups=g,
        length=9,
        dynamic=dynamic,
    )
    for k, s, p, op, d, g, dynamic in (
        (3, 2, 1, 1, 1, 1, False),
        (3, 2, 1, 1, 1, 1, True),
        (4, 2, 1, 0, 1, 1, False),
        (2, 3, 0, 0, 1, 1, False),
        (2, 3, 1, 2, 1, 1, True),
        (1, 2, 0, 1, 1, 1, False),
        (4, 2, 5, 0, 1, 1, False),
        (3, 1, 0, 1, 2, 1, False),
        (3, 2, 1, 1, 2, 1, False),
        (3, 2, 1, 1, 2, 1, True),
        (3, 2, 1, 1, 1, 2, False),
        (3, 2, 1, 1, 3, 3, False),
        (3, 2, 1, 1, 1, 6, False),
        (4, 1, 1, 0, 1, 6, True),
        (5, 3, 2, 1, 2, 6, False),
    )
} | {
    "transposed, unbatched": conv(3, 5, 4, cls=T1, stride=2, padding=1, batch=None, length=9),
    "transposed, unbatched, groups": conv(4, 4, 3, cls=T1, groups=4, batch=None, length=9),
    "transposed, no bias": conv(3, 5, 4, cls=T1, stride=2, bias=False, length=9),
    "transposed, no bias, groups": conv(
        6, 4, 4, cls=T1, stride=2, padding=1, groups=2, bias=False, length=9
    ),
    "transposed, length 1": conv(3, 5, 4, cls=T1, stride=2, length=1),
    "transposed, float16": conv(
        3, 5, 4, cls=T1, stride=2, padding=1, length=9, dtype=torch.float16
    ),
    "transposed to a given size": module(Sized, (2, 3, 9)),
    "transposed, 2-D": conv(3, 5, (3, 2), cls=T2, stride=2, padding=1, output_padding=1),
    "transposed, 2-D, groups": conv(6, 4, 3, cls=T2, stride=2, padding=1, groups=2),
    "transposed, 2-D, depthwise": conv(6, 6, (3, 2), cls=T2, stride=(2, 1), padding=1, groups=6),
    "transposed, 2-D, depthwise, both lengths dynamic": module(
        lambda: T2(6, 6, (3, 2), stride=(2, 3), padding=1, groups=6),
        (2, 6, 7, 5),
        dynamic_shapes=(dict.fromkeys((0, 2, 3), Dim.AUTO),),
    ),
    "transposed, 3-D": conv(3, 5, 3, cls=T3, stride=2, padding=1, output_padding=1, length=5),
    "transposed, 3-D, depthwise": conv(
        6, 6, (3, 2, 3), cls=T3, stride=(2, 1, 2), padding=1, groups=6, length=5
    ),
}
COMPUTED = {
    "the kernel is an input": function(
        lambda x, w: F.conv1d(x, w, padding=1), (2, 3, 11), (5, 3, 3)
    ),
    "the kernel is computed": function(
        lambda x, w, b: F.conv1d(x, w.tanh(), b * 2, stride=2), (2, 3, 11), (5, 3, 3), (5,)
    ),
    "the kernel is an input, groups": computed(
        lambda x, w: F.conv1d(x, w, groups=3), (2, 6, 11), (9, 2, 3)
    ),
    "the kernel is an input, depthwise": computed(
        lambda x, w: F.conv1d(x, w, groups=6), (2, 6, 11), (12, 1, 3)
    ),
    "the kernel is an input, groups of dynamic size": function(
        lambda x, w, b: F.conv1d(x, w, b, groups=3), (2, 6, 11), (9, 2, 3), (9,)
    ),
    "the kernel is an input, depthwise of dynamic size": function(
        lambda x, w: F.conv2d(x, w, groups=6), (2, 6, 11, 7), (12, 1, 3, 2)
    ),
    "the bias alone is computed": computed(
        lambda x, b: F.conv1d(x, torch.ones(5, 3, 2), b + 1), (2, 3, 11), (5,)
    ),
    "transposed, the kernel is an input": computed(
        lambda x, w: F.conv_transpose1d(x, w, stride=2, padding=1), (2, 3, 11), (3, 5, 3)
    ),
    "transposed, the kernel is an input, groups": computed(
        lambda x, w, b: F.conv_transpose1d(x, w, b, stride=2, groups=2),
        (2, 6, 11),
        (6, 5, 3),
        (10,),
        transposes=1,
    ),
    "transposed, the kernel is an input, depthwise": computed(
        lambda x, w: F.conv_transpose1d(x, w, stride=2, groups=6), (2, 6, 11), (6, 1, 3)
    ),
    "transposed, the bias alone is computed": computed(
        lambda x, b: F.conv_transpose1d(x, torch.ones(6, 4, 3), b, stride=2, groups=2),
        (2, 6, 11),
        (8,),
    ),
    "aten.convolution": computed(
        lambda x, w, b: torch.ops.aten.convolution(x, w, b, [2], [1], [1], False, [0], 1),
        (2, 3, 11),
        (5, 3, 3),
        (5,),
    ),
    "aten.convolution, transposed": computed(
        lambda x, w, b: torch.ops.aten.convolution(x, w, b, [2], [1], [1], True, [1], 1),
        (2, 3, 11),
        (3, 5, 3),
        (5,),
    ),
    "weight_norm, old": module(lambda: utils.weight_norm(nn.Conv1d(3, 5, 3)), (2, 3, 11)),
    "weight_norm": module(
        lambda: utils.parametrizations.weight_norm(nn.Conv1d(3, 5, 3)), (2, 3, 11)
    ),
    "weight_norm, transposed": module(
        lambda: utils.parametrizations.weight_norm(T1(3, 5, 3, stride=2)), (2, 3, 11)
    ),
    "spectral_norm, old": module(lambda: utils.spectral_norm(nn.Conv1d(3, 5, 3)), (2, 3, 11)),
    "spectral_norm": module(
        lambda: utils.parametrizations.spectral_norm(nn.Conv1d(3, 5, 3)), (2, 3, 11)
    ),
}
CASES = PLAIN | SPATIAL | BLOCKS | FRAMES | TRANSPOSED | COMPUTED


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("name", CASES)
def test_conv(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize("call", [F.conv1d, F.conv_transpose1d])
def test_a_kernel_of_dynamic_size_is_refused(call: Any) -> None:
    shapes = ({0: Dim.AUTO}, {2: Dim.AUTO})
    with pytest.raises(t2k.LoweringError, match="a kernel of dynamic size"):
        check(function(call, (2, 5, 11), (5, 5, 3), dynamic_shapes=(shapes,)))


@pytest.mark.parametrize(
    ("module", "layers"),
    [
        (nn.Conv1d(3, 7, 5, padding=2), ["Conv1D"]),
        (nn.Conv1d(3, 7, 4, padding="same", dilation=3), ["Conv1D"]),
        (nn.Conv1d(3, 7, 5, padding=2, stride=2), ["ZeroPadding1D", "Conv1D"]),
        (nn.Conv1d(3, 6, 3, groups=3), ["DepthwiseConv1D"]),
        (nn.Conv2d(3, 3, 3, groups=3), ["DepthwiseConv2D"]),
        (nn.Conv3d(3, 3, (2, 3, 3), groups=3), ["DepthwiseConv2D"] * 2),
        (nn.ConvTranspose1d(3, 7, 4, stride=2), ["Conv1DTranspose"]),
        (nn.ConvTranspose1d(3, 7, 4, stride=2, padding=1), ["Conv1DTranspose", "Cropping1D"]),
    ],
    ids=str,
)
def test_layers_are_those_that_a_keras_user_would_write(
    module: nn.Module, layers: list[str]
) -> None:
    shape = (2, 3, 19, 11, 7)[: 2 + int(type(module).__name__[-2])]
    converted = t2k.convert(module, (torch.randn(shape),))
    assert [type(layer).__name__ for layer in converted.model.layers[1:]] == layers


def test_a_large_convolution_of_groups_has_a_layer_of_each() -> None:
    converted = t2k.convert(nn.Conv2d(6, 9, 3, groups=3), (torch.randn(2, 6, 19, 11),))
    kinds = [type(layer).__name__ for layer in converted.model.layers[1:]]
    assert kinds == ["Conv2D"] * 3
    assert converted.model.count_params() == 9 * 2 * 9 + 9


def test_a_layer_of_each_group_learns_as_the_module_does() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv1d(4, 6, 3, groups=2), nn.Tanh(), nn.Conv1d(6, 3, 5)).eval()
    converted = t2k.convert(module, (torch.randn(3, 4, 400),), verify=False)
    assert [layer.name for layer in converted.model.layers[1:3]] == ["0", "0_1"]
    for compared in converted.verify(level="training").learning:
        assert not compared.differing
        assert compared.worst[1] < 1e-9
