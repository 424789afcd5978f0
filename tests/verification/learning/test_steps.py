"""Steps of both sides; test_verify_training.py compares them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.verification.learning.steps import draw_batches, train_torch, transplant


@pytest.fixture(scope="module")
def conversion():
    torch.manual_seed(0)
    return t2k.convert(nn.Linear(3, 2).eval(), (torch.randn(4, 3),), verify=False).conversion


def test_batches_differ_from_step_to_step_and_not_from_run_to_run(conversion):
    first, again = draw_batches(conversion, 3), draw_batches(conversion, 3)
    for ours, others in zip(first.inputs, again.inputs, strict=True):
        assert torch.equal(ours[0], others[0])
    assert not torch.equal(first.inputs[0][0], first.inputs[1][0])


def test_pytorch_is_trained_as_a_loop_would(conversion):
    module = conversion.module
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    batches = draw_batches(conversion, 4)
    found = train_torch(conversion, batches, optimizer)
    own = nn.Linear(3, 2).double()
    own.load_state_dict(module.state_dict())
    loop = torch.optim.SGD(own.parameters(), lr=0.1, momentum=0.9)
    for (x,), targets in zip(batches.inputs, batches.targets, strict=True):
        loop.zero_grad()
        y = torch.from_numpy(targets.draw(0, (4, 2)))
        nn.functional.mse_loss(own(x.double()), y).backward()
        loop.step()
    for name, parameter in own.named_parameters():
        torch.testing.assert_close(found[name], parameter.detach(), rtol=1e-13, atol=1e-14)
    assert train_torch(conversion, batches, optimizer, wide=False)["weight"].dtype == torch.float32
    nudged = train_torch(conversion, batches, optimizer, nudge=1)
    assert 0 < (nudged["weight"] - found["weight"]).abs().max() < 1e-12


def test_a_transplanted_optimizer_has_the_options_of_its_groups(conversion):
    weight, bias = conversion.module.parameters()
    groups = [{"params": [weight]}, {"params": [bias], "lr": 0.5, "weight_decay": 0.25}]
    leaves = {id(weight): torch.zeros(2, 3), id(bias): torch.zeros(2)}
    twin = transplant(torch.optim.AdamW(groups, lr=0.1), leaves)
    assert type(twin) is torch.optim.AdamW
    assert [group["lr"] for group in twin.param_groups] == [0.1, 0.5]
    assert twin.param_groups[1]["weight_decay"] == 0.25
    assert twin.param_groups[1]["params"][0] is leaves[id(bias)]
