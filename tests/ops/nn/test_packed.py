"""Packed sequences become masks, in every form; what is refused has advice that works."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import rnn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import torch2keras as t2k
from op_case import Case, check
from torch2keras.capture.sizes.padded_lengths import NOTE

AUTO = torch.export.Dim.AUTO
N, T, C, UNITS = 3, 9, 6, 5
FALLING, MIXED, SHORT = [9, 6, 4], [4, 9, 1], [3, 7, 5]


class Packed(nn.Module):
    """Layers between packing and padding, from zero states or from given ones."""

    layers: Any
    value: Any

    def __init__(
        self, *layers: nn.RNNBase, is_sorted: bool = False, value: float = 0.0, total: bool = True
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.is_sorted, self.value, self.total = is_sorted, value, total

    def forward(self, x: Tensor, lengths: Tensor, *states: Tensor) -> Any:
        first = self.layers[0].batch_first
        length = x.shape[1 if first else 0]
        y = pack_padded_sequence(x, lengths.cpu(), first, enforce_sorted=self.is_sorted)
        start = states if len(states) > 1 else next(iter(states), None)
        found = []
        for layer in self.layers:
            y, last = layer(y, start)
            found.append(last)
        total = length if self.total else None
        return *pad_packed_sequence(y, first, self.value, total), found


class Net(nn.Module):
    """A forward function over modules."""

    def __init__(self, run: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *args: Tensor) -> Any:
        return self.run(self, *args)


def case(
    make: Callable[[], nn.Module],
    lengths: list[int],
    *,
    first: bool = True,
    states: int = 0,
    deep: int = 1,
    dynamic: bool = False,
) -> Case:
    """A module on sequences of these lengths, from states of so many layers and directions."""
    x = (len(lengths), T, C) if first else (T, len(lengths), C)
    options: dict[str, Any] = {}
    if dynamic or not first or states:
        shapes = {0: AUTO, 1: AUTO} if dynamic else {0 if first else 1: AUTO}
        options["dynamic_shapes"] = (shapes, {0: AUTO}, *[{1: AUTO}] * states)
    return Case(
        make,
        lambda: (
            torch.randn(x),
            torch.tensor(lengths),
            *(torch.randn(deep, len(lengths), UNITS) for _ in range(states)),
        ),
        options,
    )


def gru(**options: Any) -> nn.GRU:
    return nn.GRU(C, UNITS, **{"batch_first": True, **options})


CASES: dict[str, Case] = {
    "lstm": case(lambda: Packed(nn.LSTM(C, UNITS, batch_first=True)), MIXED),
    "lstm, sorted, sequence first": case(
        lambda: Packed(nn.LSTM(C, UNITS), is_sorted=True), FALLING, first=False
    ),
    "lstm, two layers, both directions": case(
        lambda: Packed(
            nn.LSTM(C, UNITS, 2, batch_first=True, bidirectional=True, dropout=0.1), value=-1.5
        ),
        MIXED,
        dynamic=True,
    ),
    "lstm with states, both directions": case(
        lambda: Packed(nn.LSTM(C, UNITS, 2, bidirectional=True)),
        MIXED,
        first=False,
        states=2,
        deep=4,
    ),
    "gru": case(lambda: Packed(gru(bias=False)), FALLING, dynamic=True),
    "gru, both directions, sorted": case(
        lambda: Packed(gru(bidirectional=True), is_sorted=True), FALLING
    ),
    "gru with states": case(lambda: Packed(gru()), MIXED, states=1),
    "gru of one sequence": case(lambda: Packed(gru(bidirectional=True)), [9]),
    "gru of even length": case(lambda: Packed(gru(bidirectional=True)), [8, 2, 6, 9]),
    "rnn, both directions, sequence first": case(
        lambda: Packed(nn.RNN(C, UNITS, bidirectional=True)), MIXED, first=False, dynamic=True
    ),
    "rnn of relu with states": case(
        lambda: Packed(nn.RNN(C, UNITS, 2, "relu", batch_first=True)), MIXED, states=1, deep=2
    ),
    "one packed layer behind another": case(
        lambda: Packed(gru(bidirectional=True), nn.LSTM(2 * UNITS, 4, bidirectional=True)), MIXED
    ),
    "all sequences shorter": case(lambda: Packed(gru(bidirectional=True)), SHORT, dynamic=True),
    "padded to the longest": case(
        lambda: Packed(gru(bidirectional=True), total=False), MIXED, dynamic=True
    ),
    "padded to the longest, all shorter": case(lambda: Packed(gru(), total=False), SHORT),
}


@pytest.mark.parametrize("name", CASES)
def test_packed(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*mask")
        converted = check(CASES[name])
    assert (NOTE in converted.report.notes) is ("padded to the longest" in name)
    assert "ops.sort" not in {call.target for call in converted.conversion.lowered.graph.calls}
    arrays = [port.from_torch(x) for port, x in zip(converted.inputs, example(name), strict=True)]
    path = converted.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(path, safe_mode=True)
    pairs = [keras.tree.flatten(model(arrays)) for model in (loaded, converted.model)]
    for ours, theirs in zip(*pairs, strict=True):
        assert np.array_equal(ours, theirs)


def example(name: str) -> tuple[Tensor, ...]:
    torch.manual_seed(1)
    return CASES[name].inputs()


@pytest.mark.parametrize("name", ["lstm, two layers, both directions", "gru with states"])
def test_other_lengths_and_what_stands_in_the_padding(name: str) -> None:
    made = CASES[name].make().eval()
    x, _, *states = example(name)
    converted = t2k.convert(made, (x, torch.tensor(MIXED), *states))
    for lengths in ([9, 9, 9], [1, 1, 1], [2, 9, 3], [1, 5, 8]):
        counts = torch.tensor(lengths)
        x[torch.arange(T) >= counts.unsqueeze(1)] = 1e9
        with torch.no_grad():
            wanted = torch.utils._pytree.tree_leaves(made(x, counts, *states))
        found = torch.utils._pytree.tree_leaves(converted(x, counts, *states))
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
        x = torch.randn(x.shape)


FORMS: dict[str, tuple[Callable[..., Any], Callable[[], tuple[Tensor, ...]]]] = {
    "lengths of a mask": (
        lambda self, x, mask: self.r(pack_padded_sequence(x, mask.sum(1), True, False))[1],
        lambda: (torch.randn(N, T, C), torch.arange(T) < torch.tensor(MIXED).unsqueeze(1)),
    ),
    "lengths as a list": (
        lambda self, x, n: self.r(rnn.pack_padded_sequence(x, n.tolist(), batch_first=True))[1],
        lambda: (torch.randn(N, T, C), torch.tensor(FALLING)),
    ),
    "lengths as an array": (
        lambda self, x, n: self.r(pack_padded_sequence(x, n.cpu().numpy(), True))[1],
        lambda: (torch.randn(N, T, C), torch.tensor(FALLING)),
    ),
    "lengths by their data": (
        lambda self, x, n: by_hand(self.r, x, n, lambda counts: counts.data.cpu().numpy()),
        lambda: (torch.randn(N, T, C), torch.tensor(MIXED)),
    ),
    "lengths of int32": (
        lambda self, x, n: self.r(pack_padded_sequence(x, n, True))[1],
        lambda: (torch.randn(N, T, C), torch.tensor(FALLING, dtype=torch.int32)),
    ),
    "lengths that are known": (
        lambda self, x: self.r(pack_padded_sequence(x, FALLING, batch_first=True))[1],
        lambda: (torch.randn(N, T, C),),
    ),
    "a list of sequences": (
        lambda self, *x: self.r(rnn.pack_sequence(list(x), enforce_sorted=False))[1],
        lambda: (torch.randn(4, C), torch.randn(7, C)),
    ),
    "sorted by hand": (
        lambda self, x, n: by_hand(self.r, x, n),
        lambda: (torch.randn(N, T, C), torch.tensor(MIXED)),
    ),
    "padded further": (
        lambda self, x, n: self.run_to(x, n, T + 4),
        lambda: (torch.randn(N, T, C), torch.tensor(MIXED)),
    ),
    "layers behind it that know masks": (
        lambda self, x, n: self.q(self.run_to(x, n, T).softmax(1))[0].mean(1),
        lambda: (torch.randn(N, T, C), torch.tensor(MIXED)),
    ),
}


def by_hand(
    layer: nn.RNNBase, x: Tensor, lengths: Tensor, read: Callable[[Tensor], Any] = torch.clone
) -> Tensor:
    counts, order = lengths.sort(descending=True)
    y, _ = layer(pack_padded_sequence(x[order], read(counts), batch_first=True))
    padded, _ = pad_packed_sequence(y, batch_first=True, total_length=T)
    return padded[order.argsort()]


class Form(Net):
    """A net of two layers; `run_to` pads to a length."""

    def __init__(self, run: Callable[..., Any]) -> None:
        super().__init__(run, r=gru(), q=nn.LSTM(UNITS, 4, batch_first=True, bidirectional=True))

    def run_to(self, x: Tensor, lengths: Tensor, length: int) -> Tensor:
        y, _ = self.r(pack_padded_sequence(x, lengths, True, enforce_sorted=False))
        return pad_packed_sequence(y, True, 0.5, length)[0]


@pytest.mark.parametrize("name", FORMS)
def test_lengths_and_results_in_every_form(name: str) -> None:
    run, inputs = FORMS[name]
    check(Case(lambda: Form(run), inputs))


def test_the_model_has_layers_of_keras_with_a_mask() -> None:
    converted = check(CASES["lstm, two layers, both directions"])
    calls = converted.conversion.lowered.graph.calls
    masked = [call.target for call in calls if "mask" in call.kwargs]
    assert masked == ["layers.Bidirectional"] * 2
    assert len({call.kwargs["mask"] for call in calls if "mask" in call.kwargs}) == 1


def on_data(self: Any, x: Tensor, lengths: Tensor) -> Tensor:
    packed = pack_padded_sequence(x, lengths, batch_first=True)
    rows = PackedSequence(self.fc(packed.data).relu(), packed.batch_sizes)
    return self.r(rows)[1]


def as_advised(self: Any, x: Tensor, lengths: Tensor) -> Tensor:
    packed = pack_padded_sequence(x, lengths, batch_first=True)
    padded, counts = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    return self.r(pack_padded_sequence(self.fc(padded).relu(), counts, batch_first=True))[1]


def test_a_layer_on_the_data_is_refused_and_the_advice_gives_the_same() -> None:
    torch.manual_seed(0)
    parts = {"fc": nn.Linear(C, C), "r": gru(bidirectional=True)}
    inputs = torch.randn(N, T, C), torch.tensor(FALLING)
    with pytest.raises(t2k.CaptureError, match="pack its result again"):
        t2k.convert(Net(on_data, **parts).eval(), inputs)
    wanted = Net(on_data, **parts)(*inputs).detach()
    converted = t2k.convert(Net(as_advised, **parts).eval(), inputs)
    np.testing.assert_allclose(converted(*inputs), wanted, atol=1e-6)


def test_a_mean_to_the_longest_is_refused_and_the_advice_works() -> None:
    def mean(self: Any, x: Tensor, lengths: Tensor, **options: int) -> Tensor:
        y, _ = self.r(pack_padded_sequence(x, lengths, True, enforce_sorted=False))
        return pad_packed_sequence(y, True, **options)[0].mean(1)

    def advised(self: Any, x: Tensor, lengths: Tensor) -> Tensor:
        return mean(self, x, lengths, total_length=x.shape[1])

    inputs = torch.randn(N, T, C), torch.tensor(MIXED)
    with pytest.raises(t2k.CaptureError, match="total_length=x"):
        t2k.convert(Net(mean, r=gru()).eval(), inputs)
    assert t2k.convert(Net(advised, r=gru()).eval(), inputs).verification.ok


REFUSED: dict[
    str, tuple[type[t2k.Torch2KerasError], str, Callable[..., Any], Callable[[], Any]]
] = {
    "a packed output": (
        t2k.CaptureError,
        "take the padded tensor of pad_packed_sequence",
        lambda self, x, n: self.r(pack_padded_sequence(x, n, batch_first=True))[0],
        lambda: (torch.randn(N, T, C), torch.tensor(FALLING)),
    ),
    "a packed input": (
        t2k.InputError,
        "let forward take the padded tensor",
        lambda self, x: self.r(x)[1],
        lambda: (pack_padded_sequence(torch.randn(N, T, C), FALLING, batch_first=True),),
    ),
    "unbatched": (
        t2k.InputError,
        "input must have 2 dimensions",
        lambda self, x, n: self.r(pack_padded_sequence(x, n))[1],
        lambda: (torch.randn(T, N), torch.tensor(FALLING)),
    ),
    "lengths as numbers": (
        t2k.CaptureError,
        "depends on the values of a tensor",
        lambda self, x, n: self.r(pack_padded_sequence(x, n, True))[1] * max(n.tolist()),
        lambda: (torch.randn(N, T, C), torch.tensor(FALLING)),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_padded_form_is_refused(name: str) -> None:
    error, text, run, inputs = REFUSED[name]
    with pytest.raises(error, match=text):
        t2k.convert(Net(run, r=gru()).eval(), inputs())


def test_packing_without_a_layer_of_pytorch_is_refused_with_advice_that_works() -> None:
    def advised(self: Any, x: Tensor, lengths: Tensor) -> Tensor:
        mask = torch.arange(x.shape[1]) < lengths.unsqueeze(1)
        return self.fc(x).masked_fill(~mask.unsqueeze(2), 0.0)

    def packed(self: Any, x: Tensor, lengths: Tensor) -> Tensor:
        return self.fc(pack_padded_sequence(x, lengths, batch_first=True).data)

    inputs = torch.randn(N, T, C), torch.tensor(FALLING)
    with pytest.raises(t2k.UnsupportedOpError, match="with the mask torch"):
        t2k.convert(Net(packed, fc=nn.Linear(C, 2)).eval(), inputs)
    assert t2k.convert(Net(advised, fc=nn.Linear(C, 2)).eval(), inputs).verification.ok
