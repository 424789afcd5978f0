from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.checkpoints.checkpoint_files import open_checkpoint
from torch2keras.checkpoints.empty_modules import fill_module, is_empty
from torch2keras.runtime.native_attributes import state_tensors, submodules

X = torch.randn(2, 3, 11)


class Positions(nn.Module):
    """A buffer that no file holds, and that PyTorch's convention for "meta" makes anew."""

    def __init__(self, maker: str = "reset_parameters") -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(11))
        self.register_buffer("table", torch.empty(11), persistent=False)
        setattr(self, maker, self.make)
        self.make()

    def make(self) -> None:
        with torch.no_grad():
            self.scale.fill_(1)
            self.table.copy_(torch.arange(11) / 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale + self.table


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(3, 5, 3, padding=1), nn.BatchNorm1d(5), nn.ReLU(), nn.Conv1d(5, 3, 1)
        )
        self.again = self.body[3]
        self.positions = Positions()
        self.mix = nn.Parameter(torch.randn(3, 1))
        self.other = self.mix

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.positions(self.body(x)) * self.mix + self.again(self.body[:3](x)) * self.other


class Around(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def make_trained() -> Net:
    torch.manual_seed(7)
    net = Net().eval()
    with torch.no_grad():
        net.positions.scale.uniform_(1, 2)
    net.body[1].running_mean.normal_()
    return net


def make_empty(make=Net) -> nn.Module:
    with torch.device("meta"):
        return make().eval()


def save(net: nn.Module, file: Path) -> Path:
    if file.suffix == ".safetensors":
        safetensors.torch.save_model(net, file)
    elif file.suffix:
        torch.save(net.state_dict(), file)
    else:
        file.mkdir()
        safetensors.torch.save_model(net, file / "model.safetensors")
    return file


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth", "folder"])
def test_an_empty_module_is_converted_with_the_weights_of_a_file(tmp_path, name) -> None:
    trained = make_trained()
    empty = make_empty()
    converted = t2k.convert(empty, X, weights=save(trained, tmp_path / name))
    np.testing.assert_allclose(converted(X), trained(X).detach(), rtol=1e-5, atol=1e-6)
    assert is_empty(empty)
    assert all(t.is_meta for t in state_tensors(submodules(empty)).values())
    assert str(tmp_path / name) in converted.report.notes[0]


def test_a_dictionary_and_a_module_with_memory_are_taken_too() -> None:
    trained, other = make_trained(), Net().eval()
    before = {name: value.clone() for name, value in other.state_dict().items()}
    converted = t2k.convert(other, X, weights=trained.state_dict())
    np.testing.assert_allclose(converted(X), trained(X).detach(), rtol=1e-5, atol=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_tied_parameters_stay_tied() -> None:
    empty = make_empty()
    fill_module(empty, open_checkpoint(make_trained().state_dict()))
    assert empty.mix is empty.other
    assert empty.again is empty.body[3]
    assert isinstance(empty.mix, nn.Parameter)


def test_a_module_that_wraps_another_takes_the_names_of_that() -> None:
    trained = make_trained()
    converted = t2k.convert(Around(make_empty()), X, weights=trained.state_dict())
    np.testing.assert_allclose(converted(X), trained(X).detach(), rtol=1e-5, atol=1e-6)
    assert "names begin with 'net.'" in " ".join(converted.report.notes)


def test_the_types_are_those_of_the_file() -> None:
    x, net = torch.randn(2, 3), nn.Linear(3, 5).bfloat16()
    empty = make_empty(lambda: nn.Linear(3, 5))
    narrow = t2k.convert(empty, x.bfloat16(), weights=net.state_dict())
    assert {weight.dtype for weight in narrow.model.weights} == {"bfloat16"}
    assert "bfloat16 for float32" in " ".join(narrow.report.notes)
    wide = t2k.convert(empty, x, weights=net.state_dict(), dtype="float32")
    assert {weight.dtype for weight in wide.model.weights} == {"float32"}


def test_the_model_trains_and_gives_its_weights_back() -> None:
    trained = make_trained()
    converted = t2k.convert(make_empty(), X, weights=trained.state_dict())
    for name, value in converted.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name]), name
    assert converted.verify(level="gradients").ok


@pytest.mark.parametrize("maker", ["reset_parameters", "_init_weights"])
def test_buffers_that_no_file_holds_are_made_by_the_module(maker) -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = Positions("reset_parameters" if maker == "reset_parameters" else "unused")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.part(x)

        def _init_weights(self, part: nn.Module) -> None:
            if maker == "_init_weights":
                part.make()

    empty = make_empty(Root)
    fill_module(empty, open_checkpoint({"part.scale": torch.full((11,), 3.0)}))
    assert torch.equal(empty.part.table, torch.arange(11) / 7)
    assert torch.equal(empty.part.scale, torch.full((11,), 3.0))


def _draw(part: nn.Module) -> None:
    part.table.normal_()


def _leave(part: nn.Module) -> None:
    del part


def _raise(part: nn.Module) -> None:
    message = "no such thing"
    raise KeyError(message)


@pytest.mark.parametrize("make", [_draw, _leave, _raise])
def test_buffers_without_numbers_are_refused(make) -> None:
    empty = make_empty(lambda: Around(Positions("unused")))
    empty.net.reset_parameters = lambda: make(empty.net)
    with pytest.raises(t2k.InputError, match=r"(?s)no numbers.*net\.table.*init_empty_weights"):
        fill_module(empty, open_checkpoint({"net.scale": torch.ones(11)}))


class Named(nn.Parameter):
    """A class of the author's own."""


REFUSED = [
    ({}, r"missing +mix"),
    ({"mix": torch.ones(2, 1)}, r"shapes +mix"),
    ({"mix": torch.ones(3, 1, dtype=torch.int64)}, r"torch\.int64"),
    ({"mix": torch.ones(3, 1), "other": torch.zeros(3, 1)}, "mix, other are one parameter"),
]


@pytest.mark.parametrize(("given", "told"), REFUSED)
def test_weights_of_another_module_are_refused(given, told) -> None:
    state = dict(make_trained().state_dict())
    del state["mix"], state["other"]
    state |= given
    with pytest.raises(t2k.InputError, match=told):
        t2k.convert(make_empty(), X, weights=state)


def test_an_empty_module_alone_is_told_how_it_gets_weights() -> None:
    with pytest.raises(t2k.InputError, match=r'convert\(..., weights="weights.safetensors"\)'):
        t2k.convert(make_empty(), X)


def test_a_parameter_of_another_class_is_refused() -> None:
    with torch.device("meta"):
        net = nn.Conv1d(3, 5, 3)
    net.weight = Named(net.weight.data)
    with pytest.raises(t2k.InputError, match=r"(?s)weight cannot have.*it is a Named"):
        fill_module(net, open_checkpoint(nn.Conv1d(3, 5, 3).state_dict()))


class Recurrent(nn.Module):
    """Its layers refer to their weights weakly, and hold them in a list too."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(10, 7, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gru(self.lstm(x.mT)[0])[0]


def test_recurrent_layers_take_weights() -> None:
    trained = Recurrent().eval()
    converted = t2k.convert(make_empty(Recurrent), X, weights=trained.state_dict())
    np.testing.assert_allclose(converted(X), trained(X).detach(), rtol=1e-5, atol=1e-6)


class Stubborn(nn.Linear):
    """A part that keeps its parameters, and is referred to weakly."""

    def __init__(self) -> None:
        super().__init__(3, 5)
        self.ref = weakref.ref(self.weight)

    def __setattr__(self, name: str, value: object) -> None:
        if name != "weight" or "weight" not in self._parameters:
            super().__setattr__(name, value)


def test_a_part_that_keeps_its_parameters_is_refused() -> None:
    empty = make_empty(Stubborn)
    with pytest.raises(t2k.InputError, match=r"(?s)weight cannot have.*Stubborn keeps its own"):
        fill_module(empty, open_checkpoint(nn.Linear(3, 5).state_dict()))


def test_a_lazy_module_is_refused() -> None:
    with pytest.raises(t2k.InputError, match=r"no value yet|call it once|lazy"):
        t2k.convert(nn.LazyLinear(5), X, weights={"weight": torch.ones(5, 11)})


class Held(nn.Module):
    """A tensor that no file holds, and that no part of PyTorch knows of."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3)
        self.tables = [torch.arange(9.0)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) + self.tables[0]


def test_a_tensor_that_is_no_buffer_is_refused_with_the_way_out() -> None:
    with pytest.raises(t2k.InputError, match=r"(?s)self.tables\[0\].*register it as a"):
        t2k.convert(make_empty(Held), X, weights=Held().state_dict())
