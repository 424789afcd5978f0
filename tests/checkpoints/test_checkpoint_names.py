"""The names of a file against those of a module: prefixes, averages, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from torch2keras.checkpoints.checkpoint_files import Checkpoint
from torch2keras.checkpoints.checkpoint_names import fit_module, load_weights
from torch2keras.errors import InputError, SourceError


def make_net() -> nn.Module:
    return nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5), nn.Linear(7, 2))


NET = make_net()
STATE = NET.state_dict()
OTHER = {name: tensor + 1 for name, tensor in STATE.items()}


def under(prefix: str, state=STATE) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


# what is saved, the entry that is asked for, what the note says
TAKEN = {
    "as it is": (STATE, "", "9 tensors"),
    "DataParallel": (nn.DataParallel(NET).state_dict(), "", "'module.'"),
    "torch.compile": (under("_orig_mod."), "", "'_orig_mod.' is left out"),
    "a compiled part": (
        {name.replace("0.", "0._orig_mod."): tensor for name, tensor in STATE.items()},
        "",
        "'_orig_mod.' is left out",
    ),
    "both": (under("module._orig_mod."), "", "'module.'"),
    "AveragedModel": (AveragedModel(NET).state_dict(), "", "Not taken: n_averaged"),
    "Lightning": (
        {"state_dict": under("net.") | {"loss.weight": torch.ones(3)}},
        "",
        "entry 'state_dict', without the prefix 'net.' of their names. Not taken: loss.weight",
    ),
    "an average": ({"model": OTHER, "ema": STATE}, "", "'ema'; other entries are model"),
    "not the average": ({"model": STATE, "ema": OTHER}, "model", "its entry 'model'"),
    "an average by prefix": (under("online_model.", OTHER) | under("ema_model."), "", "ema_model"),
    "not that": (under("online_model.") | under("ema_model.", OTHER), "online_model", "online"),
    "the one of two that fits": ({"critic": {"w": torch.ones(3)}, "net": STATE}, "", "'net'"),
    "without counters": (
        {name: tensor for name, tensor in STATE.items() if "num_batches" not in name},
        "",
        "8 tensors",
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_weights_are_taken(name: str, tmp_path) -> None:
    saved, entry, says = TAKEN[name]
    torch.save(saved, tmp_path / "a.pth")
    net = make_net()
    note = load_weights(net, tmp_path / "a.pth", entry)
    assert says in note
    for key, tensor in net.state_dict().items():
        assert "num_batches" in key or torch.equal(tensor, STATE[key])


def without(name: str) -> dict[str, torch.Tensor]:
    return {key: tensor for key, tensor in STATE.items() if key != name}


# what is saved, the entry that is asked for, what the error says
REFUSED = {
    "a missing name": (without("0.bias"), "", r"missing  0\.bias"),
    "an unknown name": (STATE | {"3.bias": torch.ones(5)}, "", r"unknown  3\.bias"),
    "a name that is like another": (
        without("0.weight") | {"0.weights": STATE["0.weight"]},
        "",
        r"0\.weight \(like 0\.weights\)",
    ),
    "another shape": (
        STATE | {"2.weight": torch.ones(11, 7), "2.bias": torch.ones(11)},
        "",
        r"2\.weight \(11, 7\), in the module \(2, 7\)",
    ),
    "another network": ({"a.b": torch.ones(3)}, "", r"missing +0\.weight"),
    "an entry that is not there": ({"model": STATE}, "ema", "entries  model"),
    "many": ({f"x.{i}": torch.ones(1) for i in range(50)}, "", "and 45 more"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_by_name(name: str, tmp_path) -> None:
    saved, entry, says = REFUSED[name]
    torch.save(saved, tmp_path / "a.pth")
    net = make_net()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    with pytest.raises(InputError, match=says):
        load_weights(net, tmp_path / "a.pth", entry)
    for key, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[key])


def test_one_tensor_of_two_names_is_needed_once() -> None:
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    net[1].weight = net[0].weight
    checkpoint = Checkpoint(Path("a"), {"": {"0.weight": torch.ones(3, 3)}})
    assert sorted(fit_module(checkpoint, net).state) == ["0.weight"]


def test_a_module_that_refuses_its_weights_is_named(tmp_path) -> None:
    class Stubborn(nn.Linear):
        def _load_from_state_dict(self, *args):
            raise ValueError("not today")

    torch.save(nn.Linear(3, 5).state_dict(), tmp_path / "a.pth")
    with pytest.raises(SourceError, match="not today"):
        load_weights(Stubborn(3, 5), tmp_path / "a.pth")
