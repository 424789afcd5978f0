"""Capture by tracing: what the module does on the example, frozen, and said."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from command import command
from torch2keras.capture.tracing import FROZEN


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = (
            nn.Conv1d(3, 5, 3, padding=1),
            nn.BatchNorm1d(5),
            nn.Dropout(0.3),
        )

    def forward(self, x):
        y = self.drop(self.norm(self.conv(x)))
        return y * 2 if y.isfinite().all() else y - 1


class Net(nn.Module):
    """A branch on values, and a number that is read off them."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = Inner(), nn.Linear(5, 7)

    def forward(self, x, *, scale=1):
        steps = int((x * 0).sum().item()) + 2
        return {"y": self.head(self.inner(x).mean(-1)) * steps * scale}


class Sign(nn.Module):
    def forward(self, x):
        return x.exp() if x.mean() > 0 else -x


X = torch.linspace(0, 1, 2 * 3 * 11).reshape(2, 3, 11)


def test_export_refuses_and_says_what_can_be_done():
    with pytest.raises(t2k.CaptureError, match='capture="trace"'):
        t2k.convert(Net().eval(), (X,))


def test_a_traced_module_is_verified_saved_in_its_names_and_trainable():
    net = Net().eval()
    converted = t2k.convert(net, (X,), {"scale": 3}, capture="trace")
    assert FROZEN in converted.report.notes
    assert {"inner_conv", "inner_norm", "inner_drop", "head"} <= {
        layer.name for layer in converted.model.layers
    }
    assert converted.report.parameters.keras_trainable == sum(p.numel() for p in net.parameters())
    assert [p.name for p in converted.inputs] == ["x"]
    assert [
        row.source.rpartition("/")[2].partition(":")[0]
        for row in converted.report.rows
        if row.path == "head"
    ] == ["test_tracing.py"]
    assert set(converted(X, scale=3)) == {"y"}
    assert set(converted.state_dict()) == set(net.state_dict())


def test_another_way_than_that_of_the_example_is_found_out_and_said():
    converted = t2k.convert(Sign(), (X,), capture="trace")
    assert any("takes another way" in note for note in converted.report.notes)
    torch.testing.assert_close(torch.from_numpy(converted(X)), X.exp())


def test_the_module_comes_back_as_it_was():
    net = Net().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    t2k.convert(net, (X,), capture="trace")
    assert net.training
    assert net.inner.drop.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net(X)["y"].requires_grad


REFUSED = {
    "another way": ({"capture": "script"}, "no way to capture is called 'script'"),
    "dynamic shapes": (
        {"capture": "trace", "dynamic_shapes": ({0: torch.export.Dim.AUTO},)},
        "takes no dynamic_shapes",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    options, message = REFUSED[name]
    with pytest.raises(t2k.InputError, match=message):
        t2k.convert(Net().eval(), (X,), **options)


def test_what_the_module_itself_refuses_is_an_input_error():
    with pytest.raises(t2k.InputError, match="itself fails on the example"):
        t2k.convert(Net().eval(), (torch.randn(2, 4, 11),), capture="trace")


def test_inspect_and_the_command_line(monkeypatch, tmp_path):
    assert t2k.inspect(Net().eval(), (X,), capture="trace").ok
    (tmp_path / "t2k_traced.py").write_text(
        "from torch import nn\n"
        "class Steps(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return x * (int(x.isfinite().sum()) > 0)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert command("inspect", "t2k_traced:Steps", "-i", "3,5", "-q").code == 4
    assert (
        command("convert", "t2k_traced:Steps", "-o", "a.keras", "-i", "3,5", "-q", "--trace").code
        == 0
    )
