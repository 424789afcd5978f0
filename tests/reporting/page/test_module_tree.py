"""The tree of modules with the Keras calls in their place."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.reporting.page.module_tree import ModuleBranch, make_tree
from torch2keras.verification.value_errors import measure_values


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5))
        self.last = nn.Linear(5, 2)

    def forward(self, x):
        return self.last(self.first(x).mean(2))


@pytest.fixture(scope="module")
def tree() -> ModuleBranch:
    torch.manual_seed(0)
    converted = t2k.convert(Net().eval(), torch.randn(2, 3, 11))
    conversion = converted.conversion
    errors = measure_values(conversion, lambda call: converted.layers[call.name])
    return make_tree(conversion, errors)


def test_modules_lie_within_modules(tree: ModuleBranch) -> None:
    found = {branch.path: branch.cls for branch in tree.walk()}
    assert found == {
        "": "Net",
        "first": "Sequential",
        "first.0": "Conv1d",
        "first.1": "BatchNorm1d",
        "last": "Linear",
    }
    assert tree.layer_count == sum(len(branch.calls) for branch in tree.walk()) >= 4
    assert "mean" in tree.text
    assert tree.source.partition(":")[0].endswith("test_module_tree.py")


def test_a_weight_tells_its_tensor_and_how_its_axes_moved(tree: ModuleBranch) -> None:
    (call,) = tree.branches["first"].branches["0"].calls
    assert (call.call.kind, call.call.name) == ("Conv1D", "first_0")
    kernel, bias = call.weights
    assert (kernel.name, kernel.shape) == ("kernel", (3, 3, 5))
    assert (kernel.tensors, kernel.torch_shape) == (("first.0.weight",), (5, 3, 3))
    assert kernel.moves == "permute [2, 1, 0]"
    assert (bias.tensors, bias.moves) == (("first.0.bias",), "")


def test_the_errors_of_values_count_in_all_modules_around_them(tree: ModuleBranch) -> None:
    for branch in tree.walk():
        assert branch.meaning is not None
        assert 0 <= branch.meaning < 1
        assert branch.meaning <= (tree.meaning or 0)
        assert (branch.numerics or 0) <= (tree.numerics or 0)
    assert tree.numerics
