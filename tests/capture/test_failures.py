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
from hand_written_experts import WIDTH, WRITTEN, Experts
from torch2keras.capture.export import capture
from torch2keras.capture.failures import (
    EXPERTS,
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


def take_memory(x):
    y = x * 2
    y.data = x[:, :, :3] * 3
    return y


# golden text, error, module, args, keyword arguments of capture
REFUSED = [
    ("no_inputs", InputError, Lengths, (), {}),
    ("missing_input", InputError, Lengths, (X,), {}),
    ("unknown_input", InputError, lambda: conv, (X,), {"kwargs": {"mask": X}}),
    ("wrong_shape", InputError, lambda: nn.Sequential(nn.ReLU(), nn.Conv1d(4, 5, 3)), (X,), {}),
    ("branch_on_tensor", CaptureError, lambda: nn.Sequential(Branches()), (X,), {}),
    ("memory_of_another", CaptureError, lambda: Calls(take_memory), (X,), {}),
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


class MaxNormOfNewTensor(nn.Linear):
    """The same as the refusal tells to write it."""

    def forward(self, x):
        return F.linear(x, torch.renorm(self.weight, 2, 0, 0.5), self.bias)


def test_the_next_steps_of_memory_of_another_convert():
    other = MaxNormOfNewTensor(L, 3).eval()
    assert t2k.convert(other, (X,)).verification.ok
    assert t2k.convert(Calls(lambda x: (x * 2).detach() + 1), (X,)).verification.ok


def follow_advice(message: str, module: Experts) -> nn.Module:
    """Write forward as a refusal says: the lines of its code, in place of the loop."""
    assert all(line in message for line in EXPERTS.splitlines())
    loop = "\n".join(f"        {line}" for line in EXPERTS.splitlines()[1:])
    written: dict[str, object] = {"Experts": Experts}
    exec(  # noqa: S102 - the code is ours
        "class Followed(Experts):\n"
        "    def forward(self, x):\n"
        "        weights, index = self.choose(x)\n"
        f"{loop}\n"
        "        return y\n",
        written,
    )
    followed = written["Followed"]()  # type: ignore[operator]
    followed.load_state_dict(module.state_dict())
    return followed.eval()


@pytest.mark.parametrize("name", WRITTEN)
def test_experts_that_run_on_their_rows_are_told_what_is_exact(name):
    module = WRITTEN[name]().eval()
    with pytest.raises(t2k.Torch2KerasError) as raised:
        t2k.convert(module, (torch.randn(11, WIDTH),))
    followed = follow_advice(str(raised.value).replace("\n           ", "\n"), module)
    converted = t2k.convert(followed, (torch.randn(11, WIDTH),))
    x = torch.randn(23, WIDTH)
    with torch.no_grad():
        np.testing.assert_allclose(np.asarray(converted(x)), module(x), atol=1e-5)


def test_a_branch_without_experts_is_not_told_of_them():
    with pytest.raises(CaptureError) as raised:
        capture(Branches(), (X,))
    assert "experts" not in str(raised.value)
