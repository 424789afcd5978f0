"""A module that is given its random numbers does what it does with its own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from noisy import NOISY, ROWS, Autoencoder, RandomWalk, UntilLarge, make
from torch2keras.capture.ports import draws
from torch2keras.capture.ports.random_formulas import NORMAL
from torch2keras.capture.ports.random_ports import open_random_ports
from torch2keras.capture.ports.slots import ModulePorts
from torch2keras.capture.ports.state_ports import open_state_ports
from torch2keras.errors import CaptureError


def open_noise(cls, x):
    return open_random_ports(ModulePorts(make(cls)), (x,), {})


@pytest.mark.parametrize("cls", NOISY)
def test_each_draw_has_a_port_with_its_distribution(cls):
    x, drawn = NOISY[cls]
    ports = open_noise(cls, x)
    assert [(port.drawn.op, port.drawn.distribution.name) for port in ports.draws] == drawn
    assert all(port.drawn.source.startswith("noisy.py:") for port in ports.draws)
    names = [port.name for port in ports.draws]
    assert names == (["noise"] if len(names) == 1 else [f"noise_{n}" for n in range(len(names))])


def test_a_module_that_draws_nothing_has_no_ports():
    ports = open_random_ports(ModulePorts(nn.ReLU()), (ROWS,), {})
    assert ports.draws == ()


def test_noise_stands_before_the_state():
    module = make(RandomWalk)
    ports = open_random_ports(open_state_ports(module, (ROWS[:1],), {}), (ROWS[:1],), {})
    assert list(ports.examples) == ["noise", "level"]
    given = {"noise": ROWS[:1], "level": ROWS[1:2]}
    outputs, new = ports.wrap_module()(ROWS[2:], **given)
    assert torch.allclose(new["level"], 0.9 * ROWS[1:2] + ROWS[:1] + ROWS[2:])
    assert torch.equal(outputs, new["level"] * 2)
    assert not module.level.any()


def test_a_number_of_draws_that_depends_on_numbers_is_refused():
    with pytest.raises(CaptureError, match="does something else") as raised:
        open_noise(UntilLarge, ROWS)
    assert dict(raised.value.rows)["draws"].startswith("rand at noisy.py:")


def test_a_formula_that_is_wrong_is_found(monkeypatch):
    def shift(draw, tensor, **_):
        return draw(NORMAL, tensor.shape, tensor.dtype) + 1e-3

    monkeypatch.setattr(draws, "FORMULAS", {**draws.FORMULAS, "randn_like": shift})
    with pytest.raises(CaptureError, match="does something else"):
        open_noise(Autoencoder, ROWS)
