"""What is refused, or noted, before a module is exported."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub, QuantStub

from exported import Calls, assert_golden
from torch2keras.capture.export import capture
from torch2keras.capture.module_checks import check_module, note_odd_weights, note_train_mode
from torch2keras.errors import InputError

N, C, L = 2, 3, 11
X = torch.linspace(-2, 2, N * C * L).reshape(N, C, L)
conv = nn.Conv1d(C, 5, 3)


class BadPadding(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose1d(C, 5, 4, padding="same")

    def forward(self, x):
        return self.up(x)


# golden text -> module and input
REFUSED = {
    "not_a_module": (lambda: torch.relu, X),
    "a_class": (lambda: nn.ReLU, X),
    "scripted": (lambda: torch.jit.script(nn.Sequential(nn.ReLU())), X),
    "scripted_part": (lambda: nn.Sequential(torch.jit.script(nn.ReLU())), X),
    "meta_parameters": (lambda: nn.Conv1d(C, 5, 3, device="meta"), X),
    "lazy_parameters": (lambda: nn.Sequential(nn.LazyConv1d(5, 3)), X),
    "half_complex_input": (lambda: conv, X.to(torch.complex32)),
    "quantised_input": (lambda: conv, torch.quantize_per_tensor(X, 0.1, 0, torch.qint8)),
    "meta_input": (lambda: conv, X.to("meta")),
    "word_as_padding": (BadPadding, X),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    make, x = REFUSED[name]
    with pytest.raises(InputError) as raised:
        capture(make(), (x,))
    assert_golden(name, str(raised.value))


def sparse_module():
    module = nn.Linear(L, 5)
    module.register_buffer("mask", torch.eye(L).to_sparse())
    return module


def quantised_module():
    module = nn.Linear(L, 5)
    module.register_buffer("table", torch.quantize_per_tensor(X, 0.1, 0, torch.qint8))
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "what"),
    [(sparse_module, r"mask \(sparse"), (quantised_module, r"table \(quantised")],
)
def test_buffers_of_other_numbers_are_refused_by_name(make, what):
    with pytest.raises(InputError, match=what):
        check_module(make())


def test_what_fits_is_let_through():
    module = nn.Sequential(nn.Conv1d(C, 5, 3, padding="same"), nn.BatchNorm1d(5))
    module.register_buffer("phase", torch.ones(3, dtype=torch.complex64))
    check_module(module)


def test_notes():
    module = nn.Sequential(nn.Linear(L, 5), nn.BatchNorm1d(C))
    with torch.no_grad():
        module[0].weight[2, 3] = torch.nan
        module[1].running_var[1] = torch.inf
    assert capture(module, (X,)).notes == (
        "The module is in train mode; converted as in eval mode, and left in train mode.",
        "NaN or infinity in 0.weight, 1.running_var; they are converted as they are.",
    )
    module.eval()[1].train()
    assert (
        "1 is in train mode; converted as in eval mode, and left in train mode."
        in capture(module, (X,)).notes
    )
    assert capture(Calls(lambda x, k: x * k).eval(), (X, 3)).notes == (
        "Input tensors[1]=3 is a constant of the converted model.",
    )


def test_names_are_shortened():
    module = nn.Sequential(*[nn.Linear(3, 3) for _ in range(5)])
    for parameter in module.parameters():
        nn.init.constant_(parameter, torch.inf)
    (note,) = note_odd_weights(module)
    assert note.count("weight") + note.count("bias") == 8
    assert "and 2 more" in note


def test_large_weights_are_not_odd() -> None:
    net = nn.Linear(3, 5)
    with torch.no_grad():
        net.weight.fill_(3e38)  # the sum overflows
    assert note_odd_weights(net) == ()
    with torch.no_grad():
        net.weight[0, 0], net.weight[1, 1] = float("inf"), -float("inf")
    assert len(note_odd_weights(net)) == 1


def test_parts_in_train_mode_are_named():
    module = nn.Sequential(nn.Dropout(), nn.Dropout(), nn.ReLU()).eval()
    assert note_train_mode(module) == ()
    module[0].train()
    module[1].train()
    (note,) = note_train_mode(module)
    assert note.startswith("0, 1 are in train mode")


def test_a_net_prepared_for_quantisation_is_still_float() -> None:
    class Prepared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quantise, self.restore = QuantStub(), DeQuantStub()
            self.conv, self.sum = nn.Conv1d(3, 3, 1), FloatFunctional()

        def forward(self, x):
            x = self.quantise(x)
            return self.restore(self.sum.add(x, self.conv(x)))

    check_module(Prepared())
    dynamic = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(3, 5)), {nn.Linear})
    with pytest.raises(InputError, match="a part of the module is quantised"):
        check_module(dynamic)


class WithoutInit(nn.Module):
    def __init__(self):
        self.factor = 3

    def forward(self, x):
        return self.factor * x


class HoldsWithoutInit(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = WithoutInit()

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize(
    ("make", "where"),
    [(WithoutInit, "the module itself (WithoutInit)"), (HoldsWithoutInit, "inner (WithoutInit)")],
)
def test_a_module_without_its_base_is_refused_with_what_to_call(make, where):
    with pytest.raises(InputError, match="without torch") as raised:
        capture(make(), (X,))
    assert where in str(raised.value)
    assert "super().__init__()" in str(raised.value)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: None, "NoneType"),
        (lambda x: [], "nothing"),
        (lambda x: {"label": "a", "count": 2}, "int, str"),
        (lambda x: x.shape[0], "SymInt"),
    ],
)
def test_a_module_that_returns_no_tensor_is_refused(function, what):
    with pytest.raises(InputError, match=f"forward returns no tensor, but {what}"):
        capture(Calls(function), (X,))


def test_one_tensor_among_the_outputs_is_enough():
    capture(Calls(lambda x: {"label": "a", "y": x * 2}), (X,))
