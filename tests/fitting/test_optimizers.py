"""`optimizer` of a converted model: both sides trained on the same batches."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.training.torch_optimizer import TorchOptimizer

optim = torch.optim


class Net(nn.Module):
    """An LSTM with two biases, a table with rows looked up twice, a convolution, a norm."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 6)
        self.conv = nn.Conv1d(6, 5, 3, padding=1)
        self.norm = nn.LayerNorm(5)
        self.lstm = nn.LSTM(5, 4, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, indices):
        y = self.conv(self.table(indices).transpose(1, 2)).transpose(1, 2)
        return self.head(self.lstm(self.norm(y).tanh())[0])


@pytest.fixture(scope="module")
def converted():
    torch.manual_seed(0)
    module = Net().double().eval()
    return t2k.convert(module, (torch.randint(0, 7, (2, 5)),), verify=False)


def batches(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        x = torch.randint(0, 7, (4, 5), generator=generator)
        yield x, torch.randn(4, 5, 3, generator=generator, dtype=torch.float64)


def train_torch(module, optimizer, pairs, scheduler=None, every=1):
    for number, (x, y) in enumerate(pairs, start=1):
        optimizer.zero_grad()
        nn.functional.mse_loss(module(x), y).backward()
        optimizer.step()
        if scheduler is not None and number % every == 0:
            scheduler.step()


def train_keras(converted, optimizer, pairs):
    variables = converted.model.trainable_variables
    for x, y in pairs:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(converted.model(x.numpy(), training=True) - y.numpy()))
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)


def parameters(state):
    """Return a state with the sum of an LSTM's biases in place of both."""
    merged = {name: value.detach().clone() for name, value in state.items()}
    merged["lstm.bias"] = merged.pop("lstm.bias_ih_l0") + merged.pop("lstm.bias_hh_l0")
    return merged


def require_equal(converted, module, bound=1e-11):
    ours, theirs = parameters(converted.state_dict()), parameters(module.state_dict())
    for name, expected in theirs.items():
        error, size = (ours[name] - expected).abs().max(), expected.abs().max()
        assert error <= bound * size, f"{name}: {error:.1e}"


def start(converted, make):
    """Return a copy of the module with its optimizer, the model having the same weights."""
    module = converted.conversion.module
    with torch.no_grad():
        fresh = Net().double()
        module.load_state_dict(fresh.state_dict())
    converted.load_state_dict(module.state_dict())
    return module, make(module)


def in_groups(module):
    return [
        {"params": module.table.parameters(), "lr": 0.03},
        {"params": [*module.conv.parameters(), *module.lstm.parameters()], "weight_decay": 0.0},
        {"params": module.head.parameters(), "betas": (0.5, 0.9)},
    ]


MAKERS = {
    "SGD": lambda m: optim.SGD(m.parameters(), 0.1, momentum=0.9, weight_decay=0.01),
    "AdamW": lambda m: optim.AdamW(m.parameters(), 0.01, weight_decay=0.1),
    "RMSprop": lambda m: optim.RMSprop(m.parameters(), 0.01, momentum=0.5),
    "Adagrad": lambda m: optim.Adagrad(m.parameters(), 0.01),
    "groups, and a norm that stays": lambda m: optim.Adam(in_groups(m), 0.01, weight_decay=0.1),
}


@pytest.mark.parametrize("steps_before", [0, 3])
@pytest.mark.parametrize("name", MAKERS)
def test_the_weights_are_pytorchs(converted, name, steps_before):
    """From the start, and from an optimizer that has made steps, whose state goes with it."""
    torch.manual_seed(1)
    module, theirs = start(converted, MAKERS[name])
    train_torch(module, theirs, batches(steps_before, seed=1))
    converted.load_state_dict(module.state_dict())
    ours = t2k.optimizer(theirs, converted)
    assert isinstance(ours, TorchOptimizer)
    train_torch(module, theirs, batches(8))
    train_keras(converted, ours, batches(8))
    require_equal(converted, module)


@pytest.mark.parametrize("steps_before", [0, 4])
def test_a_schedule_goes_with_it(converted, steps_before):
    module, theirs = start(converted, MAKERS["SGD"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = optim.lr_scheduler.CosineAnnealingLR(theirs, 5)
        train_torch(module, theirs, batches(steps_before, seed=1), scheduler, 2)
        converted.load_state_dict(module.state_dict())
        ours = t2k.optimizer(theirs, converted, scheduler=scheduler, steps_per_epoch=2, epochs=5)
        train_torch(module, theirs, batches(8), scheduler, 2)
    train_keras(converted, ours, batches(8))
    require_equal(converted, module, 1e-7)  # Keras has schedules in float32


def test_a_scheduler_that_was_forgotten_is_asked_for(converted):
    theirs = MAKERS["SGD"](converted.conversion.module)
    scheduler = optim.lr_scheduler.StepLR(theirs, 2)
    with pytest.raises(t2k.InputError, match="scheduler=scheduler"):
        t2k.optimizer(theirs, converted)
    with pytest.raises(t2k.InputError, match="another optimizer"):
        other = MAKERS["SGD"](converted.conversion.module)
        t2k.optimizer(other, converted, scheduler=scheduler, steps_per_epoch=1)


def make_plain():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).eval()
    return module, t2k.convert(module, (torch.randn(5, 4),), verify=False)


def data():
    x = np.random.default_rng(0).standard_normal((64, 4)).astype("float32")
    return x, x[:, :3].argmax(1)


def test_plain_gradient_descent_is_stock():
    module, converted = make_plain()
    made = t2k.optimizer(optim.SGD(module.parameters(), 0.1, momentum=0.9), converted)
    assert type(made) is keras.optimizers.SGD


@pytest.mark.parametrize("jit", [False, True])
def test_a_model_fits_saves_and_goes_on(tmp_path, jit):
    """The file loads with its training state, and goes on as the model itself does."""
    module, converted = make_plain()
    theirs = optim.AdamW(
        [{"params": module[0].parameters(), "lr": 0.1}, {"params": module[3].parameters()}], 0.01
    )
    model = converted.model
    model.compile(
        t2k.optimizer(theirs, converted), t2k.loss(nn.CrossEntropyLoss()), jit_compile=jit
    )
    x, y = data()
    gamma = model.trainable_variables[2].numpy().copy()
    losses = model.fit(x, y, epochs=4, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    np.testing.assert_array_equal(model.trainable_variables[2].numpy(), gamma)
    model.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    for net in (model, again):
        net.fit(x, y, epochs=2, shuffle=False, verbose=0)
    for ours, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), other.numpy(), rtol=1e-6, atol=1e-7)
    plain = keras.saving.load_model(tmp_path / "net.keras", compile=False)
    assert not plain.compiled


def refusal(make, module, x):
    converted = t2k.convert(module.eval(), (x,), verify=False)
    with pytest.raises(t2k.InputError) as caught:
        t2k.optimizer(make(module), converted)
    return str(caught.value)


def test_what_cannot_be_mapped_is_refused():
    x = torch.randn(2, 5, 3)
    lstm = nn.LSTM(3, 4, batch_first=True)
    decay = refusal(lambda m: optim.Adam(m.parameters(), weight_decay=0.1), lstm, x)
    assert "the sum of bias_ih_l0, bias_hh_l0" in decay
    assert "weight_decay=0" in decay
    first = [name for name, _ in lstm.named_parameters() if name != "bias_hh_l0"]
    part = refusal(lambda m: optim.SGD([getattr(m, name) for name in first], 0.1), lstm, x)
    assert "bias_ih_l0 (group 0), bias_hh_l0 (none)" in part
    strangers = refusal(lambda m: optim.SGD(copy.deepcopy(m).parameters(), 0.1), lstm, x)
    assert "4 parameters of this optimizer are none of the converted module's" in strangers
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)))
    computed = refusal(lambda m: optim.SGD(m.parameters(), 0.1), normed, x)
    assert "remove_parametrizations" in computed


BACKEND_FIT = """
import keras, torch
from torch import nn
import torch2keras as t2k
torch.manual_seed(0)
layers = nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3)
module = nn.Sequential(*layers).eval()
x = torch.randint(0, 9, (64, 3))
y = x[:, 0] % 3
converted = t2k.convert(module, (x[:4],), verify=False)
groups = [{"params": module[0].parameters(), "lr": 0.05}, {"params": module[2:].parameters()}]
theirs = torch.optim.AdamW(groups, lr=0.01)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, 4)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
ours = t2k.optimizer(theirs, converted, scheduler=schedule, steps_per_epoch=4, epochs=4)
jit = keras.backend.backend() != "torch"
converted.model.compile(ours, t2k.loss(criterion, converted), jit_compile=jit)
converted.model.fit(x.numpy(), y.numpy(), 16, 4, shuffle=False, verbose=0)
for epoch in range(4):
    for start in range(0, 64, 16):
        theirs.zero_grad()
        criterion(module(x[start : start + 16]), y[start : start + 16]).backward()
        theirs.step()
    schedule.step()
state = converted.state_dict()
for name, parameter in module.named_parameters():
    own = parameter.detach()
    assert (state[name] - own).abs().max() < 2e-6 * own.abs().max(), name
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_fit_moves_the_weights_as_pytorchs_loop_on_each_backend(backend):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", BACKEND_FIT]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_an_optimizer_of_the_callers_module_trains_its_copy_in_another_type():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    pairs = [(torch.randn(3, 4), torch.randn(3, 2)) for _ in range(6)]
    theirs = optim.AdamW(module.parameters(), lr=0.01)
    train_torch(module, theirs, pairs[:2])
    converted = t2k.convert(module, (pairs[0][0],), dtype="float64", verify=False)
    optimizer = t2k.optimizer(theirs, converted)
    assert int(optimizer.iterations.numpy()) == 2
    converted.model.compile(optimizer, t2k.loss(nn.MSELoss(), converted))
    for x, y in pairs[2:]:
        converted.model.train_on_batch(x.double().numpy(), y.double().numpy())
    train_torch(module, theirs, pairs[2:])
    for name, value in converted.state_dict().items():
        assert value.dtype == torch.float64
        assert torch.allclose(value, module.state_dict()[name].double(), atol=1e-6)
