"""Values that forward reads of its tensors: those that hang on no input are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import Dim

import torch2keras as t2k
from torch2keras.capture.value_reads import METHODS, Origins

SHAPE = (2, 3, 11)
LENGTH = ({0: Dim.AUTO, 2: Dim.AUTO},)


class Own(nn.Module):
    """A flag, a count, a number and a list, in each of the ways to read them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fitted", torch.tensor(True))
        self.register_buffer("times", torch.tensor(3))
        self.register_buffer("table", torch.arange(9))
        self.scale = nn.Parameter(torch.tensor(0.7))
        self.conv = nn.Conv1d(3, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.fitted:
            y = y.relu()
        for _ in range(self.times):
            y = y * 1.5
        y = y * self.scale.item() / float(self.table.max(0)[0])
        dims = torch.arange(1, len(y.shape)).tolist()
        return y - int(torch.tensor([2, 3]).prod()) * y.mean(dim=dims, keepdim=True)


class OfBatch(Own):
    def forward(self, x: Tensor) -> Tensor:
        return x * int(self.table[x.shape[0]])


class OfMadeBatch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + int(torch.ones(x.shape[0]).sum() // 8)


class OfWrittenBatch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        sizes = torch.zeros(2)
        sizes[0] = x.shape[0]
        sizes.unsqueeze(0)[:, 1] += torch.ones(x.shape[0]).sum()
        return x + int(sizes.sum() // 8)


class OfLength(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / int(torch.tensor(x.shape[1:]).prod())


@pytest.mark.parametrize(
    ("make", "shapes", "expected", "numbers"),
    [
        (Own, None, (None, 11, 3), "6 numbers are"),
        (Own, LENGTH, (None, None, 3), "6 numbers are"),
        (OfLength, None, (None, *SHAPE[1:]), "A number is"),
        (OfBatch, None, SHAPE, "A number is"),
        (OfMadeBatch, None, SHAPE, "A number is"),
        (OfWrittenBatch, None, SHAPE, "A number is"),
    ],
)
def test_own_values_are_known(make, shapes, expected, numbers) -> None:
    converted = t2k.convert(make().eval(), torch.randn(SHAPE), dynamic_shapes=shapes)
    assert converted.verification is not None
    assert converted.verification.ok
    assert converted.model.input_shape == expected
    assert f"{numbers} fixed that forward reads" in str(converted.report)
    assert not set(METHODS) & vars(torch.Tensor).keys()
    assert vars(FakeTensor)["tolist"].__module__ == FakeTensor.__module__


class OfInput(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x.max().item()


class OfWritten(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros(3)
        y[0] = x.max()
        return x * int(y.sum())


class OfChance(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * int(10 * torch.rand(()))


class OfArrays(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * int(torch.from_numpy(x.detach().numpy()).max())


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize("make", [OfInput, OfWritten, OfChance, OfArrays, Branch])
def test_values_of_inputs_are_refused(make) -> None:
    with pytest.raises(t2k.CaptureError, match="depends on the values of a tensor"):
        t2k.convert(make().eval(), torch.randn(SHAPE))


def test_numbers_of_a_dynamic_length_are_refused() -> None:
    with pytest.raises(t2k.CaptureError, match="depends on the values of a tensor"):
        t2k.convert(OfLength().eval(), torch.randn(SHAPE), dynamic_shapes=LENGTH)


def test_origins_follow_memory() -> None:
    x, own = torch.randn(3), torch.zeros(4)
    with Origins([x]) as origins:
        view = own[1:]
        assert not origins.is_by_input(own + 1)
        view.copy_(x)
        assert origins.is_by_input(own)
        assert origins.is_by_input(torch.rand(2))
        assert not origins.is_by_input(torch.ones(2) * torch.arange(2))
