"""What an inspection says, and that it is what the conversion does."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import torch2keras as t2k
from command import command
from exported import assert_golden

X = (2, 3, 22)


class Inner(nn.Module):
    def forward(self, x):
        return torch.geqrf(x[:, :, :4])[0], x.exp()


class Net(nn.Module):
    """Two layers, an op that is refused, and a layer that reads what it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 5, stride=2)
        self.norm = nn.BatchNorm1d(5)
        self.inner = Inner()
        self.head = nn.Linear(4, 7)

    def forward(self, x):
        strided, y = self.inner(self.norm(self.conv(x)))
        return self.head(strided), y.mean(-1)


def convertible() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(3, 5, 5, padding="same"),
        nn.BatchNorm1d(5),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(110, 7),
    )


@pytest.fixture(scope="module")
def refused() -> t2k.Inspection:
    torch.manual_seed(0)
    return t2k.inspect(Net().eval(), (torch.randn(X),))


def test_all_is_said_where_an_op_is_refused(refused):
    assert not refused.ok
    (bad,) = [row for row in refused.ops if row.refused]
    assert (bad.module, bad.op, bad.keras) == ("inner", "aten.geqrf.default", ())
    assert [row.keras for row in refused.ops if row.op == "aten.conv1d.default"] == [("Conv1D",)]
    assert refused.parameters.keras_trainable == refused.parameters.torch_trainable
    assert [p.torch_shape for p in refused.outputs] == [(2, 5, 7), (2, 5)]


def test_the_page(refused):
    page = str(refused)
    assert_golden("inspection", page.replace(__file__.rpartition("/")[0], "FOLDER"))


def test_it_is_what_the_conversion_does():
    module, x = convertible().eval(), torch.randn(X)
    before, after = t2k.inspect(module, (x,)), t2k.convert(module, (x,), verify=False)
    assert before.ok
    assert (before.inputs, before.outputs) == (after.inputs, after.outputs)
    assert (before.parameters, before.transposes, before.notes) == (
        after.report.parameters, after.report.transposes, after.report.notes,
    )  # fmt: skip
    made = [kind for row in before.ops for kind in row.keras]
    assert made == [call.kind for row in after.report.rows for call in row.keras]


def test_a_batch_that_has_to_be_fixed_is_so():
    found = t2k.inspect(nn.AdaptiveAvgPool1d(3).eval(), (torch.randn(7, 5),))
    assert found.ok
    assert found.inputs[0].keras_shape == (None, 5)
    turned = t2k.inspect(Turned().eval(), (torch.randn(7, 5),))
    assert turned.ok
    assert 7 in turned.inputs[0].keras_shape
    assert "is fixed to 7" in turned.notes[0]


class Turned(nn.Module):
    def forward(self, x):
        return nn.functional.adaptive_avg_pool1d(x.mT[None], 3)


def test_on_the_command_line(monkeypatch, tmp_path):
    (tmp_path / "t2k_looked_at.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "class Bad(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return torch.geqrf(x)[0]\n"
    )
    monkeypatch.chdir(tmp_path)
    arguments = ("inspect", "torchvision:squeezenet1_1", "-i", "1,3,64,64")
    good = command(*arguments)
    assert good.code == 0
    assert "none refused" in good.out
    quiet = command(*arguments, "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    bad = command("inspect", "t2k_looked_at:Bad", "-i", "3,5", "--json")
    assert bad.code == 4
    assert json.loads(bad.out)["ops"][0]["refused"]
    assert not list(tmp_path.glob("*.keras"))


def test_the_tables_of_a_net_fit_the_narrowest_terminal() -> None:
    models = pytest.importorskip("torchvision.models")
    args = (torch.randn(2, 3, 64, 64),)
    lines = str(t2k.inspect(models.resnet18().eval(), args)).splitlines()
    report = t2k.convert(models.resnet18().eval(), args, verify=False).report
    lines += f"{report}\n{report.full_text()}".splitlines()
    assert max(map(len, lines)) <= 80
    cells = [line.split() for line in lines]
    assert ["layer2.0.conv2", "conv2d", "Conv2D"] in [row[:3] for row in cells]
