"""What depends on the length of the longest packed sequence is told from what does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.sizes.padded_lengths import NOTE, note_padded_lengths
from torch2keras.errors import CaptureError

X, LENGTHS = torch.randn(3, 6, 4), torch.tensor([4, 6, 1])


class Net(nn.Module):
    """A function of the padded result of a GRU, its lengths and its input."""

    def __init__(self, run: Callable[..., Tensor], *, total: bool) -> None:
        super().__init__()
        self.run, self.total = run, total
        self.rnn = nn.GRU(4, 5, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        total = x.shape[1] if self.total else None
        y, _ = pad_packed_sequence(self.rnn(packed)[0], True, total_length=total)
        return self.run(y, lengths, x)


def softmax_of_steps(y: Tensor, lengths: Tensor, _: Tensor) -> Tensor:
    mask = torch.arange(y.shape[1]) < lengths.unsqueeze(1)
    return y.masked_fill(~mask.unsqueeze(2), -torch.inf).softmax(1)


SAME: dict[str, Callable[..., Tensor]] = {
    "each step": lambda y, *_: torch.sigmoid(y),
    "sum": lambda y, *_: y.sum(1),
    "masked mean": lambda y, lengths, _: y.sum(1) / lengths.unsqueeze(1),
    "last step": lambda y, lengths, _: y[torch.arange(3), lengths - 1],
    "softmax of what there is": softmax_of_steps,
    "with the input, where shorter ones are an error": lambda y, _, x: y + x[:, :, :1],
    "whole numbers": lambda y, *_: (y > 0).long(),
}
OTHER: dict[str, Callable[..., Tensor]] = {
    "mean": lambda y, *_: y.mean(1),
    "maximum": lambda y, *_: y.amax(1),
    "softmax": lambda y, *_: y.softmax(1),
    "last place": lambda y, *_: y[:, -1],
    "flipped": lambda y, *_: y.flip(1),
    "size": lambda y, *_: y.new_full((3,), y.shape[1]).long(),
    "where lengths tell the place too": lambda y, lengths, _: torch.cat(
        [y[torch.arange(3), lengths - 1], y.mean(1)], 1
    ),
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("total", [False, True])
def test_what_is_the_same_is_noted(name: str, total: bool) -> None:
    call = bind_example(Net(SAME[name], total=total).eval(), (X, LENGTHS), {})
    assert note_padded_lengths(call) == (NOTE,)


@pytest.mark.parametrize("name", OTHER)
def test_what_is_another_is_refused_with_advice_that_works(name: str) -> None:
    call = bind_example(Net(OTHER[name], total=False).eval(), (X, LENGTHS), {})
    with pytest.raises(CaptureError, match="total_length=x"):
        note_padded_lengths(call)
    note_padded_lengths(bind_example(Net(OTHER[name], total=True).eval(), (X, LENGTHS), {}))


def test_sequences_of_one_step_have_nothing_shorter() -> None:
    net = Net(lambda y, *_: y.mean(1), total=False).eval()
    assert note_padded_lengths(bind_example(net, (X[:, :1], LENGTHS.clamp(max=1)), {})) == (NOTE,)
