"""`loss` of a converted model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k


def test_the_classes_are_where_the_model_has_them():
    torch.manual_seed(0)
    module, x = nn.Conv1d(3, 4, 3).eval(), torch.randn(2, 3, 9)
    y = torch.randint(0, 4, (2, 7))
    expected = nn.CrossEntropyLoss(label_smoothing=0.1)(module(x), y).item()
    for layout, order in (({}, "n l c"), ({"output": "n c l"}, "n c l")):
        converted = t2k.convert(module, (x,), verify=False, layout=layout)
        assert converted.outputs[0].order == order
        made = t2k.loss(nn.CrossEntropyLoss(label_smoothing=0.1), converted)
        scores = converted.model(converted.inputs[0].from_torch(x))
        assert float(made(y.numpy(), scores)) == pytest.approx(expected, rel=1e-5)


def test_without_a_model_classes_are_last():
    made = t2k.loss(nn.CrossEntropyLoss())
    x, y = np.random.default_rng(0).standard_normal((6, 5)).astype("float32"), np.arange(6) % 5
    own = nn.CrossEntropyLoss()(torch.from_numpy(x), torch.from_numpy(y))
    assert float(made(y, x)) == pytest.approx(own.item(), rel=1e-6)


def test_other_targets_are_refused():
    with pytest.raises(t2k.InputError, match="'indices', 'probabilities'"):
        t2k.loss(nn.CrossEntropyLoss(), target="labels")
