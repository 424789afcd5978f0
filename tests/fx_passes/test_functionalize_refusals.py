from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from exported import Calls, assert_golden
from torch2keras.capture.export import capture
from torch2keras.errors import UnsupportedOpError

N, C, L = 2, 3, 7


def x_ncl():
    return torch.linspace(-2, 2, N * C * L).reshape(N, C, L)


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.scale = nn.Parameter(torch.ones(C, 1))

    def forward(self, x):
        self.calls.add_(1)
        with torch.no_grad():
            self.scale[0] = 2
        return x * self.scale + self.calls


class AssignsBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x):
        self.mean = 0.9 * self.mean + x.mean()
        return x - self.mean


class KeepsStatistics(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(C)

    def forward(self, x):
        norm = self.norm
        return nn.functional.batch_norm(x, norm.running_mean, norm.running_var, training=True)


def write_to_expanded(x):
    y = x[:, :1] * 2
    y.unsqueeze(-1).expand(-1, -1, -1, 1).unfold(2, 2, 1).add_(1)
    return y


def strides_of_written(x):
    y = x * 2
    y[:, 0] = 1
    return y.as_strided((2, 3), (1, 2))


def dynamic_part_written(x):
    y = torch.cat([x, x, x])
    with torch.no_grad():
        y.split([1, y.shape[0] - 1])[1].add_(1)
    return y


def written_through_other_dtype(x):
    y = x * 2
    y.view(torch.int32).bitwise_and_(7)
    return y


def written_through_conjugate(x):
    z = torch.complex(x, 2 * x)
    z.mH.mul_(1j)
    return torch.view_as_real(z)


def result_given(x):
    y = torch.zeros(C, L)
    torch.sum(x, 0, out=y)
    return y


REFUSED = [
    ("written_state", Counts()),
    ("assigned_buffer", AssignsBuffer()),
    ("written_statistics", KeepsStatistics()),
    ("written_through_unfold", Calls(write_to_expanded)),
    ("strides_of_written", Calls(strides_of_written)),
    ("dynamic_part_written", Calls(dynamic_part_written)),
    ("written_through_other_dtype", Calls(written_through_other_dtype)),
    ("written_through_conjugate", Calls(written_through_conjugate)),
    ("result_given", Calls(result_given)),
    ("resized", Calls(lambda x: (x * 2).resize_(3, 2))),
]


class WithoutStatistics(nn.Module):
    """What the refusal of `KeepsStatistics` says."""

    def forward(self, x):
        return nn.functional.batch_norm(x, None, None, training=True)


FOLLOWED = [
    (AssignsBuffer(), AssignsBuffer(), {"state": "ports"}),
    (KeepsStatistics(), WithoutStatistics(), {}),
]
"""A refused module, and what its next step says: another module, or an option."""


@pytest.mark.parametrize(("refused", "module", "options"), FOLLOWED)
def test_the_next_step_of_a_refused_write_converts(refused, module, options):
    with pytest.raises(UnsupportedOpError, match="forward changes buffer"):
        t2k.convert(refused, x_ncl())
    assert t2k.convert(module, x_ncl(), **options).report.verified


@pytest.mark.parametrize(("name", "module"), REFUSED, ids=[name for name, _ in REFUSED])
def test_refused_writes(name, module):
    with pytest.raises(UnsupportedOpError) as raised:
        capture(module, (x_ncl(),))
    assert_golden(name, str(raised.value))
