"""TorchScript through PyTorch's converter: the same numbers, or a refusal."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.cli import torchscript
from torch2keras.cli.torchscript import load_program, program_as_module
from torch2keras.errors import CaptureError, InputError, SourceError, UnsafeFileError


class Branch(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 3, 3, padding=1)
        self.twice = True

    def forward(self, x):
        y = torch.relu(self.conv(x))
        if self.twice:
            y = self.conv(y)
        return x + y


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 5)

    def forward(self, x):
        for _ in range(3):
            x = torch.tanh(self.linear(x))
        return x


class Sizes(nn.Module):
    def forward(self, x):
        return x.view(x.size(0), -1) / x.size(0)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 5, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0]


class WithDefault(nn.Module):
    def forward(self, x, twice: bool = True):
        return x * 2 if twice else x


NORMED = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(1))

# module, the shape of its input
TAKEN = {
    "convolution and norm": (NORMED, (2, 3, 7, 11)),
    "a branch on an attribute": (Branch(), (2, 3, 13)),
    "a loop": (Steps(), (2, 5)),
    "sizes": (Sizes(), (2, 3, 5)),
    "a norm of a dense layer": (
        nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.GELU()),
        (2, 7, 6),
    ),
}


def save(module: nn.Module, path, trace: torch.Tensor | None = None) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.jit.script(module) if trace is None else torch.jit.trace(module, trace)
        torch.jit.save(made, str(path))
    return str(path)


@pytest.mark.parametrize("is_traced", [False, True])
@pytest.mark.parametrize("name", TAKEN)
def test_a_program_converts_to_its_numbers(name, is_traced, tmp_path) -> None:
    module, shape = TAKEN[name]
    module.eval()
    x = torch.randn(shape)
    program = load_program(save(module, tmp_path / "net.pt", x if is_traced else None), trust=True)
    converted = t2k.convert(program_as_module(program, (x,)), x)
    other = torch.randn(3, *shape[1:])
    for given in (x, other) if converted.inputs[0].torch_shape[0] is None else (x,):
        assert torch.allclose(torch.tensor(converted(given)), module(given), atol=1e-5)


def test_parameters_stay_parameters_and_buffers_buffers(tmp_path) -> None:
    program = load_program(save(NORMED.eval(), tmp_path / "net.pt"), trust=True)
    module = program_as_module(program, (torch.randn(2, 3, 7, 11),))
    for kind in ("named_parameters", "named_buffers"):
        names = {name for name, _ in getattr(module, kind)()}
        assert names <= {name for name, _ in getattr(NORMED, kind)()}
    assert len(list(module.parameters())) == len(list(NORMED.parameters()))


@pytest.mark.parametrize(
    ("module", "why"), [(WithDefault(), "RuntimeError"), (Recurrent(), "as single ops")]
)
def test_what_is_not_taken_is_refused_with_a_way_out(module, why, tmp_path) -> None:
    program = load_program(save(module.eval(), tmp_path / "net.pt"), trust=True)
    with pytest.raises(CaptureError, match=rf"TorchScript(.|\n)*{why}(.|\n)*--weights"):
        program_as_module(program, (torch.randn(2, 7, 3),))


def test_other_numbers_than_the_programs_are_refused(tmp_path, monkeypatch) -> None:
    program = load_program(save(Steps().eval(), tmp_path / "net.pt"), trust=True)
    restore = torchscript._restore_kinds

    def restore_wrongly(program, module) -> None:
        restore(program, module)
        module.linear.bias = nn.Parameter(module.linear.bias.detach() + 1)

    monkeypatch.setattr(torchscript, "_restore_kinds", restore_wrongly)
    with pytest.raises(CaptureError, match="gives other numbers"):
        program_as_module(program, (torch.randn(2, 5),))


def test_an_example_is_needed(tmp_path) -> None:
    with pytest.raises(InputError, match="by position"):
        program_as_module(load_program(save(Steps(), tmp_path / "net.pt"), trust=True), ())


@pytest.mark.parametrize("content", [None, b"", b"hello", b"PK\x03\x04 and no more"])
def test_what_is_no_program_is_refused(content, tmp_path) -> None:
    file = tmp_path / "net.pt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SourceError, match=r"torch\.jit\.save wrote"):
        load_program(str(file), trust=True)


def test_a_program_runs_nothing_before_it_is_trusted(tmp_path, monkeypatch) -> None:
    path = save(Steps(), tmp_path / "net.pt")
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(UnsafeFileError, match=r"TorchScript(.|\n)*--weights(.|\n)*--trust"):
        load_program(path)
