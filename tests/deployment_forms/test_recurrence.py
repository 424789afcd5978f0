"""Recurrent layers without a loop: PyTorch's numbers, at each call anew."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from deployed import deploy
from torch2keras.deployment_forms import recurrence


class Last(nn.Module):
    """A layer that is asked for its states, or for them alone."""

    def __init__(self, kind: type[nn.RNNBase], alone: bool, **options: object) -> None:
        super().__init__()
        self.layer, self.alone = kind(4, 5, batch_first=True, **options), alone

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        y, states = self.layer(x)
        if isinstance(states, Tensor):
            states = (states,)
        last = tuple(state.transpose(0, 1) for state in states)
        return last if self.alone else (y, *last)


class Continued(nn.Module):
    """An LSTM that goes on from states that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(4, 5, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> Tensor:
        y, _ = self.layer(x, (h.transpose(0, 1), c.transpose(0, 1)))
        return y


KINDS = [nn.LSTM, nn.GRU, nn.RNN]
OPTIONS = [{}, {"bidirectional": True, "num_layers": 2}, {"bias": False}]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_short_sequence_is_written_out(kind: type[nn.RNNBase], options: dict[str, object]) -> None:
    torch.manual_seed(0)
    found = deploy(Last(kind, alone=False, **options), torch.randn(2, 7, 4)).operators
    assert "WHILE" not in found
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" not in found


def test_last_state_alone_is_given() -> None:
    torch.manual_seed(0)
    deploy(Last(nn.LSTM, alone=True, bidirectional=True), torch.randn(2, 7, 4))


def test_states_are_taken() -> None:
    torch.manual_seed(0)
    example = torch.randn(2, 7, 4), torch.randn(2, 2, 5), torch.randn(2, 2, 5)
    assert "WHILE" not in deploy(Continued(), *example).operators


def test_relu_is_the_activation() -> None:
    torch.manual_seed(0)
    deploy(Last(nn.RNN, alone=False, nonlinearity="relu"), torch.randn(2, 7, 4))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_long_lstm_is_one_operator_a_direction(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurrence, "MOST_STEPS", {"LSTM": 3})
    torch.manual_seed(0)

    class Sequence(Last):
        def forward(self, x: Tensor) -> Tensor:
            return self.layer(10 * x)[0]

    found = deploy(Sequence(nn.LSTM, alone=False, **options), torch.randn(2, 7, 4)).operators
    directions = 4 if options.get("bidirectional") else 1
    assert found["UNIDIRECTIONAL_SEQUENCE_LSTM"] == directions


def test_long_lstm_with_states_stays_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurrence, "MOST_STEPS", {"LSTM": 3, "GRU": 3})
    torch.manual_seed(0)
    assert deploy(Last(nn.LSTM, alone=False), torch.randn(2, 7, 4)).operators["WHILE"]
    assert deploy(Last(nn.GRU, alone=False), torch.randn(2, 7, 4)).operators["WHILE"]
