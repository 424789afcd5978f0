"""Verification fails loudly: a wrong converter, and the message that says where it is."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

import torch2keras as t2k
from exported import assert_golden
from op_case import Function
from torch2keras.declarations.registry import registry
from torch2keras.lower.recorder import call, layers, ops
from torch2keras.verification.verify import verify_conversion

aten = torch.ops.aten


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm1d(5)
        self.norm.running_var.fill_(0.001)

    def forward(self, x):
        y = self.norm(self.conv(x))
        return 3 * torch.relu(y)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(2, 3, 1)
        self.body = nn.Sequential(nn.Tanh(), Block())

    def forward(self, x):
        return self.body(self.stem(x))


def relu6(x):
    return layers.ReLU(max_value=6.0)(x)


def conv_same(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    same = layers.Conv1D(
        filters=weight.shape[-1], kernel_size=weight.shape[0], strides=stride[0], padding="same"
    )
    return call(same, x, kernel=weight, bias=bias)


# op, the wrong converter
WRONG: dict[str, tuple[Any, Any]] = {
    "relu6_for_relu": (aten.relu.default, relu6),
    "same_for_stride_2": (aten.conv1d.default, conv_same),
    "sigmoid_for_tanh": (aten.tanh.default, lambda x: layers.Activation(activation="sigmoid")(x)),
}


def wrong(monkeypatch, op, convert) -> None:
    import torch2keras.ops  # noqa: F401 - fills the registry

    monkeypatch.setitem(
        registry.lowerings,
        op,
        replace(registry.lowerings[op], convert=convert, axis_names=(), asks_context=False),
    )


def steady(message: str) -> str:
    """Without the numbers that another processor may round otherwise."""
    return re.sub(r"(max|rms) error .*", r"\1 error ...", message)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_converter_is_named(monkeypatch, name) -> None:
    wrong(monkeypatch, *WRONG[name])
    torch.manual_seed(0)
    with pytest.raises(t2k.VerificationError) as raised:
        t2k.convert(Net(), (torch.randn(2, 2, 20),))
    assert_golden(f"verify_{name}", steady(str(raised.value)))


def converted(module: nn.Module, *inputs: torch.Tensor, **options: Any) -> t2k.Converted:
    torch.manual_seed(0)
    return t2k.convert(module, inputs or (torch.randn(2, 2, 20),), **options)


def against(result: t2k.Converted, module: nn.Module) -> t2k.Converted:
    """The same Keras model, to be compared with another module."""
    result.conversion = replace(result.conversion, module=module)
    return result


def test_a_tiny_change_of_one_weight_is_seen() -> None:
    net = Net()
    result = converted(net)
    other = Net()
    other.load_state_dict(net.state_dict())
    conversion = replace(result.conversion, module=other.eval())
    assert verify_conversion(conversion, result.run).ok
    with torch.no_grad():
        other.body[1].conv.weight[4, 2, 1] += 1e-6
    with pytest.raises(t2k.VerificationError, match="tier"):
        verify_conversion(conversion, result.run)
    assert against(result, other).verify().ok  # which gives it the Keras model's weights


def test_wide_inputs_see_what_normal_ones_do_not() -> None:
    result = converted(Function(torch.relu))
    clipped = against(result, Function(lambda x: torch.clamp(x, 0, 6)))
    assert clipped.verify(["normal"]).ok
    with pytest.raises(t2k.VerificationError, match="wide"):
        clipped.verify(["wide"])


def test_another_batch_sees_what_the_example_does_not() -> None:
    result = converted(Function(lambda x: x + 1))
    frozen = against(result, Function(lambda x: x + 1 if len(x) == 2 else x + 2))
    with pytest.raises(
        t2k.VerificationError, match=r"another size, one row wide, inputs \[3, 2, 20\]"
    ):
        frozen.verify()


def test_all_tiers_and_probes_are_checked() -> None:
    result = converted(Net())
    assert result.verification is not None
    assert result.verification.ok
    seen = {(c.probe, c.difference.tier) for c in result.verification.checks}
    assert seen == {(p, t) for p in ("normal", "another size, one row wide") for t in "SN"}
    assert all(c.difference.compared for c in result.verification.checks)
    assert 0 < result.verification.worst("N") < 1
    assert result.verification.notes == ()


def test_what_cannot_be_compared_is_said() -> None:
    nowhere = converted(Function(lambda x: (x, torch.log(-x.abs() - 1))))
    assert nowhere.verification is not None
    assert nowhere.verification.notes == (
        (
            "output_1 was not compared: "
            "under no probe does it hold a finite number that is more than rounding."
        ),
    )


def test_no_other_size_is_a_note() -> None:
    def picky(x):
        torch._check(x.shape[0] <= 2)
        return x + 1

    result = converted(Function(picky), torch.randn(2, 3))
    assert result.verification is not None
    assert [n for n in result.verification.notes if "no other size" in n] or result.inputs[
        0
    ].torch_shape[0] == 2


def centred(x: torch.Tensor, dim: int) -> torch.Tensor:
    return x - x.mean(dim, keepdim=True)


def repeated(x: torch.Tensor) -> torch.Tensor:
    return x.sum(-1, keepdim=True).expand(-1, -1, 7)


# What is nothing but rounding noise, in PyTorch or in Keras: of the one it says nothing about the
# noise of the other.
NOISE = {
    "a constant less its mean": lambda x: centred(repeated(x), -1),
    "a sum of what has no mean": lambda x: centred(x, 0).sum((0, 1)),
    "layer norm of a constant": lambda x: F.layer_norm(repeated(x), (7,), torch.arange(7.0)),
    "layer norm of one number": lambda x: F.layer_norm(repeated(x)[..., :1], (1,)),
    "the largest of equal sums": lambda x: x.softmax(1).sum(1).argmax(-1),
    "the sign of a sum of what has no mean": lambda x: centred(x, 0).sum(0) > 0,
    "a root of what has no sign": lambda x: centred(x, 0).sum(0).sqrt(),
    "the sign of numbers smaller than normal ones": lambda x: (50 * x).softmax(-1) > 0,
    "what hangs on numbers smaller than normal ones": lambda x: x.masked_fill(
        (50 * x).softmax(-1) > 0, 3.0
    ),
    "group norm of a constant": lambda x: F.group_norm(repeated(x), 1),
    "the larger of two sums that are one": lambda x: (
        (x.unsqueeze(-1) * torch.arange(1.0, 6.0)).softmax(-1).sum(-1).argmax(1)
    ),
    "the tail of gelu": lambda x: F.gelu(-9 - x.abs()),
    "the tail of gelu by tanh": lambda x: F.gelu(-9 - x.abs(), approximate="tanh"),
}


@pytest.mark.parametrize("name", NOISE)
def test_rounding_noise_is_no_error(name: str) -> None:
    result = converted(Function(NOISE[name]))
    assert result.verification is not None
    assert result.verification.ok


def one_pass(x, dim=None, correction=None, keepdim=False):
    kept = {"axis": dim, "keepdims": keepdim}
    return ops.mean(x * x, **kept) - ops.square(ops.mean(x, **kept))


def test_a_formula_that_loses_digits_is_an_error(monkeypatch) -> None:
    """The same number in exact arithmetic; the mean's square is 10^6 times what is left of it."""
    wrong(monkeypatch, aten.var.correction, one_pass)
    with pytest.raises(t2k.VerificationError, match="tier     N"):
        converted(Function(lambda x: (x + 1000).var(-1, correction=0)))


class Loss(nn.Module):
    """Refuses what is no probability."""

    def forward(self, x, y):
        return nn.functional.binary_cross_entropy(x, y)


def test_a_probe_that_the_module_refuses_is_exchanged_for_the_example():
    result = t2k.convert(Loss(), (torch.rand(3, 7), torch.rand(3, 7)))
    assert {c.probe for c in result.verification.checks} == {"example", "another size"}
    assert [
        n
        for n in result.verification.notes
        if n.startswith("The module refuses the inputs of the probe 'normal'")
    ]


def test_the_example_is_tried_where_a_probe_gives_no_finite_number():
    result = converted(Function(lambda x: torch.log(x - 200)), torch.rand(2, 3) + 201)
    assert {c.probe for c in result.verification.checks} == {
        "normal",
        "example",
        "another size, one row wide",
    }
    assert result.verification.notes == ()


def test_an_output_that_the_exporter_takes_for_another_shape_is_refused():
    """PyTorch 2.14.1: of one row this loss is a scalar, and in torch.export a vector of one."""
    with pytest.raises(t2k.CaptureError, match=r"\[1\] captured, \[\] in what forward gives"):
        t2k.convert(
            nn.MultiLabelMarginLoss(reduction="none"),
            (torch.randn(7), torch.tensor([1, 3, -1, 0, 0, 0, 0])),
        )


def test_a_size_that_the_exporter_takes_for_one_is_fixed():
    """PyTorch 2.14.1 takes a quarter of the channels, one in the example, for one at all sizes."""
    product = Function(lambda x: F.pixel_shuffle(x, 2) @ F.pixel_shuffle(x, 2).mT)
    result = t2k.convert(
        product,
        torch.randn(2, 4, 6, 6),
        dynamic_shapes=(dict.fromkeys(range(4), torch.export.Dim.AUTO),),
    )
    assert result.inputs[0].torch_shape == (None, 4, None, None)
    assert any("takes no other size, though forward takes" in note for note in result.report.notes)
    x = torch.randn(3, 4, 7, 7)
    assert np.allclose(result(x), product(x), atol=1e-5)


def test_one_tensor_given_twice_is_two_inputs():
    x = torch.randn(3, 5)
    result = t2k.convert(nn.Bilinear(5, 5, 7).eval(), (x, x))
    assert len(result.inputs) == 2


class Spectrum(nn.Module):
    """Features that NumPy computes within forward, in the type that the code writes."""

    def forward(self, x):
        z = np.abs(np.fft.rfft(x.detach().cpu().numpy(), axis=-1)).astype(np.float32)
        return torch.tanh(torch.from_numpy(z) * 0.1)


def test_numpy_within_forward_is_compared_to_its_own_precision(monkeypatch) -> None:
    verification = converted(Spectrum()).verification
    assert verification.ok
    assert [note for note in verification.notes if "forward uses NumPy" in note]
    wrong(monkeypatch, aten.tanh.default, lambda x: ops.tanh(x * (1 + 1e-4)))
    with pytest.raises(t2k.VerificationError):
        converted(Spectrum())


LEFT_OUT = r"numbers were not compared for the inputs .*: which they are hangs on how kernels round"
LOOSE = r"times its largest value would have passed for the inputs .*: PyTorch's own rounding moves"
SAID = {
    "the largest of equal sums": LEFT_OUT,
    "the sign of numbers smaller than normal ones": LEFT_OUT,
    "the larger of two sums that are one": LEFT_OUT,
    "what hangs on numbers smaller than normal ones": LOOSE,
}
"""Which of NOISE is said to be so in the report, and how."""


@pytest.mark.parametrize("name", SAID)
def test_what_rounding_decides_is_said(name: str) -> None:
    notes = converted(Function(NOISE[name])).report.notes
    assert [note for note in notes if re.search(SAID[name], note)], notes


def test_a_bound_that_allows_anything_is_said() -> None:
    notes = converted(Function(lambda x: (x * 1e9).sin())).report.notes
    assert [note for note in notes if re.search(LOOSE, note)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_of_an_ordinary_network_nothing_is_said(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(11, 31), nn.GELU(), nn.LayerNorm(31), nn.Linear(31, 3)).to(dtype)
    result = converted(net, torch.randn(2, 11, dtype=dtype))
    assert result.verification is not None
    assert result.verification.notes == ()
