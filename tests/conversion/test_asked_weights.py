from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.conversion.asked_weights import give_weights


class Uncopied(nn.Module):
    """A module that no copy can be made of."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def __deepcopy__(self, memo: dict) -> Uncopied:
        message = "there is one of me"
        raise RuntimeError(message)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


def test_the_copy_has_the_weights_and_the_module_its_own() -> None:
    net = nn.Linear(3, 5)
    own = net.weight.detach().clone()
    given = nn.Linear(3, 5).state_dict()
    copied, notes = give_weights(net, given)
    assert torch.equal(copied.weight, given["weight"])
    assert torch.equal(net.weight, own)
    assert len(notes) == 1


def test_a_module_that_cannot_be_copied_is_refused_with_the_way_out() -> None:
    net, state = Uncopied(), {"scale": torch.full((3,), 2.0)}
    with pytest.raises(t2k.InputError, match=r"(?s)one of me.*assign=True"):
        give_weights(net, state)
    net.load_state_dict(state, assign=True)  # as the message says
    assert t2k.convert(net, torch.randn(2, 3)).verification.ok


def test_a_pickle_of_more_than_weights_needs_trust(tmp_path) -> None:
    net, file = nn.Linear(3, 5), tmp_path / "net.pth"
    torch.save(net, file)
    x = torch.randn(2, 3)
    with pytest.raises(t2k.UnsafeFileError, match="trust=True"):
        t2k.convert(nn.Linear(3, 5), x, weights=file)
    converted = t2k.convert(nn.Linear(3, 5), x, weights=file, trust=True)
    assert "was trusted" in converted.report.notes[0]
    assert torch.allclose(torch.from_numpy(converted(x)), net(x), atol=1e-6)
