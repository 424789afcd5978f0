"""A conversion leaves the process as it was, also when it fails."""

from __future__ import annotations

import logging
import random
import sys
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from op_case import Function
from torch2keras.explanation.explain import explain_text
from torch2keras.runtime.isolation import (
    check_initialised,
    isolate_module,
    isolate_process,
    silence_output,
)

READINGS: dict[str, Callable[[], Any]] = {
    "random": random.getstate,
    "numpy": lambda: list(map(str, np.random.get_state())),  # noqa: NPY002 - the global one
    "torch": lambda: torch.get_rng_state().tolist(),
    "grad": torch.is_grad_enabled,
    "default dtype": torch.get_default_dtype,
    "threads": torch.get_num_threads,
    "floatx": keras.config.floatx,
    "deterministic": torch.are_deterministic_algorithms_enabled,
    "oneDNN": lambda: torch.backends.mkldnn.enabled,
    "fast path": torch.backends.mha.get_fastpath_enabled,
    "einsum": lambda: torch.backends.opt_einsum.enabled,
    "autocast": lambda: torch.is_autocast_enabled("cpu"),
}


def readings() -> dict[str, Any]:
    return {name: read() for name, read in READINGS.items()}


@contextmanager
def unusual() -> Iterator[None]:
    """Settings that no default has."""
    with isolate_process(), torch.no_grad():
        random.seed(3)
        np.random.seed(5)  # noqa: NPY002 - as above
        torch.manual_seed(7)
        torch.set_num_threads(1)
        keras.config.set_floatx("float16")
        yield


class Net(nn.Module):
    """Keeps books of its calls in every way that does not change its result."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5), nn.Dropout())
        self.calls = 0
        self.shapes: list[Any] = [{"seen": [[1]]}]
        self.last: deque[Any] = deque([3], maxlen=2)
        self.books = SimpleNamespace(by_size=defaultdict(list), array=np.zeros(3))
        self.hidden = [nn.BatchNorm1d(3)]

    def forward(self, x):
        self.calls += 1
        self.shapes[0]["seen"][0].append(tuple(x.shape))
        self.last.append(self.calls)
        self.books.by_size[x.ndim].append(self.calls)
        self.books.array += 1
        self.hidden[0].eps = 3
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
    own = {n: repr(v) for n, v in vars(net).items() if not n.startswith("_")}
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


def trace_net() -> None:
    before = state_of(NET)
    t2k.convert(NET, (torch.zeros(2, 3, 11, dtype=torch.float32),), capture="trace")
    assert state_of(NET) == before


class Counting(nn.Module):
    """Writes to a buffer and to a tensor that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(3))
        self.plain = torch.zeros(3)

    def forward(self, x):
        self.count += 1
        self.plain.add_(1)
        return x + self.count + self.plain


def refuse_counting(way: str) -> Callable[[], None]:
    def attempt() -> None:
        net = Counting()
        with pytest.raises(t2k.UnsupportedOpError, match="forward changes buffer count"):
            t2k.convert(net, (torch.zeros(2, 3),), capture=way)
        assert (net.count.tolist(), net.plain.tolist()) == ([0] * 3, [0] * 3)

    return attempt


def explain_lazy() -> None:
    layer = nn.LazyConv1d(5, 3)
    with pytest.raises(t2k.InputError, match="not initialised"):
        t2k.explain(layer)
    assert (type(layer), layer.in_channels) == (nn.LazyConv1d, 0)
    assert layer.has_uninitialized_params()


def explain_counting() -> None:
    net = Counting()
    with pytest.raises(t2k.UnsupportedOpError):
        t2k.explain(net, (2, 3))
    assert (net.count.tolist(), net.plain.tolist()) == ([0] * 3, [0] * 3)


NET, CONV = Net().train(), nn.Conv1d(3, 5, 3)

ATTEMPTS = {
    "a conversion": convert_net,
    "a tracing": trace_net,
    "tensors are written to": refuse_counting("export"),
    "tensors are written to, traced": refuse_counting("trace"),
    "explain, a lazy layer": explain_lazy,
    "explain, tensors are written to": explain_counting,
    "explain, as text": lambda: explain_text("nn.Conv1d(3, 5, 3)"),
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
    with pytest.raises(KeyError), isolate_process():
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002 - as above
        torch.manual_seed(1)
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(before["threads"] + 1)
        torch.set_grad_enabled(False)
        torch.backends.mha.set_fastpath_enabled(False)
        keras.config.set_floatx("float64")
        raise KeyError
    assert readings() == before


def test_another_default_dtype_does_not_matter() -> None:
    net = nn.Conv1d(3, 5, 3)
    with isolate_process():
        torch.set_default_dtype(torch.float64)
        keras.config.set_floatx("float64")
        converted = t2k.convert(net, (torch.zeros(2, 3, 11, dtype=torch.float32),))
    assert converted.model.inputs[0].dtype == "float32"
    assert {w.dtype for w in converted.model.weights} == {"float32"}


def test_a_verification_alone_changes_nothing() -> None:
    converted = t2k.convert(CONV, (torch.zeros(2, 3, 11),), verify=False)
    before = readings()
    converted.verify()
    assert readings() == before


def test_within_a_module_is_in_eval_mode_and_random_numbers_start_from_the_seed() -> None:
    class Merging(nn.Linear):
        def train(self, mode: bool = True) -> nn.Module:
            raise AssertionError("a module may do anything here")

    net = nn.Sequential(nn.Dropout(), nn.ReLU().eval(), Merging(3, 5))
    drawn = []
    for _ in range(2):
        with isolate_module(net, seed=3):
            assert not any(part.training for part in net.modules())
            assert not torch.backends.mha.get_fastpath_enabled()
            number = np.random.rand()  # noqa: NPY002 - as above
            drawn.append((random.random(), number, torch.rand(()).item()))
    assert drawn[0] == drawn[1]
    assert [part.training for part in net.modules()] == [True, True, False, True]


def test_a_flag_that_the_class_answers_for_is_left() -> None:
    class Always(nn.Module):
        training = property(lambda self: True, lambda self, value: None)

    net = nn.Sequential(Always(), nn.Dropout())
    before = [dict(vars(part)) for part in net.modules()]
    with isolate_module(net):
        assert not net[1].training
    assert [dict(vars(part)) for part in net.modules()] == before


def test_torchscript_is_switched_too() -> None:
    net = torch.jit.script(nn.Sequential(nn.Dropout(0.999), nn.ReLU()))
    with isolate_module(net):
        assert net(torch.ones(100)).sum() == 100
    assert net[0].training


def test_lazy_modules_are_refused_by_the_names_of_their_parameters() -> None:
    net = nn.Sequential(*[nn.LazyLinear(5) for _ in range(6)])
    with pytest.raises(t2k.InputError, match=r"0\.weight.* and 4 more"), isolate_module(net):
        raise AssertionError
    check_initialised({"": nn.Linear(3, 5)})


def test_nothing_is_printed_logged_or_warned_of(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    filters, stdout, disabled = list(warnings.filters), sys.stdout, logging.root.manager.disable
    with warnings.catch_warnings(record=True) as caught, pytest.raises(KeyError), silence_output():
        sys.stdout.write("no")
        sys.stderr.write("no")
        logging.getLogger("torch").warning("no")
        warnings.warn("no", stacklevel=1)
        warnings.simplefilter("error")
        raise KeyError
    assert (capsys.readouterr(), caplog.records, caught) == (("", ""), [], [])
    assert (warnings.filters, sys.stdout) == (filters, stdout)
    assert logging.root.manager.disable == disabled
