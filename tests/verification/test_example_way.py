"""What depends on values: each next step converts; a trace is compared on the example's way."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

import torch2keras as t2k
from exported import Calls
from torch2keras.capture.tracing import FROZEN
from torch2keras.verification.example_way import OTHER_WAY, make_way_check
from torch2keras.verification.verify import verify_conversion

X = torch.rand(2, 3, generator=torch.Generator().manual_seed(0))


class Heads(nn.Module):
    """One head for each number; `choose` says how it is found."""

    def __init__(self, choose: Callable[[nn.Module, torch.Tensor], nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({f"domain{n}": nn.Linear(3, n + 1) for n in (1, 2)})
        self.listed = nn.ModuleList([nn.Linear(3, 2), nn.Linear(3, 4)])
        self.head1, self.head2 = nn.Linear(3, 2), nn.Linear(3, 5)
        self.choose = choose

    def forward(self, x, domains):
        return [self.choose(self, domain)(x) for domain in domains]


CHOICES = {
    "f-string": lambda heads, n: heads.heads[f"domain{n.item() + 1}"],
    "attribute": lambda heads, n: getattr(heads, f"head{n.item() + 1}"),
    "text": lambda heads, n: heads.heads["domain" + str((n + 1).item())],
    "list": lambda heads, n: heads.listed[int(n)],
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_module_chosen_by_value_is_told_so_and_trace_takes_it(name: str) -> None:
    net, args = Heads(CHOICES[name]).eval(), (X, torch.tensor([0, 1]))
    with pytest.raises(t2k.CaptureError, match="depends on the values of a tensor") as raised:
        t2k.convert(net, args)
    assert 'capture="trace"' in str(raised.value)
    converted = t2k.convert(net, args, capture="trace")
    assert FROZEN in converted.report.notes
    assert OTHER_WAY.format("wide") in converted.report.notes


def scale(x: torch.Tensor) -> torch.Tensor:
    """Scale bytes to 0..1, as exported vision nets do."""
    if x.max() > 2.0:
        x = x / 255.0
    return torch.relu(x - 0.1)


def scale_without_branch(x: torch.Tensor) -> torch.Tensor:
    return torch.relu(torch.where(x.max() > 2.0, x / 255.0, x) - 0.1)


def scale_by_cond(x: torch.Tensor) -> torch.Tensor:
    bytes_ = torch.cond(x.max() > 2.0, lambda x: x / 255.0, lambda x: x * 1.0, (x,))
    return torch.relu(bytes_ - 0.1)


def scale_on_request(x: torch.Tensor, is_bytes: bool) -> torch.Tensor:
    return torch.relu((x / 255.0 if is_bytes else x) - 0.1)


def test_a_branch_by_value_is_refused() -> None:
    with pytest.raises(t2k.CaptureError) as raised:
        t2k.convert(Calls(scale), (X,))
    step = dict(raised.value.rows)["next"]
    for advice in ("torch.where", "torch.cond", "an argument of the module", 'capture="trace"'):
        assert advice in step


@pytest.mark.parametrize(
    ("call", "args", "options"),
    [
        (scale_without_branch, (X,), {}),
        (scale_by_cond, (X,), {}),
        (scale_on_request, (X, True), {}),
        (scale, (X,), {"capture": "trace"}),
        (scale, (X * 255,), {"capture": "trace"}),
    ],
)
def test_each_next_step_of_a_branch_by_value_converts(call, args, options) -> None:
    converted = t2k.convert(Calls(call), args, **options)
    assert converted.verification.ok
    left_out = [note for note in converted.report.notes if "takes another way" in note]
    assert bool(left_out) == ("capture" in options)


def test_a_trace_that_is_wrong_on_the_example_is_found() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x):
            return self.linear(scale(x))

    net = Net().eval()
    converted = t2k.convert(net, (X,), capture="trace")
    assert "example" in {check.probe for check in converted.verification.checks}
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.linear.weight[1, 2] += 0.01
    with pytest.raises(t2k.VerificationError, match="probe    example"):
        verify_conversion(replace(converted.conversion, module=other), converted.run)


def test_outputs_of_other_numbers_shapes_or_errors_are_another_way() -> None:
    takes_example_way = make_way_check(lambda: Calls(lambda x: x + 1))
    right = (X + 1).numpy()
    assert takes_example_way((X,), {}, [right])
    assert takes_example_way((X,), {}, [right * (1 + 1e-6)])
    assert not takes_example_way((X,), {}, [right * 1.1])
    assert not takes_example_way((X,), {}, [right[:1]])
    assert not takes_example_way((X,), {}, [right, right])
    assert not takes_example_way((X, X), {}, [right])
    infinite = X.clone()
    infinite[0, 0], infinite[0, 1] = float("inf"), float("nan")
    assert takes_example_way((infinite,), {}, [(infinite + 1).numpy()])
