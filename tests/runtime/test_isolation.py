"""A conversion leaves the process as it was, also when it fails."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from op_case import Function
from torch2keras.runtime.isolation import unchanged

READINGS: dict[str, Callable[[], Any]] = {
    "random": random.getstate,
    "numpy": lambda: [str(part) for part in np.random.get_state()],  # noqa: NPY002 - it is the global one that is kept
    "torch": lambda: torch.get_rng_state().tolist(),
    "grad": torch.is_grad_enabled,
    "default dtype": torch.get_default_dtype,
    "threads": torch.get_num_threads,
    "floatx": keras.config.floatx,
    "deterministic": torch.are_deterministic_algorithms_enabled,
    "oneDNN": lambda: torch.backends.mkldnn.enabled,
    "fast path": torch.backends.mha.get_fastpath_enabled,
    "autocast": lambda: torch.is_autocast_enabled("cpu"),
}


def readings() -> dict[str, Any]:
    return {name: read() for name, read in READINGS.items()}


@contextmanager
def unusual() -> Iterator[None]:
    """Settings that no default has."""
    with unchanged(), torch.no_grad():
        random.seed(3)
        np.random.seed(5)  # noqa: NPY002 - as above
        torch.manual_seed(7)
        torch.set_num_threads(1)
        keras.config.set_floatx("float16")
        yield


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5), nn.Dropout())
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.body(x)


def state_of(net: nn.Module) -> dict[str, Any]:
    hooks = {
        f"{n}.{k}": dict(v)
        for n, m in net.named_modules()
        for k, v in vars(m).items()
        if k.endswith("hooks")
    }
    flags = {n: m.training for n, m in net.named_modules()}
    grads = {n: (p.requires_grad, p.grad, p.device) for n, p in net.named_parameters()}
    own = {n: v for n, v in vars(net).items() if not n.startswith("_")}
    return {"flags": flags, "grads": grads, "own": own, "hooks": hooks}


def convert_net() -> None:
    net = NET
    net.body[1].eval()
    net.register_forward_hook(lambda *_: None)
    before, tensors = state_of(net), {n: t.clone() for n, t in net.state_dict().items()}
    t2k.convert(net, (torch.zeros(2, 3, 11, dtype=torch.float32),))
    assert state_of(net) == before
    assert all(torch.equal(t, tensors[n]) for n, t in net.state_dict().items())


def refuse(function: Callable[..., Any], error: type[Exception]) -> Callable[[], None]:
    def attempt() -> None:
        with pytest.raises(error):
            t2k.convert(Function(function), (torch.zeros(2, 3),))

    return attempt


def fails(x):
    torch.manual_seed(11)
    torch.set_grad_enabled(True)
    raise ZeroDivisionError


NET, CONV = Net().train(), nn.Conv1d(3, 5, 3)

ATTEMPTS = {
    "a conversion": convert_net,
    "an unknown op": refuse(lambda x: torch.linalg.eigvals(x @ x.T), t2k.Torch2KerasError),
    "forward fails": refuse(fails, t2k.Torch2KerasError),
    "explain": lambda: t2k.explain(CONV),
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_nothing_has_changed(name: str) -> None:
    with unusual():
        before = readings()
        ATTEMPTS[name]()
        assert readings() == before


def test_everything_is_put_back_after_an_error() -> None:
    before = readings()
    with pytest.raises(KeyError), unchanged():
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002 - as above
        torch.manual_seed(1)
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(before["threads"] + 1)
        torch.set_grad_enabled(False)
        keras.config.set_floatx("float64")
        raise KeyError
    assert readings() == before


def test_another_default_dtype_does_not_matter() -> None:
    net = nn.Conv1d(3, 5, 3)
    with unchanged():
        torch.set_default_dtype(torch.float64)
        keras.config.set_floatx("float64")
        converted = t2k.convert(net, (torch.zeros(2, 3, 11, dtype=torch.float32),))
    assert converted.model.inputs[0].dtype == "float32"
    assert {w.dtype for w in converted.model.weights} == {"float32"}
