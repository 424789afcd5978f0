"""A file's numbers against the module's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from deployment_nets import convert_net
from torch2keras.deployment.comparison import Boundary, compare_file, draw_sets
from torch2keras.deployment.sizes import fix_sizes


@pytest.fixture(scope="module")
def swapped():
    """A conversion, its boundary, and sets of inputs with a batch of 1."""
    conversion = convert_net("swapped").conversion
    notes: list[str] = []
    sets = draw_sets(conversion, fix_sizes(conversion, 1), notes)
    assert notes == []
    return conversion, Boundary(conversion.inputs, conversion.outputs, "keras"), sets


def answer(stored):
    b, a = stored
    return [a - b, 2 * b, b]


def test_a_set_has_the_batch_of_the_file(swapped):
    _, _, sets = swapped
    assert [given.probe for given in sets] == ["normal", "wide", "example"]
    assert all(tensor.shape == (1, 5) for given in sets for tensor in given.tensors)


def test_right_answers_pass_and_equal_ways_are_told_once(swapped):
    def run(stored):
        return [{"index": answer(arrays), "again": answer(arrays)} for arrays in stored]

    checks = compare_file(*swapped, run, "LiteRT")
    assert len(checks) == 9
    assert all(check.difference.ok for check in checks)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda y: [y[0], y[2], y[1]], "output_1"),
        (lambda y: [y[0], y[1] * 1.0001, y[2]], "output_1"),
        (lambda y: [y[0].astype("float64") * 1j, *y[1:]], "output_0"),
        (lambda y: [y[0][0], *y[1:]], "output_0"),
        (lambda y: [np.where(y[0] > 0, np.nan, y[0]), *y[1:]], "output_0"),
    ],
)
def test_wrong_answers_are_refused_even_if_the_first_call_was_right(swapped, spoil, said):
    def run(stored):
        return [{"index": answer(a), "again": spoil(answer(a))} for a in stored]

    with pytest.raises(t2k.VerificationError) as caught:
        compare_file(*swapped, run, "LiteRT")
    rows = dict(caught.value.rows)
    assert (rows["output"], rows["run"]) == (said, "again")


def test_complex_numbers_are_pairs_at_the_boundary():
    class Turn(nn.Module):
        def forward(self, x):
            return x * 1j

    x = torch.randn(2, 3, dtype=torch.complex64)
    conversion = t2k.convert(Turn(), x, verify=False).conversion
    for layout in ("keras", "torch"):
        boundary = Boundary(conversion.inputs, conversion.outputs, layout)
        (given,) = draw_sets(conversion, fix_sizes(conversion, 1), [], ["normal"])[:1]
        (stored,) = boundary.store(given)
        assert (stored.dtype, sorted(stored.shape)) == (np.float32, [1, 2, 3])
        np.testing.assert_array_equal(boundary.restore(0, stored), given.tensors[0].numpy())


def test_a_batch_that_the_module_does_not_take_is_said():
    class Picky(nn.Module):
        def forward(self, x):
            return x + 1

    net = Picky()
    conversion = t2k.convert(net, torch.randn(2, 3), verify=False).conversion

    def refuse(module, args):
        if args[0].shape[0] == 1:
            raise ValueError(args[0].shape)

    net.register_forward_pre_hook(refuse)
    with pytest.raises(t2k.DeploymentError, match="does not run with a batch of 1"):
        draw_sets(conversion, fix_sizes(conversion, 1), [])
