"""What a report says of a module stays what it was at the conversion."""

from __future__ import annotations

import torch
from torch import nn

import torch2keras as t2k
from torch2keras.conversion.module_facts import read_module_facts


def net() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3, momentum=None))
    module[1].weight = module[0].weight
    module[0].bias.requires_grad_(requires_grad=False)
    return module.eval()


def test_counts_and_names() -> None:
    facts = read_module_facts(net())
    assert (facts.trainable, facts.frozen, facts.buffers) == (9 + 3 + 6, 3, 7)
    assert facts.tied == (("0.weight", "1.weight"),)
    assert facts.parameters == ("0.weight", "0.bias", "1.bias", "2.weight", "2.bias")
    assert facts.without_momentum == {"2"}
    assert facts.classes["0"] == "Linear"
    assert facts.class_paths["0"] == "torch.nn.modules.linear.Linear"


def test_the_report_does_not_follow_the_module() -> None:
    module = net()
    converted = t2k.convert(module, torch.randn(2, 3))
    before = str(converted.report)
    module[1] = nn.Identity()
    module[2].momentum = 0.1
    module.requires_grad_(requires_grad=False)
    assert str(converted.report) == before


def test_a_shared_module_and_a_module_that_refuses_questions() -> None:
    class Silent(nn.Linear):
        def parameters(self, recurse: bool = True):
            raise RuntimeError("no questions")

    shared = Silent(3, 3)
    module = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared)})
    facts = read_module_facts(module)
    assert facts.tied == (("a.weight", "b.0.weight"), ("a.bias", "b.0.bias"))
    assert facts.trainable == 12
    module["b"].append(module["a"])
    assert len(read_module_facts(module).tied[0]) == 3
