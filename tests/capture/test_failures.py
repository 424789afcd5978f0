"""A module that PyTorch cannot run or export is named with its line, and what to do next."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

import torch2keras as t2k
from exported import Calls, assert_golden
from torch2keras.capture.export import capture
from torch2keras.capture.failures import (
    MOST_LETTERS,
    FrozenValueError,
    capture_failure,
    check_no_python_numbers,
    describe_inputs,
    eager_failure,
    first_line,
    has_python_numbers,
)
from torch2keras.custom_ops.packed_sequences import PackedError
from torch2keras.errors import CaptureError, InputError

N, C, L = 2, 3, 11
X = torch.linspace(-2, 2, N * C * L).reshape(N, C, L)
conv = nn.Conv1d(C, 5, 3)


class Branches(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return x + 1


class CountsFrames(nn.Module):
    def forward(self, x):
        return x[..., : int(x.abs().sum())]


class Lengths(nn.Module):
    def forward(self, x, lengths, mask=None):
        return x * lengths


# golden text, error, module, args, keyword arguments of capture
REFUSED = [
    ("no_inputs", InputError, Lengths, (), {}),
    ("missing_input", InputError, Lengths, (X,), {}),
    ("unknown_input", InputError, lambda: conv, (X,), {"kwargs": {"mask": X}}),
    ("wrong_shape", InputError, lambda: nn.Sequential(nn.ReLU(), nn.Conv1d(4, 5, 3)), (X,), {}),
    ("branch_on_tensor", CaptureError, lambda: nn.Sequential(Branches()), (X,), {}),
    ("data_of_a_value", CaptureError, lambda: Calls(lambda x: (x * 2).data + 1), (X,), {}),
    ("number_from_tensor", CaptureError, CountsFrames, (X,), {}),
    ("fixed_length_named_dynamic", InputError, lambda: nn.Linear(L, 5), (X,),
     {"dynamic_shapes": ({2: Dim("length")},)}),
    ("named_length_of_1", InputError, nn.ReLU, (X[:, :, :1],),
     {"dynamic_shapes": ({2: Dim("length")},)}),
    ("shapes_do_not_fit", InputError, nn.ReLU, (X,), {"dynamic_shapes": ({0: Dim.AUTO}, None)}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "error", "make", "args", "options"), REFUSED, ids=[case[0] for case in REFUSED]
)
def test_refusals(name, error, make, args, options):
    with pytest.raises(error) as raised:
        capture(make(), args, **options)
    assert type(raised.value) is error
    assert_golden(name, str(raised.value))


def test_torchs_own_words_are_quoted():
    with pytest.raises(InputError, match=r"expected input.* to have 4 channels"):
        capture(nn.Conv1d(4, 5, 3), (X,))


@pytest.mark.parametrize(
    ("error", "kind", "headline"),
    [
        (RuntimeError("Could not guard on data-dependent expression"), CaptureError, "the values"),
        (FrozenValueError("x"), CaptureError, "becomes a constant"),
        (PackedError("call it on the padded tensor"), CaptureError, "a sequence is packed"),
        (ValueError("Constraints violated (batch)!"), InputError, "these dynamic_shapes"),
        (KeyError("anything"), CaptureError, "torch.export cannot take"),
    ],
)
def test_failures_are_told_apart(error, kind, headline):
    failure = capture_failure(conv, [("x", X)], error)
    assert type(failure) is kind
    assert headline in failure.headline
    assert dict(failure.rows)["inputs"] == "x float32[2, 3, 11]"
    assert dict(failure.rows)["next"]


def test_the_innermost_module_and_the_users_line_are_named():
    module = nn.Sequential(nn.ReLU(), Calls(lambda x: x.reshape(7, 7)))
    with pytest.raises(RuntimeError) as raised:
        module(X)
    rows = dict(eager_failure(module, [("x", X)], raised.value).rows)
    assert rows["module"] == "1 (Calls)"
    assert "test_failures.py" in rows["source"]


def test_messages_are_cut_to_their_first_line():
    assert first_line(ValueError("\n\n  what\nmore")) == "what"
    assert first_line(ValueError()) == "ValueError"
    long = first_line(ValueError("x" * 1000))
    assert (len(long), long[-3:]) == (MOST_LETTERS, "...")


def test_inputs_are_described_by_type_and_shape():
    inputs = [("x", torch.zeros(3, 5, dtype=torch.int32)), ("n", 7), ("s", "y" * 1000)]
    text = describe_inputs(inputs)
    assert text.startswith("x int32[3, 5], n 7, s 'yyy")
    assert len(text) < 2 * MOST_LETTERS


def test_python_numbers_are_found_in_a_graph():
    def graph_of(function):
        return torch.fx.experimental.proxy_tensor.make_fx(
            function, pre_dispatch=True, _error_on_data_dependent_ops=False
        )(torch.ones(3))

    plain, counts = graph_of(lambda x: x + 1), graph_of(lambda x: x * x.sum().item())
    assert not has_python_numbers(plain)
    check_no_python_numbers(plain)
    assert has_python_numbers(counts)
    with pytest.raises(CaptureError, match="depends on the values of a tensor"):
        check_no_python_numbers(counts)


class MaxNorm(nn.Linear):
    """A layer that renormalises its own weight in forward, as EEG nets have it."""

    def forward(self, x):
        self.weight.data = torch.renorm(self.weight.data, 2, 0, 0.5)
        return super().forward(x)


class MaxNormOfNewTensor(nn.Linear):
    """The same as the refusal tells to write it."""

    def forward(self, x):
        return F.linear(x, torch.renorm(self.weight, 2, 0, 0.5), self.bias)


def test_the_next_steps_of_data_convert_and_the_weight_is_as_it_was():
    net = MaxNorm(L, 3).eval()
    before = net.weight.detach().clone()
    with pytest.raises(CaptureError, match="becomes a constant") as raised:
        t2k.convert(net, (X,))
    assert "torch.renorm(self.weight" in dict(raised.value.rows)["next"]
    assert torch.equal(net.weight, before)
    other = MaxNormOfNewTensor(L, 3).eval()
    other.load_state_dict(net.state_dict())
    converted = t2k.convert(other, (X,))
    assert converted.verification.ok
    np.testing.assert_allclose(converted(X), net(X).detach(), rtol=1e-5, atol=1e-6)
    assert t2k.convert(Calls(lambda x: (x * 2).detach() + 1), (X,)).verification.ok
