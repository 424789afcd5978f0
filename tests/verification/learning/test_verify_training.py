"""Both sides trained on the same batches: equal weights, and faults that show."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.training.gradient_descent import TorchSGD
from torch2keras.verification.learning.verify_training import (
    choose_optimizers,
    judge_weights,
    verify_training,
)
from torch2keras.verification.results import Verdict


class Net(nn.Module):
    """A bias in front of a batch norm, a dropout, and a norm over channels."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4)
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(4, 2)

    def forward(self, x):
        y = nn.functional.dropout(self.norm(self.conv(x)), 0.2, self.training)
        return self.head(self.drop(y.tanh().mean(-1)))


def make():
    torch.manual_seed(0)
    module = Net().eval()
    return module, t2k.convert(module, (torch.randn(3, 2, 8),), verify=False)


@pytest.fixture(scope="module")
def trained():
    module, converted = make()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    verification = converted.verify(level="training", optimizer=optimizer)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
    assert not optimizer.state
    assert not module.training
    return converted, {check.what: check for check in verification.learning}


def test_all_levels_are_compared(trained):
    _, checks = trained
    assert set(checks) == {
        *("gradients, eval mode", "gradients, train mode"),
        *("20 steps of SGD", "20 steps of AdamW"),
    }
    for check in checks.values():
        assert not check.differing
        assert check.worst[1] < 1e-9


def test_statistics_are_compared_by_one_rule(trained):
    _, checks = trained
    for name in ("norm.running_mean", "norm.running_var"):
        assert checks["20 steps of SGD"].errors[name] < 1e-12


def test_a_dead_bias_is_told_apart(trained):
    _, checks = trained
    assert checks["gradients, train mode"].verdicts["conv.bias"] is Verdict.ROUNDING
    assert checks["gradients, eval mode"].verdicts["conv.bias"] is Verdict.EQUAL


def test_the_report_has_the_table(trained):
    converted, _ = trained
    text = str(converted.report)
    assert "conv.bias" in text.split("learning")[1]
    assert "20 steps of AdamW on the same batches move all 8 weights as PyTorch" in " ".join(
        text.split()
    )
    assert len(converted.report.as_dict()["learning"]) == 4


def test_another_formula_is_an_error_that_names_the_worst(monkeypatch):
    _, converted = make()
    right = TorchSGD.move
    monkeypatch.setattr(TorchSGD, "move", lambda self, now: right(self, now) * (1 + 1e-8))
    with pytest.raises(t2k.VerificationError, match="does not train as PyTorch does") as caught:
        converted.verify(level="training")
    assert "20 steps of SGD" in str(caught.value)


def test_what_cannot_be_trained_so_is_said():
    module = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))).eval()
    converted = t2k.convert(module, (torch.randn(2, 3),), verify=False)
    notes = converted.verify(level="training").notes
    assert any("20 steps of SGD was not compared" in note for note in notes)


def test_a_frozen_norm_is_compared_in_eval_mode_and_the_advice_holds():
    module, _ = make()
    module.norm.requires_grad_(requires_grad=False)
    converted = t2k.convert(module, (torch.randn(3, 2, 8),), verify=False)
    learning = verify_training(converted.conversion, choose_optimizers(converted.conversion, None))
    (advice, _) = learning.notes
    assert "norm.gamma.trainable = norm.beta.trainable = False" in advice
    model = converted.model
    code = advice.partition("in Keras too: ")[2].rstrip(".")
    exec(code, {"model": model})  # noqa: S102 - what users are told to write
    assert len(model.trainable_variables) == 4
    x = torch.randn(3, 2, 8)
    module.norm.train()
    with torch.no_grad():
        expected = module(x).numpy()
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    ours = model(converted.inputs[0].from_torch(x), training=True)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


class Held:
    def __init__(self, values, name="a"):
        self.names, self.values = (name,), np.array(values)
        self.is_sum, self.is_parameter, self.weight = False, True, None


JUDGED = {
    "equal": ([1.0], [1.0], [1.0], Verdict.EQUAL),
    "off": ([1.0 + 1e-6], [1.0], [1.0], Verdict.DIFFERS),
    "noise": ([1.0 + 1e-6], [1.0], [1.0 + 1e-7], Verdict.ROUNDING),
    "more than noise": ([1.0 + 1e-3], [1.0], [1.0 + 1e-7], Verdict.DIFFERS),
    "a bias that begins as zeros": ([3e-15], [1e-19], [1e-19], Verdict.ROUNDING),
    "a small one that is off": ([1e-3 + 1e-8], [1e-3], [1e-3], Verdict.DIFFERS),
    "infinite": ([float("inf")], [1.0], [1.0], Verdict.DIFFERS),
    "not a number": ([float("nan")], [1.0], [1.0], Verdict.DIFFERS),
}


@pytest.mark.parametrize("name", JUDGED)
def test_weights_are_judged(monkeypatch, name):
    ours, theirs, nudged, verdict = JUDGED[name]
    home = "torch2keras.verification.learning.verify_training._read_run"
    monkeypatch.setattr(home, lambda held, run: run[held.names[0]].numpy())
    beside = torch.tensor([1.0], dtype=torch.float64)
    pairs = (torch.tensor(values, dtype=torch.float64) for values in (theirs, nudged))
    runs = [{"a": values, "b": beside} for values in pairs]
    check = judge_weights([Held(ours), Held([1.0], "b")], runs, "steps")
    assert check.verdicts == {"a": verdict, "b": Verdict.EQUAL}


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def forward(self, x):
        return self.layers(x)


def test_the_bias_of_keys_is_a_part_of_its_parameter():
    """Its true gradient is zero, and in Keras it is a variable of its own."""
    torch.manual_seed(0)
    converted = t2k.convert(Attention().eval(), (torch.randn(2, 3, 4),), verify=False)
    optimizers = choose_optimizers(converted.conversion, None)
    (check,) = verify_training(converted.conversion, optimizers).checks
    assert not check.differing


class Chaos(nn.Module):
    """What rounding does to the scale grows in each step of training."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([0.3, 0.4, 0.6]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * self.scale
        for _ in range(8):
            x = torch.sin(3 * x)
        return x


def test_where_rounding_decides_in_20_steps_fewer_are_compared(monkeypatch):
    module = Chaos().eval()
    converted = t2k.convert(module, (torch.randn(4, 3),), verify=False)
    learning = verify_training(converted.conversion, choose_optimizers(converted.conversion, None))
    (check,) = learning.checks
    assert check.what == "5 steps of SGD"
    assert set(check.verdicts.values()) == {Verdict.EQUAL}
    assert "In 20 steps of SGD rounding alone moves most weights" in learning.notes[-1]
    right = TorchSGD.move
    monkeypatch.setattr(TorchSGD, "move", lambda self, now: right(self, now) * 1.01)
    with pytest.raises(t2k.VerificationError, match="does not train as PyTorch does"):
        verify_training(converted.conversion, choose_optimizers(converted.conversion, None))


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_a_copy_in_another_type_is_trained_by_the_callers_optimizer(dtype):
    module, x = Net().eval(), torch.randn(3, 2, 8)
    converted = t2k.convert(module, (x,), dtype=dtype, verify=False)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    chosen = choose_optimizers(converted.conversion, optimizer)
    learning = verify_training(converted.conversion, chosen)
    assert [check.what for check in learning.checks] == ["20 steps of SGD", "20 steps of AdamW"]
    assert not any(check.differing for check in learning.checks)


class Tabled(nn.Module):
    """Adds a table of its parameter, which it keeps from one call to the next in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.table = nn.Linear(5, 3), nn.Parameter(torch.randn(7))
        self.kept: dict[str, torch.Tensor] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = torch.tensor([6, 2, 2])
        if self.training:
            return (self.linear(x) + self.table[places]).tanh()
        if "cpu" not in self.kept:
            self.kept["cpu"] = self.table[places]
        return (self.linear(x) + self.kept["cpu"]).tanh()


def test_a_table_that_a_step_keeps_is_gone_in_the_next_one() -> None:
    torch.manual_seed(0)
    module = Tabled().eval()
    converted = t2k.convert(module, (torch.randn(4, 5),), verify=False)
    given = torch.optim.AdamW(module.parameters(), lr=1e-2)
    verification = converted.verify(level="training", optimizer=given)
    steps = verification.learning[2:]
    assert [check.what for check in steps] == ["20 steps of SGD", "20 steps of AdamW"]
    assert all(check.worst[1] < 1e-12 for check in steps)
    assert not module.kept
