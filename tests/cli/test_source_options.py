"""What `convert` and `inspect` both ask, and the call that comes of it."""

from __future__ import annotations

import inspect

import pytest
import torch
import typer
from torch.export import Dim

import torch2keras
from command import NETS, command
from torch2keras.cli.input_shapes import parse_shape
from torch2keras.cli.main import app
from torch2keras.cli.source_options import (
    RandomOption,
    SourceOptions,
    StateOption,
    add_note,
    build_call,
    parse_layout,
    take_source_options,
)
from torch2keras.errors import InputError, UnsafeFileError

SHARED = {
    "source",
    "inputs",
    "weights",
    "entry",
    "trust",
    "max_memory",
    "layout",
    "name",
    "trace",
    "state",
    "random",
    "dtype",
    "bug_report",
    "quiet",
    "as_json",
}


CONVERT_ALONE = {
    "output",
    "batch",
    "quantize",
    "calibration",
    "floor_db",
    "keep_float",
    "integer_ports",
    "weights_format",
    "max_shard_size",
    "no_verify",
    "verify",
    "full",
    "report_file",
}


@pytest.fixture(autouse=True)
def nets(tmp_path, monkeypatch):
    (tmp_path / "t2k_option_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)


def test_both_commands_have_every_shared_option():
    commands = typer.main.get_command(app).commands
    for name, own in (
        ("convert", CONVERT_ALONE),
        ("inspect", {"report_file"}),
    ):
        found = {parameter.name for parameter in commands[name].params}
        assert found - {"help"} == SHARED | own


def test_a_command_gets_the_shared_options_in_one_piece():
    @take_source_options
    def command(options: SourceOptions, *, extra: int) -> None:
        taken.append((options, extra))

    taken: list[tuple[SourceOptions, int]] = []
    assert set(inspect.signature(command).parameters) == SHARED | {"extra"}
    command(
        source="a:b",
        inputs=None,
        weights=None,
        entry="",
        layout=["torch"],
        name=None,
        trace=True,
        state=StateOption.REFUSE,
        random=RandomOption.REFUSE,
        dtype=None,
        bug_report=False,
        quiet=False,
        as_json=True,
        trust=False,
        max_memory=None,
        extra=7,
    )
    assert taken == [(SourceOptions("a:b", layout=["torch"], trace=True, as_json=True), 7)]


def test_inputs_are_parsed_in_their_order():
    options = SourceOptions("a:b", ["2,3", "mask:5:int64"])
    assert options.parse_inputs() == [parse_shape("2,3"), parse_shape("mask:5:int64")]
    assert SourceOptions("a:b").parse_inputs() == []


def test_the_call_has_the_module_its_example_and_the_options():
    told: list[str] = []
    options = SourceOptions(
        "t2k_option_nets:Small", ["2,3,length=11"], layout=["torch"], name="tiny"
    )
    made = build_call(options, options.parse_inputs(), told.append)
    call = made.arguments
    assert made.note == ""
    assert type(call["module"]).__name__ == "Small"
    assert [tuple(x.shape) for x in call["args"]] == [(2, 3, 11)]
    assert call["dynamic_shapes"] == ({0: Dim.AUTO, 2: Dim.DYNAMIC},)
    rest = ("kwargs", "layout", "capture", "name")
    assert [call[key] for key in rest] == [{}, "torch", "export", "tiny"]
    assert told == ["load"]
    assert (call["state"], call["random"]) == ("refuse", "refuse")
    ported = SourceOptions("t2k_option_nets:Small", ["2,3,11"], state=StateOption.PORTS)
    assert build_call(ported, ported.parse_inputs(), told.append).arguments["state"] == "ports"
    noisy = SourceOptions("t2k_option_nets:Small", ["2,3,11"], random=RandomOption.PORTS)
    assert build_call(noisy, noisy.parse_inputs(), told.append).arguments["random"] == "ports"
    traced = SourceOptions("t2k_option_nets:Small", ["2,3,11"], trace=True)
    assert build_call(traced, traced.parse_inputs(), told.append).arguments["capture"] == "trace"


@pytest.mark.parametrize(
    ("texts", "layout"),
    [
        ([], "keras"),
        (["keras"], "keras"),
        (["torch"], "torch"),
        (["x=n l c"], {"x": "n l c"}),
        (["x=n,l,c", "output = n c l"], {"x": "n l c", "output": "n c l"}),
    ],
)
def test_layouts(texts, layout):
    assert parse_layout(texts) == layout


@pytest.mark.parametrize("texts", [["nhwc"], ["keras", "torch"], ["x=n c", "x=c n"], ["x"], [""]])
def test_layouts_of_another_form_are_refused(texts):
    with pytest.raises(InputError, match=r"unknown layout(.|\n)*--layout x="):
        parse_layout(texts)


def test_without_an_example_nothing_is_loaded():
    told: list[str] = []
    with pytest.raises(InputError, match="no example input for t2k_option_nets:Small"):
        build_call(SourceOptions("t2k_option_nets:Small"), [], told.append)
    assert told == []


def test_weights_are_loaded_and_noted(tmp_path):
    shapes = [parse_shape("2,3,11")]
    plain = build_call(SourceOptions("t2k_option_nets:Small"), shapes, lambda stage: None)
    state = plain.arguments["module"].state_dict()
    torch.save({name: tensor + 1 for name, tensor in state.items()}, tmp_path / "a.pth")
    options = SourceOptions("t2k_option_nets:Small", weights=tmp_path / "a.pth")
    call = build_call(options, shapes, lambda stage: None)
    assert call.note.startswith(f"The weights are 4 tensors of {tmp_path / 'a.pth'}")
    for name, tensor in call.arguments["module"].state_dict().items():
        assert torch.equal(tensor, state[name] + 1)


def test_an_entry_needs_a_file():
    options = SourceOptions("t2k_option_nets:Small", entry="ema")
    with pytest.raises(InputError, match="--entry without --weights"):
        build_call(options, [parse_shape("2,3,11")], lambda stage: None)


def test_torchscript_becomes_a_module(tmp_path):
    program = torch.jit.trace(torch.nn.Linear(3, 5), torch.randn(2, 3))
    torch.jit.save(program, str(tmp_path / "a.pt"))
    source = f"torchscript:{tmp_path / 'a.pt'}"
    with pytest.raises(UnsafeFileError, match="--trust"):
        build_call(SourceOptions(source), [parse_shape("2,3")], lambda stage: None)
    options = SourceOptions(source, trust=True)
    call = build_call(options, [parse_shape("2,3")], lambda stage: None)
    assert sorted(dict(call.arguments["module"].named_parameters())) == ["bias", "weight"]
    assert call.note.startswith(f"{source} was trusted")


def test_a_note_stands_before_the_others():
    report = torch2keras.inspect(torch.nn.Linear(3, 5), torch.randn(2, 3))
    assert add_note(report, "Hear.").notes == ("Hear.", *report.notes)
    assert add_note(report, "") is report


def test_a_transformer_has_an_example_of_its_own(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=11,
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=13,
        architectures=["BertModel"],
    )
    config.save_pretrained(tmp_path)
    options = SourceOptions(f"hf:{tmp_path / 'config.json'}")
    made = build_call(options, [], lambda stage: None)
    assert "random" in made.note
    call = made.arguments
    assert sorted(call["kwargs"]) == ["attention_mask", "input_ids"]
    assert call["kwargs"]["input_ids"].dtype == torch.int64


def test_a_limit_of_memory_is_kept_before_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "limited_net.py").write_text(
        "from torch import nn\nNet = lambda: nn.Linear(5, 3)\n"
    )
    call = ["inspect", "limited_net.py:Net", "-i", "2,5", "--max-memory"]
    assert command(*call, "1MB").code == 0
    for least in (
        (*call[:4], call[4], "100B"),
        ("inspect", "limited_net.py:Net", "-i", "9999,5", *call[4:], "0.1M"),
    ):
        ran = command(*least)
        assert (ran.code, "the limit is" in ran.err) == (2, True)
