from __future__ import annotations

import pytest
import torch
from torch import nn

from torch2keras.errors import InputError
from torch2keras.explanation.parse_layer import parse_layer

READ = [
    ("nn.Conv1d(3, 16, 5, stride=2, padding=2)", nn.Conv1d(3, 16, 5, stride=2, padding=2)),
    ("torch.nn.Linear(in_features=3, out_features=5, bias=False)", nn.Linear(3, 5, bias=False)),
    ("ReLU()", nn.ReLU()),
    (" nn.Conv1d(3, 5, (3,), padding='same') ", nn.Conv1d(3, 5, (3,), padding="same")),
    ("nn.ConstantPad1d((1, 2), -3.5)", nn.ConstantPad1d((1, 2), -3.5)),
    ("nn.Sequential(nn.Conv1d(3, 5, 3), nn.ReLU())", nn.Sequential(nn.Conv1d(3, 5, 3), nn.ReLU())),
]


@pytest.mark.parametrize(("text", "layer"), READ)
def test_read(text, layer) -> None:
    assert repr(parse_layer(text)) == repr(layer)


# text, what the message says
REFUSED = [
    ("__import__('os').system('x')", "no layer of torch.nn"),
    ("nn.Linear(3, open('MADE', 'w').write('x'))", "no layer of torch.nn"),
    ("nn.Linear(3, (lambda: 5)())", "no layer of torch.nn"),
    ("(lambda: nn.ReLU())()", "no layer of torch.nn"),
    ("nn.Linear(3, 2 + 3)", "neither a literal nor a layer"),
    ("nn.Linear(3, x)", "neither a literal nor a layer"),
    ("nn.Linear(*[3, 5])", "neither a literal nor a layer"),
    ("nn.Linear(3, 5).weight", "neither a literal nor a layer"),
    ("nn.Linear(3, [i for i in (5,)][0])", "neither a literal nor a layer"),
    ("nn.functional.relu(3)", "no layer of torch.nn"),
    ("torch.load('x.pt')", "no layer of torch.nn"),
    ("os.system('x')", "no layer of torch.nn"),
    ("nn.init.torch.hub.load('a', 'b')", "no layer of torch.nn"),
    ("nn.Parameter(3)", "no layer of torch.nn"),
    ("nn.Cnov1d(3, 5, 3)", "did you mean nn.Conv1d?"),
    ("nn.Conv1d(3)", "PyTorch refuses nn.Conv1d(3)"),
    ("nn.Conv1d(3, 5, 3, groups=2)", "must be divisible by groups"),
    ("nn.Conv1d(3, 5, 3, **{'groups': 3})", "unpacks a dict"),
    ("nn.Dropout(p='a')", "PyTorch refuses"),
    ("(3, 5)", "is no layer"),
    ("'nn.ReLU()'", "is no layer"),
    ("nn.ReLU", "neither a literal nor a layer"),
    ("nn.ReLU(", "cannot read"),
    ("", "cannot read"),
    ("import os", "cannot read"),
    ("nn.ReLU(); import os", "cannot read"),
    ("nn.ReLU(\x00)", "cannot read"),
    ("nn.Sequential(" * 999 + ")" * 999, "cannot read"),
    ("-" * 99999 + "1", "cannot read"),
    ("nn.Linear(10**10, 10**10)", "neither a literal nor a layer"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED, ids=range(len(REFUSED)))
def test_refused_without_evaluation(text, says, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        parse_layer(text)
    assert says in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_weights_are_drawn_as_pytorch_does() -> None:
    torch.manual_seed(0)
    ours = parse_layer("nn.Linear(3, 5)")
    torch.manual_seed(0)
    assert torch.equal(ours.weight, nn.Linear(3, 5).weight)
