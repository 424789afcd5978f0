from __future__ import annotations

import pytest
import torch
from torch import nn

from exported import Calls, assert_same, targets
from torch2keras.capture.export import capture

N, C, L = 2, 3, 7


def x_ncl():
    return torch.linspace(-2, 2, N * C * L).reshape(N, C, L)


class DetachesTable(nn.Module):
    """`detach` of a buffer stops nothing, `detach` of a parameter does."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.ones(L))
        self.scale = nn.Parameter(torch.ones(L))

    def forward(self, x):
        return x * (self.table.detach() + 1) * self.scale.detach()


CASES = [
    ("clone", Calls(lambda x: x.clone() + 1), ["add.Tensor"]),
    (
        "contiguous_view",
        Calls(lambda x: x.transpose(1, 2).contiguous().view(-1, C * L)),
        ["transpose.int", "reshape.default"],
    ),
    ("same_dtype", Calls(lambda x: x.float().to(torch.float32) + 1), ["add.Tensor"]),
    ("other_dtype", Calls(lambda x: x.double() + 1), ["to.dtype", "add.Tensor"]),
    ("only_a_clone", Calls(lambda x: x.clone()), []),
    (
        "detach_of_input",
        Calls(lambda x: x + (x * 2).detach()),
        ["mul.Tensor", "detach.default", "add.Tensor"],
    ),
    (
        "detach_of_buffer",
        DetachesTable(),
        ["add.Tensor", "mul.Tensor", "detach.default", "mul.Tensor"],
    ),
    (
        "detach_of_integers",
        Calls(lambda x: x * (x > 0).long().detach()),
        ["gt.Scalar", "to.dtype", "mul.Tensor"],
    ),
    ("constant", Calls(lambda x: x + torch.tensor([1.0])), ["add.Tensor"]),
    (
        "strides",
        Calls(lambda x: x.mT.contiguous().as_strided((N, L), (C * L, C)).clone()),
        ["numpy_T.default", "contiguous.default", "as_strided.default", "clone.default"],
    ),
    ("dropout", nn.Dropout(0.5), ["dropout.default"]),
]


@pytest.mark.parametrize(
    ("module", "left"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_left(module, left):
    captured = capture(module, (x_ncl(),))
    assert [
        target.replace("mT.default", "numpy_T.default") for target in targets(captured.graph_module)
    ] == left
    assert_same(captured, module, (x_ncl(),))
    assert_same(captured, module, (x_ncl() + 1,))


def test_memory_without_content_becomes_zeros():
    def filled(x):
        y = torch.empty_like(x)
        y[:, 0] = x[:, 0]
        y[:, 1:] = 3
        return y

    captured = capture(Calls(filled), (x_ncl(),))
    assert "zeros_like.default" in targets(captured.graph_module)
    assert_same(captured, Calls(filled), (x_ncl(),))
