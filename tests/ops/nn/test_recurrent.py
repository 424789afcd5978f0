"""LSTM, GRU and RNN and their cells: every option, dynamic lengths, states in and out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import torch2keras as t2k
from op_case import Case, check, module

AUTO = torch.export.Dim.AUTO
BOTH = {0: AUTO, 1: AUTO}


class Net(nn.Module):
    """A forward function over modules and parameters."""

    def __init__(self, run: Callable[..., Any], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *args: Tensor) -> Any:
        return self.run(self, *args)


def layer(
    cls: type[nn.Module], *args: Any, shape: tuple[int, ...] = (3, 11, 5), **kwargs: Any
) -> Case:
    """One layer from zero states, with a dynamic batch and length."""
    return module(lambda: cls(5, 7, *args, **kwargs), shape, dynamic_shapes=(BOTH,))


def net(
    run: Callable[..., Any],
    *shapes: tuple[int, ...],
    make: Callable[[], dict[str, Any]],
    **options: Any,
) -> Case:
    return module(lambda: Net(run, **make()), *shapes, **options)


def with_states(cls: type[nn.Module], states: int, directions: int = 1) -> Case:
    """Two layers, sequence first, that start from states which are inputs."""
    state = (2 * directions, 3, 7)
    shapes = ({0: AUTO, 1: AUTO}, *({1: AUTO} for _ in range(states)))
    return net(
        lambda self, x, *s: self.r(x, s if states > 1 else s[0]),
        (11, 3, 5),
        *[state] * states,
        make=lambda: {"r": cls(5, 7, 2, bidirectional=directions > 1)},
        dynamic_shapes=(shapes,),
    )


def merge_time_and_batch(self: Any, x: Tensor) -> Tensor:
    """As CRNN does it: `view` over what a time-first layer returns."""
    sequence, _ = self.r(x)
    time, batch, units = sequence.shape
    merged: Tensor = self.f(sequence.view(time * batch, units)).view(time, batch, -1)
    return merged


def between(run: Callable[..., Any], r: Callable[[], nn.Module], channels: int) -> Case:
    """Between two convolutions that store channels last."""
    return net(
        run,
        (2, 5, 19),
        make=lambda: {"a": nn.Conv1d(5, 6, 3), "r": r(), "b": nn.Conv1d(channels, 3, 2)},
        dynamic_shapes=(({0: AUTO, 2: AUTO},),),
    )


CASES: dict[str, Case] = {
    "lstm": layer(nn.LSTM),
    "lstm, batch first": layer(nn.LSTM, batch_first=True),
    "lstm, two layers, both directions": layer(nn.LSTM, 2, batch_first=True, bidirectional=True),
    "lstm, dropout, no bias": layer(nn.LSTM, 3, bias=False, dropout=0.3),
    "gru": layer(nn.GRU),
    "gru, two layers, both directions": layer(
        nn.GRU, 2, batch_first=True, bidirectional=True, dropout=0.2
    ),
    "gru, no bias": layer(nn.GRU, bias=False),
    "rnn": layer(nn.RNN),
    "rnn, relu, both directions": layer(
        nn.RNN, 2, nonlinearity="relu", bidirectional=True, batch_first=True
    ),
    "rnn, no bias": layer(nn.RNN, 1, "relu", bias=False),
    "unbatched": module(lambda: nn.LSTM(5, 7), (11, 5), dynamic_shapes=({0: AUTO},)),
    "everything static": module(
        lambda: nn.GRU(5, 7, batch_first=True), (2, 11, 5), dynamic_shapes=({},)
    ),
    "lstm with states": with_states(nn.LSTM, 2),
    "lstm with states, both directions": with_states(nn.LSTM, 2, 2),
    "gru with states, both directions": with_states(nn.GRU, 1, 2),
    "rnn with states": with_states(nn.RNN, 1),
    "gru, time and batch merged": net(
        merge_time_and_batch,
        (11, 3, 5),
        make=lambda: {"r": nn.GRU(5, 7, bidirectional=True), "f": nn.Linear(14, 4)},
        dynamic_shapes=((BOTH,),),
    ),
    "lstm with one state": net(
        lambda self, x, h: self.r(x, (h, torch.zeros_like(h))),
        (11, 3, 5),
        (1, 3, 7),
        make=lambda: {"r": nn.LSTM(5, 7)},
        dynamic_shapes=((BOTH, {1: AUTO}),),
    ),
    "zeros as states": net(
        lambda self, x: self.r(x, (torch.zeros(1, len(x), 7), x.new_zeros(1, len(x), 7)))[0],
        (3, 11, 5),
        make=lambda: {"r": nn.LSTM(5, 7, batch_first=True)},
    ),
    "learnt state": net(
        lambda self, x: self.r(x, self.start.expand(-1, len(x), -1).contiguous()),
        (3, 11, 5),
        make=lambda: {
            "r": nn.GRU(5, 7, batch_first=True),
            "start": nn.Parameter(torch.randn(1, 1, 7)),
        },
    ),
    "last states only": net(
        lambda self, x: torch.cat(self.r(x)[1].unbind(0), -1),
        (3, 11, 5),
        make=lambda: {"r": nn.GRU(5, 7, batch_first=True, bidirectional=True)},
    ),
    "goes on from its states": net(
        lambda self, x: self.r(x[:, 4:], self.r(x[:, :4])[1])[0],
        (3, 11, 5),
        make=lambda: {"r": nn.LSTM(5, 7, batch_first=True)},
    ),
    "between convolutions": between(
        lambda self, x: self.b(self.r(self.a(x).transpose(1, 2))[0].transpose(1, 2)),
        lambda: nn.LSTM(6, 7, 2, batch_first=True, bidirectional=True, dropout=0.1),
        14,
    ),
    "between convolutions, sequence first": between(
        lambda self, x: self.b(self.r(self.a(x).permute(2, 0, 1))[0].permute(1, 2, 0)),
        lambda: nn.GRU(6, 7),
        7,
    ),
    "of channels and height": net(
        lambda self, x: self.r(self.a(x).permute(0, 3, 1, 2).flatten(2))[0],
        (2, 2, 7, 11),
        make=lambda: {
            "a": nn.Conv2d(2, 3, 3),
            "r": nn.GRU(15, 4, batch_first=True, bidirectional=True),
        },
        dynamic_shapes=(({0: AUTO, 3: AUTO},),),
        transposes=1,
    ),
    "lstm cell": module(lambda: nn.LSTMCell(5, 7), (3, 5)),
    "gru cell": module(lambda: nn.GRUCell(5, 7), (3, 5), (3, 7)),
    "gru cell, no bias": module(lambda: nn.GRUCell(5, 7, bias=False), (3, 5), (3, 7)),
    "rnn cell": module(lambda: nn.RNNCell(5, 7), (3, 5), (3, 7)),
    "rnn cell, relu": module(lambda: nn.RNNCell(5, 7, nonlinearity="relu"), (3, 5), (3, 7)),
}


@pytest.mark.parametrize("name", CASES)
def test_recurrent(name: str) -> None:
    check(CASES[name])


KINDS = ("LSTM", "GRU", "SimpleRNN", "Bidirectional", "Dropout")
LAYERS = {
    "lstm, two layers, both directions": ["Bidirectional", "Bidirectional"],
    "lstm, dropout, no bias": ["LSTM", "Dropout", "LSTM", "Dropout", "LSTM"],
    "gru": ["GRU"],
    "goes on from its states": ["LSTM"],
    "zeros as states": ["LSTM"],
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_pytorch_is_a_layer_of_keras(name: str, tmp_path: Path) -> None:
    converted = check(CASES[name])
    kinds = [type(layer).__name__ for layer in converted.model.layers]
    assert [kind for kind in kinds if kind in KINDS] == LAYERS[name]
    loaded = keras.saving.load_model(converted.save(tmp_path / "net.keras"), safe_mode=True)
    x = (
        np.random.default_rng(0)
        .normal(size=[n or 4 for n in converted.model.inputs[0].shape])
        .astype("float32")
    )
    for ours, theirs in zip(
        *(keras.tree.flatten(m(x)) for m in (loaded, converted.model)), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_it_runs_at_any_length_and_drops_in_training_only() -> None:
    converted = check(CASES["lstm, dropout, no bias"])
    made = CASES["lstm, dropout, no bias"].make()
    converted.load_state_dict(made.state_dict())
    for length in (1, 2, 53):
        x = torch.randn(length, 2, 5)
        assert np.allclose(converted(x)[0], made.eval()(x)[0].detach(), atol=1e-6)
    x = converted.inputs[0].from_torch(x)
    assert not np.array_equal(
        converted.model(x, training=True)[0], converted.model(x, training=True)[0]
    )


@pytest.mark.parametrize("cls", [nn.LSTM, nn.GRU, nn.RNN])
def test_weights_travel_both_ways(cls: type[nn.Module]) -> None:
    torch.manual_seed(0)
    made, newer = (cls(5, 7, 2, bidirectional=True).eval() for _ in range(2))
    x = torch.randn(11, 3, 5)
    converted = t2k.convert(made, (x,))
    assert all(
        torch.equal(value, made.state_dict()[name])
        for name, value in converted.state_dict().items()
    )
    converted.load_state_dict(newer.state_dict())
    assert np.allclose(converted(x)[0], newer(x)[0].detach(), atol=1e-6)
    assert all(
        torch.equal(value, newer.state_dict()[name])
        for name, value in converted.state_dict().items()
    )
    for weight in converted.model.trainable_weights:
        weight.assign(weight + 0.1)
    made.load_state_dict(converted.state_dict())
    assert np.allclose(converted(x)[0], made(x)[0].detach(), atol=1e-6)
    assert all((made.bias_hh_l0 == 0).tolist()) is (cls is not nn.GRU)


@pytest.mark.parametrize("cls", [nn.LSTM, nn.GRU, nn.RNN])
def test_the_report_counts_what_is_trained_and_says_why(cls: type[nn.Module]) -> None:
    report = t2k.convert(cls(5, 7).eval(), (torch.randn(11, 3, 5),)).report
    counts = report.parameters
    summed = 0 if cls is nn.GRU else counts.torch_trainable // (5 + 7 + 2)
    assert counts.keras_trainable == counts.torch_trainable - summed
    assert not counts.unused
    assert any("the sum of bias_ih and bias_hh" in note for note in report.notes) is bool(summed)
    assert any("jit_compile=True" in note for note in report.notes)


REFUSED: dict[
    str, tuple[type[t2k.Torch2KerasError], str, Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]]
] = {
    "projections": (
        t2k.UnsupportedOpError,
        "proj_size",
        lambda: (nn.LSTM(5, 7, proj_size=3), (torch.randn(11, 3, 5),)),
    ),
    "a function": (
        t2k.UnsupportedOpError,
        "use torch.nn.GRU",
        lambda: (
            Net(lambda _, *a: torch.gru(a[0], a[1], a[2:], False, 1, 0.0, False, False, True)[0]),
            (torch.randn(3, 11, 5), torch.randn(1, 3, 7), torch.ones(21, 5), torch.ones(21, 7)),
        ),
    ),
    "computed weights": (
        t2k.LoweringError,
        "computed by the model",
        lambda: (
            Net(
                lambda self, x: torch.func.functional_call(
                    self.r, {n: p * x.mean() for n, p in self.r.named_parameters()}, x
                )[0],
                r=nn.GRU(5, 7),
            ),
            (torch.randn(11, 3, 5),),
        ),
    ),
    "part of a layer frozen": (
        t2k.LoweringError,
        "freeze all parameters",
        lambda: (partly_frozen(nn.GRU(5, 7)), (torch.randn(11, 3, 5),)),
    ),
}


def partly_frozen(made: nn.Module) -> nn.Module:
    made.weight_hh_l0.requires_grad_(False)
    return made


@pytest.mark.parametrize("name", REFUSED)
def test_what_keras_has_no_layer_for_is_refused(name: str) -> None:
    error, text, make = REFUSED[name]
    made, inputs = make()
    with pytest.raises(error, match=text):
        t2k.convert(made.eval(), inputs)
