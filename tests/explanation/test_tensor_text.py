"""The texts of weights that PyTorch computes, or has in other places than its state_dict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.explanation.tensor_text import TensorWriter, find_state_tensor


class Weighted(nn.Module):
    """A linear layer whose weight is what `make` gives of the module."""

    def __init__(self, make) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.randn(7, 3)), nn.Parameter(torch.rand(7, 3))
        self.register_buffer("table", torch.randn(7, 3), persistent=False)
        self.register_buffer("places", torch.tensor([2, 0, 1, 1, 6, 5, 3]))
        self.complex = nn.Parameter(torch.randn(7, 3, dtype=torch.complex64))
        self.plain = torch.randn(7, 3)
        self.make = make

    def forward(self, x):
        return nn.functional.linear(x, self.make(self))


COMPUTED = {
    "a sum": lambda m: m.first + m.second,
    "a sum with a factor": lambda m: torch.add(m.first, m.second, alpha=3),
    "a product of sums": lambda m: (m.first + m.second) * (m.first - m.second) / m.second,
    "a power": lambda m: m.second.pow(2.5),
    "a softmax": lambda m: m.first.softmax(-1),
    "rows of a table": lambda m: nn.functional.embedding(m.places, m.first),
    "a stack": lambda m: torch.stack([m.first, m.second]).reshape(14, 3),
    "joined, and a part": lambda m: torch.cat([m.first, m.second.exp()], 1)[:, 1:4],
    "one value read twice": lambda m: m.first.exp() / m.first.exp().sum(1, keepdim=True),
    "the second of two results": lambda m: m.first.sort(0)[1].float() + m.first,
    "a buffer that is not saved": lambda m: m.table.tanh(),
    "a plain attribute": lambda m: m.plain,
    "parts of complex numbers": lambda m: m.complex.real * m.first,
    "numbers of no tensor": lambda m: m.first * torch.linspace(0.0, 1.0, 3),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_the_text_gives_the_weight(name) -> None:
    torch.manual_seed(0)
    module = Weighted(COMPUTED[name])
    converted = t2k.convert(module, torch.randn(2, 3), verify=False)
    state = {}
    for tensors in (module.named_parameters(), module.named_buffers()):
        state |= {key: tensor.numpy(force=True) for key, tensor in tensors}
    scope: dict[str, Any] = {"np": np, "torch": torch, "state": state, "layer": module}
    weights = list(converted.conversion.lowered.graph.weights())
    assert weights
    for _, _, weight in weights:
        writer = TensorWriter(module, set())
        text = writer.write(weight, "kernel")
        exec("\n".join(writer.lines), scope)  # noqa: S102 - the package's own text
        made = eval(text, scope)  # noqa: S307 - as above
        np.testing.assert_allclose(made, weight.array("float32"), rtol=1e-6)


def test_names_that_begin_with_a_prefix() -> None:
    module = nn.Sequential(nn.Sequential(nn.Linear(3, 5)))
    converted = t2k.convert(module, torch.randn(2, 3), verify=False)
    weight = next(converted.conversion.lowered.graph.weights())[2]
    assert TensorWriter(module, set(), "0.0").write(weight) == 'state[f"{path}.weight"].T'
    assert TensorWriter(module, set(), "0.1").write(weight) == 'state["0.0.weight"].T'


def test_a_tensor_is_found_by_its_path() -> None:
    module = nn.Sequential(nn.BatchNorm1d(3))
    assert find_state_tensor(module, "0.weight") is module[0].weight
    assert find_state_tensor(module, "0.running_mean") is module[0].running_mean
    assert find_state_tensor(module, "0.nothing") is None
    assert find_state_tensor(module, "7.weight") is None
